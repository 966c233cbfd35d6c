{ networking.hostName = "alone"; }
