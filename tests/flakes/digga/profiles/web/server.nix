{ pkgs, ... }: { networking.hostName = pkgs.hostNameOfAnOverlay; }
