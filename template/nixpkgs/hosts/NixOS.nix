# The host NixOS. `flk iso NixOS` makes its live installer, result/iso/NixOS.iso.
{
  imports = [
    ./default.nix
    ../profiles/ssh.nix
  ];

  boot.loader.systemd-boot.enable = true;
  boot.loader.efi.canTouchEfiVariables = true;

  # As the installation's `mkfs.ext4 -L nixos` and `mkfs.vfat -n boot` name them.
  fileSystems."/" = {
    device = "/dev/disk/by-label/nixos";
    fsType = "ext4";
  };
  fileSystems."/boot" = {
    device = "/dev/disk/by-label/boot";
    fsType = "vfat";
  };

  users.users.nixos = {
    isNormalUser = true;
    extraGroups = [ "wheel" ];
    # Who may log in by ssh, live and installed: public keys, one file each.
    openssh.authorizedKeys.keyFiles = [ ];
  };
}
