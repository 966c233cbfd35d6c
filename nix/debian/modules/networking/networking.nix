# networking.*: names, addresses, and who configures the links
{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.networking;
  names = import ../../../names.nix;

  # 0 to 255.
  octet = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
  isIpv4 = text: builtins.match "(${octet}[.]){3}${octet}" text != null;
  # RFC 4291, section 2.2: eight groups, or fewer with `::` once; the last two may be an IPv4 address.
  isIpv6 =
    text:
    let
      tail = builtins.match "(.*:)([0-9.]*[.][0-9.]*)" text;
      plain = if tail != null && isIpv4 (lib.last tail) then "${lib.head tail}0:0" else text;
      groups = lib.splitString ":" plain;
      gaps = lib.length (lib.splitString "::" plain) - 1;
      filled = lib.filter (group: group != "") groups;
    in
    lib.all (group: builtins.match "[0-9A-Fa-f]{1,4}" group != null) filled
    && !lib.hasInfix ":::" plain
    && (
      if gaps == 0 then lib.length groups == 8 && lib.length filled == 8
      else gaps == 1 && lib.length filled <= 7 && builtins.match "(:[^:].*|.*[^:]:)" plain == null
    );
  ipType =
    length:
    lib.types.addCheck lib.types.str (if length == 32 then isIpv4 else isIpv6)
    // {
      description = if length == 32 then "IPv4 address" else "IPv6 address";
    };
  anyIpType = lib.types.addCheck lib.types.str (text: isIpv4 text || isIpv6 text) // {
    description = "IPv4 or IPv6 address";
  };
  # A network card's, so not a group's, nor none.
  macType = lib.types.addCheck lib.types.str (
    text:
    builtins.match "[0-9A-Fa-f][02468ACEace](:[0-9A-Fa-f]{2}){5}" text != null && text != "00:00:00:00:00:00"
  ) // {
    description = "MAC address of a network card (six pairs of hexadecimal digits, the first one even)";
  };

  # Who has what only one link of a machine can have.
  heldTwice =
    what: held:
    lib.mapAttrsToList (value: holders: {
      assertion = lib.length holders == 1;
      message = "networking.interfaces: ${lib.concatMapStringsSep " and " (holder: holder.interface) holders} have one ${what}, ${value}: change one of them";
    }) (lib.groupBy (holder: lib.toLower holder.value) (lib.unique held));
  eachInterface = valuesOf: lib.concatLists (
    lib.mapAttrsToList (interface: value: map (value: { inherit interface value; }) (valuesOf value)) cfg.interfaces
  );

  addressType =
    length:
    lib.types.submodule {
      options = {
        address = lib.mkOption {
          type = ipType length;
          description = "The address.";
        };
        prefixLength = lib.mkOption {
          type = lib.types.ints.between 0 length;
          description = "The length of its prefix in bits.";
        };
      };
    };

  addresses =
    length: description:
    lib.mkOption {
      type = lib.types.listOf (addressType length);
      default = [ ];
      inherit description;
    };

  family = length: {
    addresses = addresses length "Its addresses.";
    routes = lib.mkOption {
      type = lib.types.listOf (
        lib.types.submodule {
          options = {
            address = lib.mkOption {
              type = ipType length;
              description = "The network.";
            };
            prefixLength = lib.mkOption {
              type = lib.types.ints.between 0 length;
              description = "The length of its prefix in bits.";
            };
            via = lib.mkOption {
              # An IPv4 route may have a gateway of IPv6.
              type = lib.types.nullOr anyIpType;
              default = null;
              description = "The gateway.";
            };
          };
        }
      );
      default = [ ];
      description = "Its routes.";
    };
  };

  interface.options = {
    useDHCP = lib.mkOption {
      type = lib.types.nullOr lib.types.bool;
      default = null;
      description = "Whether it is configured by DHCP.";
    };
    macAddress = lib.mkOption {
      type = lib.types.nullOr macType;
      default = null;
      example = "52:54:00:12:34:56";
      description = "The MAC address that it is given.";
    };
    mtu = lib.mkOption {
      # IPv4 needs 68 bytes (RFC 791).
      type = lib.types.nullOr (lib.types.ints.between 68 65535);
      default = null;
      description = "Its MTU in bytes.";
    };
    wakeOnLan.enable = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = "Whether a magic packet wakes the machine.";
    };
    ipv4 = family 32;
    ipv6 = family 128;
  };

  gatewayType = lib.types.coercedTo lib.types.str (address: { inherit address; }) (
    lib.types.submodule {
      options = {
        address = lib.mkOption {
          type = anyIpType;
          description = "The gateway's address.";
        };
        interface = lib.mkOption {
          type = lib.types.nullOr lib.types.str;
          default = null;
          description = "The link on which it is.";
        };
        metric = lib.mkOption {
          type = lib.types.nullOr lib.types.ints.u32;
          default = null;
          description = "The route's metric.";
        };
      };
    }
  );

  gateways = lib.filter (gateway: gateway != null) [
    cfg.defaultGateway
    cfg.defaultGateway6
  ];

  interfaceNetwork =
    name: interface:
    let
      gatewaysHere = lib.filter (
        gateway:
        if gateway.interface == null then
          interface.ipv4.addresses ++ interface.ipv6.addresses != [ ]
        else
          gateway.interface == name
      ) gateways;
    in
    lib.nameValuePair "40-${name}" {
      matchConfig.Name = name;
      DHCP =
        if interface.useDHCP == null then
          (if cfg.useDHCP && interface.ipv4.addresses == [ ] then "yes" else "no")
        else if interface.useDHCP then
          "yes"
        else
          "no";
      address = map (address: "${address.address}/${toString address.prefixLength}") (
        interface.ipv4.addresses ++ interface.ipv6.addresses
      );
      gateway = map (gateway: gateway.address) gatewaysHere;
      dns = cfg.nameservers;
      routes = map (
        route:
        { Destination = "${route.address}/${toString route.prefixLength}"; }
        // lib.optionalAttrs (route.via != null) { Gateway = route.via; }
      ) (interface.ipv4.routes ++ interface.ipv6.routes);
      linkConfig =
        lib.optionalAttrs (interface.macAddress != null) { MACAddress = interface.macAddress; }
        // lib.optionalAttrs (interface.mtu != null) { MTUBytes = toString interface.mtu; };
    };

  bool =
    default: description:
    lib.mkOption {
      type = lib.types.bool;
      inherit default description;
    };
in
{
  options.networking = {
    hostName = lib.mkOption {
      # systemd drops an underscore, which NixOS lets through: the machine would have another name than the one that is set.
      type = lib.types.strMatching "(${names.labelPattern})?" // {
        description = "host name (one DNS label: letters A to Z, digits and hyphens, at most 63, without an underscore or a domain)";
      };
      default = "nixos";
      example = "web-1";
      description = "The machine's name; the host file's stem where the host file names none.";
    };
    fqdn = lib.mkOption {
      type = lib.types.str;
      default = if cfg.domain == null then cfg.hostName else "${cfg.hostName}.${cfg.domain}";
      defaultText = "hostName.domain";
      description = "The full name.";
    };
    hostId = lib.mkOption {
      type = lib.types.nullOr (lib.types.strMatching "[0-9a-f]{8}");
      default = null;
      description = "The machine's number (hostid(1)), eight hexadecimal digits.";
    };
    domain = lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      default = null;
      description = "The domain.";
    };
    search = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      default = [ ];
      description = "Search domains.";
    };
    nameservers = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      default = [ ];
      description = "Name servers.";
    };
    timeServers = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      default = [ ];
      description = "Time servers; empty: systemd's own default.";
    };
    hosts = lib.mkOption {
      type = lib.types.attrsOf (lib.types.listOf lib.types.str);
      default = { };
      description = "Names by address, for /etc/hosts.";
    };
    extraHosts = lib.mkOption {
      type = lib.types.lines;
      default = "";
      description = "Lines of /etc/hosts.";
    };
    useNetworkd = bool true "Whether systemd-networkd configures the links. On this channel it always does, unless NetworkManager is on.";
    useDHCP = bool true "Whether every link is configured by DHCP.";
    usePredictableInterfaceNames = bool true "Whether links are named by where they are (`enp3s0`) and not by number (`eth0`).";
    enableIPv6 = bool true "Whether there is IPv6.";
    tempAddresses = lib.mkOption {
      type = lib.types.enum [
        "default"
        "enabled"
        "disabled"
      ];
      default = if cfg.enableIPv6 then "default" else "disabled";
      description = "IPv6 privacy extensions.";
    };
    dhcpcd.enable = bool false "Whether dhcpcd runs.";
    interfaces = lib.mkOption {
      type = lib.types.attrsOf (lib.types.submodule interface);
      default = { };
      description = "Links by name.";
    };
    defaultGateway = lib.mkOption {
      type = lib.types.nullOr gatewayType;
      default = null;
      description = "The gateway for IPv4.";
    };
    defaultGateway6 = lib.mkOption {
      type = lib.types.nullOr gatewayType;
      default = null;
      description = "The gateway for IPv6.";
    };
  };

  config = {
    assertions =
      heldTwice "MAC address" (eachInterface (interface: lib.optional (interface.macAddress != null) interface.macAddress))
      ++ heldTwice "address" (
        eachInterface (
          interface: map (address: address.address) (interface.ipv4.addresses ++ interface.ipv6.addresses)
        )
      );

    environment.etc = {
      hostname.text = "${cfg.hostName}\n";
      hosts.text =
        "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n127.0.1.1 ${
          lib.optionalString (cfg.domain != null) "${cfg.fqdn} "
        }${cfg.hostName}\nfe00::0 ip6-localnet\nff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n"
        + lib.concatStrings (lib.mapAttrsToList (address: names: "${address} ${toString names}\n") cfg.hosts)
        + cfg.extraHosts;
      "nsswitch.conf".text = ''
        passwd:    files systemd
        group:     files systemd
        shadow:    files
        gshadow:   files
        hosts:     ${
          if config.services.resolved.enable then "mymachines resolve [!UNAVAIL=return] files myhostname dns" else "files myhostname dns"
        }
        networks:  files
        protocols: files
        services:  files
        ethers:    files
        rpc:       files
      '';
      "resolv.conf" =
        if config.services.resolved.enable then
          {
            source = "/run/systemd/resolve/stub-resolv.conf";
            mode = "direct-symlink";
          }
        else
          {
            text =
              lib.concatMapStrings (server: "nameserver ${server}\n") cfg.nameservers
              + lib.optionalString (cfg.search != [ ]) "search ${toString cfg.search}\n";
          };
      hostid = lib.mkIf (cfg.hostId != null) {
        source = pkgs.runCommand "hostid" { } ''
          id=${cfg.hostId}
          printf "\x''${id:6:2}\x''${id:4:2}\x''${id:2:2}\x''${id:0:2}" > $out
        '';
      };
    };

    systemd.network = {
      enable = lib.mkDefault (!cfg.networkmanager.enable);
      networks = lib.mkMerge [
        (lib.listToAttrs (lib.mapAttrsToList interfaceNetwork cfg.interfaces))
        (lib.mkIf cfg.useDHCP {
          "99-ethernet-default-dhcp" = {
            matchConfig = {
              Type = "ether";
              Kind = "!*";
            };
            DHCP = "yes";
            networkConfig.IPv6PrivacyExtensions = "kernel";
          };
          "99-wireless-client-dhcp" = {
            matchConfig.WLANInterfaceType = "station";
            DHCP = "yes";
            networkConfig.IPv6PrivacyExtensions = "kernel";
            dhcpV4Config.RouteMetric = 1025;
          };
        })
      ];
    };

    boot.kernelParams =
      lib.optional (!cfg.usePredictableInterfaceNames) "net.ifnames=0"
      ++ lib.optional (!cfg.enableIPv6) "ipv6.disable=1";

    environment.systemPackages = [
      pkgs.iproute2
      pkgs.iputils
    ]
    ++ lib.optional cfg.dhcpcd.enable pkgs.dhcpcd-base;

    systemd.services.dhcpcd = lib.mkIf cfg.dhcpcd.enable {
      description = "DHCP client";
      wantedBy = [ "multi-user.target" ];
      serviceConfig.ExecStart = "/usr/sbin/dhcpcd --nobackground";
    };
  };
}
