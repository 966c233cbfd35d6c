# networking.firewall.*, networking.nftables.enable
{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.networking.firewall;

  bool =
    default: description:
    lib.mkOption {
      type = lib.types.bool;
      inherit default description;
    };
in
{
  options.networking = {
    firewall = {
      enable = bool true "Whether the firewall is on.";
      allowPing = bool true "Whether echo requests are answered.";
      rejectPackets = bool false "Whether refused packets are answered.";
      logRefusedConnections = bool false "Whether refused connections are logged.";
      checkReversePath = lib.mkOption {
        type = lib.types.either lib.types.bool (
          lib.types.enum [
            "strict"
            "loose"
          ]
        );
        default = false;
        description = "Accepted for NixOS's sake.";
      };
      trustedInterfaces = lib.mkOption {
        type = lib.types.listOf lib.types.str;
        default = [ ];
        description = "Links from which everything is let in.";
      };
      allowedTCPPorts = lib.mkOption {
        type = lib.types.listOf lib.types.port;
        default = [ ];
        apply = ports: lib.unique (lib.sort lib.lessThan ports);
        description = "TCP ports that are open.";
      };
      allowedUDPPorts = lib.mkOption {
        type = lib.types.listOf lib.types.port;
        default = [ ];
        apply = ports: lib.unique (lib.sort lib.lessThan ports);
        description = "UDP ports that are open.";
      };
      allowedTCPPortRanges = lib.mkOption {
        type = lib.types.listOf (lib.types.attrsOf lib.types.port);
        default = [ ];
        description = "Ranges `{ from; to; }` of open TCP ports.";
      };
      allowedUDPPortRanges = lib.mkOption {
        type = lib.types.listOf (lib.types.attrsOf lib.types.port);
        default = [ ];
        description = "Ranges `{ from; to; }` of open UDP ports.";
      };
      interfaces = lib.mkOption {
        type = lib.types.attrsOf (
          lib.types.submodule {
            options = {
              allowedTCPPorts = lib.mkOption {
                type = lib.types.listOf lib.types.port;
                default = [ ];
                description = "TCP ports open on this link.";
              };
              allowedUDPPorts = lib.mkOption {
                type = lib.types.listOf lib.types.port;
                default = [ ];
                description = "UDP ports open on this link.";
              };
            };
          }
        );
        default = { };
        description = "Ports open on a link only.";
      };
      extraInputRules = lib.mkOption {
        type = lib.types.lines;
        default = "";
        description = "nftables rules of the input chain.";
      };
    };
    nftables.enable = bool true "Whether the firewall is nftables'. On this channel it is.";
  };

  config = lib.mkIf cfg.enable {
    environment.systemPackages = [ pkgs.nftables ];
    environment.etc."nftables.conf".text = import ./nftables.nix { inherit lib; } cfg;
    systemd.services.nftables = {
      reloadTriggers = [ config.environment.etc."nftables.conf".source ];
      overrideStrategy = "asDropin";
      wantedBy = [ "sysinit.target" ];
    };
  };
}
