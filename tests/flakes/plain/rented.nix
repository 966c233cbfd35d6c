# A rented server: the only key is root's. Another user's would be there if it were asked for, and has no value: nobody may look at it.
{ config, lib, ... }:
{
  options.spare = {
    enable = lib.mkEnableOption "a second user";
    key = lib.mkOption {
      type = lib.types.str;
      description = "The second user's key.";
    };
  };

  config = {
    boot.loader.grub.enable = false;
    fileSystems."/".device = "/dev/disk/by-label/nixos";
    users.users.root.openssh.authorizedKeys.keys = [
      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7LcwSXUNYHrLBhrTGiCx6ZVVdJTTYrGiQJRRRyL8iu you@box"
    ];
    users.users.spare = lib.mkIf config.spare.enable {
      isNormalUser = true;
      openssh.authorizedKeys.keys = [ config.spare.key ];
    };
  };
}
