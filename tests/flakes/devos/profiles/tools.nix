{ marker, pkgs, ... }:
{
  environment.systemPackages = [ pkgs.htop ];
  environment.etc."marker".text = marker + pkgs.overlaid;
}
