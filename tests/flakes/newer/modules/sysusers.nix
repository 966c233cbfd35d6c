# nixos/modules/system/boot/systemd/sysusers.nix: it makes no normal users.
{ config, lib, ... }:
{
  options.systemd.sysusers.enable = lib.mkEnableOption "systemd-sysusers";

  config.assertions = lib.mapAttrsToList (name: user: {
    assertion = config.systemd.sysusers.enable -> !user.isNormalUser;
    message = "${name} is a normal user. systemd-sysusers doesn't create normal users, only system users.";
  }) config.users.users;
}
