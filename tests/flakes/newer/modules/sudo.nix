# nixos/modules/security/run0.nix, of 2026.
{ config, lib, ... }:
{
  options.security.run0 = {
    enable = lib.mkEnableOption "run0";
    sudo-shim.enable = lib.mkEnableOption "sudo as an alias of run0";
  };

  config.assertions = [
    {
      assertion = config.security.run0.sudo-shim.enable -> !config.security.sudo.enable;
      message = "security.run0.sudo-shim cannot be enabled if security.sudo is";
    }
  ];
}
