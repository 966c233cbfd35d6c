# networking.networkmanager.*
{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.networking.networkmanager;

  bool =
    default: description:
    lib.mkOption {
      type = lib.types.bool;
      inherit default description;
    };
in
{
  options.networking = {
    networkmanager = {
      enable = bool false "Whether NetworkManager configures the links.";
      dns = lib.mkOption {
        type = lib.types.str;
        default = "systemd-resolved";
        description = "NetworkManager's handling of names.";
      };
      wifi = {
        backend = lib.mkOption {
          type = lib.types.enum [
            "wpa_supplicant"
            "iwd"
          ];
          default = "wpa_supplicant";
          description = "Who speaks to access points.";
        };
        powersave = lib.mkOption {
          type = lib.types.nullOr lib.types.bool;
          default = null;
          description = "Whether Wi-Fi saves power.";
        };
      };
    };
  };

  config = lib.mkIf cfg.enable {
    environment.systemPackages = [
      pkgs.network-manager
      pkgs.wpa_supplicant
      pkgs.iw
      pkgs.wireless-regdb
    ];
    environment.etc."NetworkManager/conf.d/flk.conf".text = "[main]\ndns=${cfg.dns}\n[device]\nwifi.backend=${cfg.wifi.backend}\n";

    systemd.services.NetworkManager = {
      restartTriggers = [ config.environment.etc."NetworkManager/conf.d/flk.conf".source ];
      wantedBy = [ "multi-user.target" ];
      aliases = [ "dbus-org.freedesktop.NetworkManager.service" ];
    };
    systemd.services.NetworkManager-dispatcher = {
      overrideStrategy = "asDropin";
      aliases = [ "dbus-org.freedesktop.nm-dispatcher.service" ];
    };

    users.groups = {
      networkmanager = { };
      netdev = { };
    };

    assertions = [
      {
        assertion = !config.networking.wireless.enable;
        message = "networking.networkmanager.enable and networking.wireless.enable exclude each other: NetworkManager runs wpa_supplicant by itself";
      }
    ];
  };
}
