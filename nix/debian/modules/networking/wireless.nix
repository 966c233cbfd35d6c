# networking.wireless.*
{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.networking.wireless;

  bool =
    default: description:
    lib.mkOption {
      type = lib.types.bool;
      inherit default description;
    };

  # wpa_supplicant on one link, or on all that match a pattern.
  supplicant =
    { links, matching }:
    {
      description = "WPA supplicant on ${links}";
      wantedBy = [ "multi-user.target" ];
      before = [ "network.target" ];
      wants = [ "network.target" ];
      serviceConfig.ExecStart = "/usr/sbin/wpa_supplicant ${lib.optionalString matching "-M "}-i ${links} -c /etc/wpa_supplicant/wpa_supplicant.conf";
    };
in
{
  options.networking = {
    wireless = {
      enable = bool false "Whether wpa_supplicant runs.";
      interfaces = lib.mkOption {
        type = lib.types.listOf lib.types.str;
        default = [ ];
        description = "The links that it looks after.";
      };
      userControlled.enable = bool false "Whether users of `wheel` may control it.";
      networks = lib.mkOption {
        type = lib.types.attrsOf (
          lib.types.submodule {
            options = {
              psk = lib.mkOption {
                type = lib.types.nullOr lib.types.str;
                default = null;
                description = "The passphrase; world-readable in the store.";
              };
              pskRaw = lib.mkOption {
                type = lib.types.nullOr lib.types.str;
                default = null;
                description = "The key; world-readable in the store.";
              };
              priority = lib.mkOption {
                type = lib.types.nullOr lib.types.int;
                default = null;
                description = "Its priority.";
              };
              hidden = bool false "Whether the network hides its name.";
            };
          }
        );
        default = { };
        description = "Networks by name.";
      };
      iwd.enable = bool false "Whether iwd runs.";
      iwd.settings = lib.mkOption {
        type = lib.types.attrsOf (lib.types.attrsOf lib.types.raw);
        default = { };
        description = "iwd's main.conf.";
      };
    };
  };

  config = lib.mkMerge [
    (lib.mkIf (cfg.enable || cfg.iwd.enable) {
      environment.systemPackages = [
        pkgs.iw
        pkgs.wireless-regdb
      ];
    })
    (lib.mkIf cfg.enable {
      environment.systemPackages = [ pkgs.wpa_supplicant ];
      environment.etc."wpa_supplicant/wpa_supplicant.conf" = {
        text =
          "ctrl_interface=DIR=/run/wpa_supplicant GROUP=${
            if cfg.userControlled.enable then "wheel" else "root"
          }\nupdate_config=0\n"
          + lib.concatStrings (
            lib.mapAttrsToList (ssid: network: ''
              network={
                ssid=${builtins.toJSON ssid}
                ${
                  if network.psk != null then
                    "psk=${builtins.toJSON network.psk}"
                  else if network.pskRaw != null then
                    "psk=${network.pskRaw}"
                  else
                    "key_mgmt=NONE"
                }
                ${lib.optionalString network.hidden "scan_ssid=1"}
                ${lib.optionalString (network.priority != null) "priority=${toString network.priority}"}
              }
            '') cfg.networks
          );
      };
      systemd.services =
        if cfg.interfaces == [ ] then
          {
            wpa_supplicant-any = supplicant {
              links = "wl*";
              matching = true;
            };
          }
        else
          lib.listToAttrs (
            map (
              link:
              lib.nameValuePair "wpa_supplicant-${link}" (supplicant {
                links = link;
                matching = false;
              })
            ) cfg.interfaces
          );
    })
    (lib.mkIf cfg.iwd.enable {
      environment.systemPackages = [ pkgs.iwd ];
      environment.etc."iwd/main.conf".text = lib.generators.toINI { } cfg.iwd.settings;
      systemd.services.iwd = {
        restartTriggers = [ config.environment.etc."iwd/main.conf".source ];
        wantedBy = [ "multi-user.target" ];
      };
    })
  ];
}
