# The live system's links: systemd-networkd alone with one network, names by systemd-resolved, and a firewall that lets both ssh and mDNS in.
{
  lib,
  options,
  ...
}:

let
  inherit (import ./override.nix { inherit lib options; }) force has whereKnown;

  isNixOS = has [ "system" "nssModules" ];

  # What resolved has for no: a word of resolved.conf(5), or of the option that nixpkgs declared for it for a while.
  llmnr = options.services.resolved.settings.type.getSubOptions [ ];
  no = if llmnr.Resolve.LLMNR.type.check or (_: true) "no" then "no" else "false";

  # Links that a host makes, and what NixOS refuses beside networkd.
  none = {
    bonds = { };
    bridges = { };
    defaultGateway = null;
    defaultGateway6 = null;
    defaultGatewayWindowSize = null;
    fooOverUDP = { };
    greTunnels = { };
    interfaces = { };
    ipips = { };
    macvlans = { };
    sits = { };
    vlans = { };
    vswitches = { };
    wlanInterfaces = { };
  };
in
{
  config = lib.mkMerge (
    [
      {
        networking = {
          useNetworkd = force true;
          useDHCP = force false;
          usePredictableInterfaceNames = force true;
          dhcpcd.enable = force false;
          networkmanager.enable = force false;
          wireless.enable = force false;
          wireless.iwd.enable = force false;
          firewall.allowedTCPPorts = force [ 22 ];
          firewall.allowedUDPPorts = force [ 5353 ];
        };

        systemd.network = {
          enable = force true;
          netdevs = force { };
          links = force { };
          networks = force {
            bootstrap-link-local = {
              matchConfig.Name = "en* wl* ww* eth*";
              networkConfig = {
                DHCP = "yes";
                MulticastDNS = "yes";
                LLMNR = "no";
                LinkLocalAddressing = "ipv6";
              };
              address = [ "fe80::47/64" ];
              # NixOS 20.09 does not know it as a setting.
              extraConfig = "IPv6LinkLocalAddressGenerationMode=eui64";
            };
          };
        };

        services.resolved.enable = force true;
        services.avahi.enable = force false;
      }
      (
        if has [ "services" "resolved" "settings" ] then
          {
            services.resolved.settings.Resolve = {
              MulticastDNS = force "yes";
              LLMNR = force no;
            };
          }
        else
          {
            services.resolved.llmnr = force "false";
            services.resolved.extraConfig = force "MulticastDNS=yes";
          }
      )
      (whereKnown [ "services" "connman" "enable" ] false)
      (whereKnown [ "networking" "ifstate" "enable" ] false)
      (whereKnown [ "services" "cloud-init" "enable" ] false)
      (whereKnown [ "networking" "enableIPv6" ] true)
      (whereKnown [ "networking" "wireguard" "enable" ] false)
      (whereKnown [ "networking" "wg-quick" "interfaces" ] { })
      # What else a host opens: links have the same names here.
      (whereKnown [ "networking" "firewall" "allowedTCPPortRanges" ] [ ])
      (whereKnown [ "networking" "firewall" "allowedUDPPortRanges" ] [ ])
      (whereKnown [ "networking" "firewall" "interfaces" ] { })
      # NixOS lists the loopback link here; the built-in channel lets it in anyway.
      (whereKnown [ "networking" "firewall" "trustedInterfaces" ] (lib.optional isNixOS "lo"))
      # What a host says in a firewall's own words may shut ssh and mDNS out.
      (whereKnown [ "networking" "firewall" "extraCommands" ] "")
      (whereKnown [ "networking" "firewall" "extraInputRules" ] "")
      (whereKnown [ "networking" "nftables" "ruleset" ] "")
      # None at all, or before 23.05 one of what `ruleset` says.
      (whereKnown [ "networking" "nftables" "rulesetFile" ] options.networking.nftables.rulesetFile.default)
      # With it, NixOS's own options for open ports would be the firewall's again, as they are by default.
      (whereKnown [ "services" "firewalld" "enable" ] false)
    ]
    ++ lib.mapAttrsToList (name: whereKnown [ "networking" name ]) none
  );
}
