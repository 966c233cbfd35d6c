# services.resolved.*, services.timesyncd.*, services.avahi.enable
{ config, lib, pkgs, ... }:

let
  cfg = config.services.resolved;
in
{
  options.services = {
    resolved = {
      enable = lib.mkOption {
        type = lib.types.bool;
        default = config.networking.useNetworkd;
        defaultText = "config.networking.useNetworkd";
        description = "Whether systemd-resolved runs.";
      };
      llmnr = lib.mkOption {
        type = lib.types.enum [ "true" "resolve" "false" ];
        default = "true";
        description = "Link-local multicast name resolution.";
      };
      dnssec = lib.mkOption {
        type = lib.types.enum [ "true" "allow-downgrade" "false" ];
        default = "false";
        description = "DNSSEC.";
      };
      dnsovertls = lib.mkOption {
        type = lib.types.enum [ "true" "opportunistic" "false" ];
        default = "false";
        description = "DNS over TLS.";
      };
      fallbackDns = lib.mkOption {
        type = lib.types.nullOr (lib.types.listOf lib.types.str);
        default = null;
        description = "Name servers where no other is known.";
      };
      domains = lib.mkOption {
        type = lib.types.listOf lib.types.str;
        default = config.networking.search;
        defaultText = "config.networking.search";
        description = "Search domains.";
      };
      extraConfig = lib.mkOption {
        type = lib.types.lines;
        default = "";
        description = "Lines of resolved.conf(5).";
      };
    };

    timesyncd = {
      enable = lib.mkOption {
        type = lib.types.bool;
        default = true;
        description = "Whether the clock is set from the network.";
      };
      servers = lib.mkOption {
        type = lib.types.nullOr (lib.types.listOf lib.types.str);
        default = config.networking.timeServers;
        defaultText = "config.networking.timeServers";
        description = "Time servers.";
      };
    };

    avahi = {
      enable = lib.mkOption {
        type = lib.types.bool;
        default = false;
        description = "Whether avahi answers on multicast DNS.";
      };
      nssmdns = lib.mkOption {
        type = lib.types.bool;
        default = false;
        description = "Whether names under .local are looked up through avahi.";
      };
      nssmdns4 = lib.mkOption {
        type = lib.types.bool;
        default = false;
        description = "The same for IPv4.";
      };
      publish = lib.mkOption {
        type = lib.types.attrs;
        default = { };
        description = "What avahi announces.";
      };
    };
  };

  config = lib.mkMerge [
    (lib.mkIf cfg.enable {
      environment.systemPackages = [ pkgs.systemd-resolved ];
      systemd.services.systemd-resolved = {
        restartTriggers = [ config.environment.etc."systemd/resolved.conf.d/flk.conf".source ];
        wantedBy = [ "sysinit.target" ];
        aliases = [ "dbus-org.freedesktop.resolve1.service" ];
      };
      environment.etc."systemd/resolved.conf.d/flk.conf".text =
        "[Resolve]\n"
        + lib.optionalString (config.networking.nameservers != [ ]) "DNS=${toString config.networking.nameservers}\n"
        + lib.optionalString (cfg.fallbackDns != null) "FallbackDNS=${toString cfg.fallbackDns}\n"
        + lib.optionalString (cfg.domains != [ ]) "Domains=${toString cfg.domains}\n"
        + "LLMNR=${cfg.llmnr}\nDNSSEC=${cfg.dnssec}\nDNSOverTLS=${cfg.dnsovertls}\n"
        + cfg.extraConfig;
    })
    (lib.mkIf config.services.timesyncd.enable {
      environment.systemPackages = [ pkgs.systemd-timesyncd ];
      systemd.services.systemd-timesyncd = {
        restartTriggers = lib.optionals (config.services.timesyncd.servers != null) config.services.timesyncd.servers;
        wantedBy = [ "sysinit.target" ];
        aliases = [ "dbus-org.freedesktop.timesync1.service" ];
      };
      environment.etc."systemd/timesyncd.conf.d/flk.conf" =
        lib.mkIf (config.services.timesyncd.servers != null && config.services.timesyncd.servers != [ ])
          {
            text = "[Time]\nNTP=${toString config.services.timesyncd.servers}\n";
          };
    })
    (lib.mkIf config.services.avahi.enable {
      environment.systemPackages = [ pkgs.avahi-daemon ];
      systemd.services.avahi-daemon.wantedBy = [ "multi-user.target" ];
      networking.firewall.allowedUDPPorts = [ 5353 ];
    })
  ];
}
