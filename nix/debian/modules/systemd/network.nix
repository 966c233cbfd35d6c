# systemd.network.*
{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.systemd.network;
  text = import ./unit-text.nix { inherit lib; };
  inherit (import ./unit-options.nix { inherit lib pkgs; }) section sectionType;

  strings =
    description:
    lib.mkOption {
      type = lib.types.listOf lib.types.str;
      default = [ ];
      inherit description;
    };

  # Sections that may come several times: `{ addressConfig = { … }; }` (before 23.11) or the settings themselves.
  sections =
    name: oldAttribute:
    lib.mkOption {
      type = lib.types.listOf (
        lib.types.coercedTo (lib.types.attrsOf lib.types.raw) (
          settings: settings.${oldAttribute} or settings
        ) sectionType
      );
      default = [ ];
      description = "Sections [${name}].";
    };

  common.options = {
    enable = lib.mkOption {
      type = lib.types.bool;
      default = true;
      description = "Whether the file is there.";
    };
    matchConfig = section "Match";
    extraConfig = lib.mkOption {
      type = lib.types.lines;
      default = "";
      description = "Lines at the file's end.";
    };
  };

  # Option → section, in the order of systemd.network(5).
  networkSections = {
    linkConfig = "Link";
    networkConfig = "Network";
    dhcpV4Config = "DHCPv4";
    dhcpV6Config = "DHCPv6";
    dhcpPrefixDelegationConfig = "DHCPPrefixDelegation";
    ipv6AcceptRAConfig = "IPv6AcceptRA";
    ipv6SendRAConfig = "IPv6SendRA";
    dhcpServerConfig = "DHCPServer";
    bridgeConfig = "Bridge";
  };

  netdevSections = {
    netdevConfig = "NetDev";
    vlanConfig = "VLAN";
    macvlanConfig = "MACVLAN";
    vxlanConfig = "VXLAN";
    tunnelConfig = "Tunnel";
    peerConfig = "Peer";
    tunConfig = "Tun";
    tapConfig = "Tap";
    wireguardConfig = "WireGuard";
    bondConfig = "Bond";
    bridgeConfig = "Bridge";
    vrfConfig = "VRF";
  };

  network.options =
    lib.mapAttrs (_: section) networkSections
    // {
      name = lib.mkOption {
        type = lib.types.nullOr lib.types.str;
        default = null;
        description = "Match by name.";
      };
      DHCP = lib.mkOption {
        type = lib.types.nullOr lib.types.str;
        default = null;
        description = "DHCP: `yes`, `no`, `ipv4`, `ipv6`.";
      };
      domains = lib.mkOption {
        type = lib.types.nullOr (lib.types.listOf lib.types.str);
        default = null;
        description = "Search domains.";
      };
      address = strings "Addresses.";
      gateway = strings "Gateways.";
      dns = strings "Name servers.";
      ntp = strings "Time servers.";
      bridge = strings "Bridges that it joins.";
      bond = strings "Bonds that it joins.";
      vrf = strings "VRFs that it joins.";
      vlan = strings "VLANs on it.";
      macvlan = strings "MACVLANs on it.";
      vxlan = strings "VXLANs on it.";
      tunnel = strings "Tunnels on it.";
      addresses = sections "Address" "addressConfig";
      routes = sections "Route" "routeConfig";
      routingPolicyRules = sections "RoutingPolicyRule" "routingPolicyRuleConfig";
      ipv6Prefixes = sections "IPv6Prefix" "ipv6PrefixConfig";
      dhcpServerStaticLeases = sections "DHCPServerStaticLease" "dhcpServerStaticLeaseConfig";
      bridgeFDBs = sections "BridgeFDB" "bridgeFDBConfig";
      bridgeVLANs = sections "BridgeVLAN" "bridgeVLANConfig";
    };

  renderNetwork =
    unit:
    let
      lists = {
        Address = unit.address;
        Gateway = unit.gateway;
        DNS = unit.dns;
        NTP = unit.ntp;
        Bridge = unit.bridge;
        Bond = unit.bond;
        VRF = unit.vrf;
        VLAN = unit.vlan;
        MACVLAN = unit.macvlan;
        VXLAN = unit.vxlan;
        Tunnel = unit.tunnel;
      };
      repeated = {
        Address = unit.addresses;
        Route = unit.routes;
        RoutingPolicyRule = unit.routingPolicyRules;
        IPv6Prefix = unit.ipv6Prefixes;
        DHCPServerStaticLease = unit.dhcpServerStaticLeases;
        BridgeFDB = unit.bridgeFDBs;
        BridgeVLAN = unit.bridgeVLANs;
      };
    in
    text.section "Match" (unit.matchConfig // lib.optionalAttrs (unit.name != null) { Name = unit.name; })
    + text.section "Link" unit.linkConfig
    + "[Network]\n"
    + text.attributes (
      unit.networkConfig
      // lib.optionalAttrs (unit.DHCP != null) { inherit (unit) DHCP; }
      // lib.optionalAttrs (unit.domains != null) { Domains = toString unit.domains; }
    )
    + text.attributes (lib.filterAttrs (_: values: values != [ ]) lists)
    + "\n"
    + lib.concatStrings (
      lib.mapAttrsToList (option: name: text.section name unit.${option}) (
        removeAttrs networkSections [
          "linkConfig"
          "networkConfig"
        ]
      )
    )
    + lib.concatStrings (lib.mapAttrsToList (name: lib.concatMapStrings (text.section name)) repeated)
    + unit.extraConfig;

  renderNetdev =
    unit:
    text.section "Match" unit.matchConfig
    + lib.concatStrings (lib.mapAttrsToList (option: name: text.section name unit.${option}) netdevSections)
    + lib.concatMapStrings (text.section "WireGuardPeer") unit.wireguardPeers
    + unit.extraConfig;

  renderLink =
    unit: text.section "Match" unit.matchConfig + text.section "Link" unit.linkConfig + unit.extraConfig;

  files =
    suffix: render: units:
    lib.mapAttrs' (name: unit: lib.nameValuePair "systemd/network/${name}.${suffix}" { text = render unit; }) (
      lib.filterAttrs (_: unit: unit.enable) units
    );

  unitsOf =
    description: module:
    lib.mkOption {
      type = lib.types.attrsOf (
        lib.types.submodule [
          common
          module
        ]
      );
      default = { };
      inherit description;
    };
in
{
  options.systemd.network = {
    enable = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = "Whether systemd-networkd runs.";
    };
    networks = unitsOf "Networks (systemd.network(5))." network;
    netdevs = unitsOf "Virtual devices (systemd.netdev(5))." {
      options = lib.mapAttrs (_: section) netdevSections // {
        wireguardPeers = sections "WireGuardPeer" "wireguardPeerConfig";
      };
    };
    links = unitsOf "Links (systemd.link(5))." { options.linkConfig = section "Link"; };
    units = lib.mkOption {
      type = lib.types.attrs;
      default = { };
      internal = true;
      description = "Accepted for NixOS's sake.";
    };
    config = {
      networkConfig = section "Network";
      dhcpV4Config = section "DHCPv4";
      dhcpV6Config = section "DHCPv6";
      routeTables = lib.mkOption {
        type = lib.types.attrsOf lib.types.int;
        default = { };
        description = "Names of routing tables.";
      };
    };
    wait-online = {
      enable = lib.mkOption {
        type = lib.types.bool;
        default = true;
        description = "Whether network-online.target waits for a link to be configured.";
      };
      anyInterface = lib.mkOption {
        type = lib.types.bool;
        default = config.networking.useDHCP;
        description = "Whether one link is enough.";
      };
      ignoredInterfaces = strings "Links that it does not wait for.";
      timeout = lib.mkOption {
        type = lib.types.ints.unsigned;
        default = 120;
        description = "Seconds after which it gives up.";
      };
      extraArgs = strings "Further arguments.";
    };
  };

  config = lib.mkIf cfg.enable {
    systemd.services.systemd-networkd = {
      restartTriggers = [
        (builtins.toJSON (files "netdev" renderNetdev cfg.netdevs))
        config.environment.etc."systemd/networkd.conf.d/flk.conf".source
      ];
      reloadTriggers = [ (builtins.toJSON (files "network" renderNetwork cfg.networks)) ];
      wantedBy = [ "multi-user.target" ];
      aliases = [ "dbus-org.freedesktop.network1.service" ];
    };
    systemd.sockets.systemd-networkd = {
      overrideStrategy = "asDropin";
      wantedBy = [ "sockets.target" ];
    };
    systemd.services.systemd-networkd-wait-online = {
      enable = cfg.wait-online.enable;
      overrideStrategy = "asDropin";
      wantedBy = [ "network-online.target" ];
      serviceConfig.ExecStart = [
        ""
        (toString (
          [
            "/usr/lib/systemd/systemd-networkd-wait-online"
            "--timeout=${toString cfg.wait-online.timeout}"
          ]
          ++ lib.optional cfg.wait-online.anyInterface "--any"
          ++ map (name: "--ignore=${name}") cfg.wait-online.ignoredInterfaces
          ++ cfg.wait-online.extraArgs
        ))
      ];
    };

    environment.etc = lib.mkMerge [
      (files "network" renderNetwork cfg.networks)
      (files "netdev" renderNetdev cfg.netdevs)
      (files "link" renderLink cfg.links)
      {
        "systemd/networkd.conf.d/flk.conf".text =
          text.section "Network" cfg.config.networkConfig
          + text.section "DHCPv4" cfg.config.dhcpV4Config
          + text.section "DHCPv6" cfg.config.dhcpV6Config;
      }
    ];
  };
}
