# nixos/modules/tasks/network-interfaces-systemd.nix, services/networking/{ifstate,nftables}.nix and firewalld/.
{ config, lib, ... }:
{
  options = {
    networking.fooOverUDP = lib.mkOption {
      type = lib.types.attrsOf lib.types.attrs;
      default = { };
    };
    networking.ifstate.enable = lib.mkEnableOption "IfState";
    boot.initrd.network.ifstate.enable = lib.mkEnableOption "IfState in the initrd";
    services.firewalld.enable = lib.mkEnableOption "firewalld";
  };

  config.assertions = lib.mapAttrsToList (name: tunnel: {
    assertion = config.networking.useNetworkd -> !(tunnel ? local);
    message = "networking.fooOverUDP.${name}.local is not supported by networkd.";
  }) config.networking.fooOverUDP;
}
