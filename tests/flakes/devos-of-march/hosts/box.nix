{ suites, profiles, ... }:
{
  imports = suites.base ++ suites.paths ++ [ profiles.named ];
  fileSystems."/" = { device = "/dev/disk/by-label/nixos"; fsType = "ext4"; };
  boot.loader.systemd-boot.enable = true;
}
