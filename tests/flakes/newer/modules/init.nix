# nixos/modules/system/activation/nixos-init.nix.
{ config, lib, ... }:
let
  inherit (config.system) nixos-init;
in
{
  options.system.nixos-init.enable = lib.mkEnableOption "nixos-init";

  config.assertions = [
    {
      assertion = nixos-init.enable -> config.boot.initrd.systemd.enable && config.system.etc.overlay.enable;
      message = "nixos-init can only be used with boot.initrd.systemd.enable and system.etc.overlay.enable";
    }
    {
      assertion = nixos-init.enable -> config.systemd.sysusers.enable;
      message = "nixos-init can only be used with services.userborn.enable or systemd.sysusers.enable";
    }
  ];
}
