# Sets options that do not exist, in the forms that hosts use. Tests know the lines.
{ config, lib, ... }:
{
  services.opensh.enable = true;
  services.opensh.port = config.services.opensh.nothing;
  services.web = {
    enable = true;
    root = "${config.services.nowhere}";
  };
  networking =
    { hostNam = "x"; };
  virtualisation = lib.mkIf false {
    docker.enable = true;
  };
  computed = config.services.nowhere;
}
