# system.stateVersion, system.nixos.*
{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.system.nixos;
  text = import ../text.nix { inherit lib; };
in
{
  options.system = {
    stateVersion = lib.mkOption {
      type = lib.types.str;
      default = cfg.release;
      description = "The release that the host was first installed with.";
    };

    name = lib.mkOption {
      type = lib.types.str;
      default = if config.networking.hostName == "" then "unnamed" else config.networking.hostName;
      defaultText = "config.networking.hostName";
      description = "The name of the system in its store path.";
    };

    configurationRevision = lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      default = null;
      description = "The revision of the repository that the system is built from.";
    };

    nixos = {
      release = lib.mkOption {
        type = lib.types.str;
        readOnly = true;
        default = "25.05";
        description = "The NixOS release whose options the channel follows.";
      };

      version = lib.mkOption {
        type = lib.types.str;
        default = "${cfg.release}.${pkgs.archive.pin.suite}.${
          lib.replaceStrings [ "-" ] [ "" ] (
            builtins.substring 0 10 (lib.foldl' lib.max "" (map (archive: archive.date) pkgs.archive.pin.archives))
          )
        }";
        defaultText = "release, suite and date of the pinned archive";
        description = "The version of the system.";
      };

      label = lib.mkOption {
        type = lib.types.str;
        default = cfg.version;
        defaultText = "config.system.nixos.version";
        description = "The label in the boot menu.";
      };

      tags = lib.mkOption {
        type = lib.types.listOf lib.types.str;
        default = [ ];
        description = "Strings that go into the label.";
      };

      variant_id = lib.mkOption {
        type = lib.types.nullOr lib.types.str;
        default = null;
        description = "VARIANT_ID in os-release: `installer` on a live system.";
      };

      distroId = lib.mkOption {
        type = lib.types.str;
        default = "debian";
        internal = true;
        description = "ID in os-release.";
      };

      distroName = lib.mkOption {
        type = lib.types.str;
        default = "Debian by flk";
        internal = true;
        description = "NAME in os-release.";
      };
    };
  };

  config.environment.etc = {
    "os-release".text = ''
      PRETTY_NAME=${text.osRelease "${cfg.distroName} (${pkgs.archive.pin.suite}, ${cfg.label})"}
      NAME=${text.osRelease cfg.distroName}
      ID=${cfg.distroId}
      VERSION_ID="13"
      VERSION_CODENAME=${pkgs.archive.pin.suite}
      VERSION=${text.osRelease cfg.version}
      BUILD_ID=${text.osRelease cfg.version}
      ${lib.optionalString (cfg.variant_id != null) "VARIANT_ID=${text.osRelease cfg.variant_id}"}
    '';
    issue.text = lib.mkDefault "${cfg.distroName} \\n \\l\n\n";
    motd.text = lib.mkDefault "";
  };
}
