# The host NixOS. `flk iso NixOS` makes its live installer, result/iso/NixOS.iso.
{ suites, ... }:
{
  imports = suites.base;

  boot.loader.systemd-boot.enable = true;
  boot.loader.efi.canTouchEfiVariables = true;

  # As the installation's `mkfs.ext4 -L nixos`, `mkfs.vfat -n boot` and `mkswap -L swap` name them.
  fileSystems."/" = {
    device = "/dev/disk/by-label/nixos";
    fsType = "ext4";
  };
  fileSystems."/boot" = {
    device = "/dev/disk/by-label/boot";
    fsType = "vfat";
  };
  # A machine without a partition of that name comes up without swap.
  swapDevices = [
    {
      device = "/dev/disk/by-label/swap";
      options = [
        "nofail"
        "x-systemd.device-timeout=30s"
      ];
    }
  ];

  users.users.nixos = {
    isNormalUser = true;
    extraGroups = [ "wheel" ];
    # Who may log in by ssh, live and installed: public keys, one file each.
    openssh.authorizedKeys.keyFiles = [ ];
  };
}
