{ users.users.me.isNormalUser = true; }
