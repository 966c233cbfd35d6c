# The live system: the host's own modules and, forced over them, what finds it on the link and lets its operator in.
# Written only against option names that NixOS has; where a name changed, `options` tells which one is there.
{
  config,
  lib,
  pkgs,
  options,
  ...
}:

let
  inherit (import ./live/override.nix { inherit lib options; }) force has whereKnown;

  cfg = config.flk;
  flk = "${cfg.source}/bin/flk";
in
{
  imports = [
    ./live/options.nix
    ./live/access.nix
    ./live/disks.nix
    ./live/network.nix
  ];

  options.flk = {
    source = lib.mkOption {
      type = lib.types.str;
      description = "The store path of the flake flk, with its programs in `bin/`.";
    };
    host = lib.mkOption {
      type = lib.types.str;
      description = "The host's name in the repository.";
    };
    hostToplevel = lib.mkOption {
      type = lib.types.str;
      description = "The system that is installed from this one.";
    };
    repository = lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      default = null;
      description = "The repository's source as a store path; it is at /iso/devos.";
    };
    devShell = lib.mkOption {
      type = lib.types.listOf lib.types.package;
      default = [ ];
      description = "What `nix develop` in the repository needs without a network.";
    };
    inputs = lib.mkOption {
      type = lib.types.attrsOf lib.types.str;
      default = { };
      description = "The sources of the repository's flake inputs, as store paths by name.";
    };
  };

  config = lib.mkMerge [
    # Units that the host does not want here. Modules among them were left out before. A unit that only a package has is masked as well, so each is
    # named, and no unit loses by it: a masked one has no text.
    {
      systemd.units = lib.genAttrs (import ./live/disabled.nix { inherit lib; } cfg.live.disable).units (_: {
        enable = force false;
      });
    }

    # The machine's identity and its announcements.
    {
      systemd.services.flk-prepare = {
        description = "The medium's ssh host key, and the announcement of this machine";
        wantedBy = [ "sysinit.target" ];
        before = [
          "systemd-resolved.service"
          "sshd.service"
          "sysinit.target"
        ];
        after = [ "local-fs.target" ];
        unitConfig = {
          DefaultDependencies = false;
          RequiresMountsFor = "/iso";
        };
        serviceConfig = {
          Type = "oneshot";
          RemainAfterExit = true;
          ExecStart = "${flk} live prepare";
        };
      };

      systemd.services.flk-hold-alias = {
        description = "Holder of the address fe80::47, as far as this machine may have it";
        wantedBy = [ "multi-user.target" ];
        after = [ "systemd-networkd.service" ];
        serviceConfig = {
          Type = "notify";
          ExecStart = "${flk} live hold-alias";
          Restart = "always";
          RestartSec = "2s";
        };
      };
    }

    # Tools of the installation, and the repository's inputs for Nix.
    {
      environment.systemPackages = with pkgs; [
        (linkFarm "flk" [
          {
            name = "bin/flk";
            path = flk;
          }
        ])
        git
        parted
        gptfdisk
        dosfstools
        e2fsprogs
        # Its name before 21.05 was `utillinux`.
        (pkgs.util-linux or pkgs.utillinux)
      ]
      # A host without a shell has none of them.
      ++ lib.optionals (config.environment.corePackages or null == [ ]) [
        bashInteractive
        coreutils
        findutils
        gnugrep
        gnused
        less
        procps
      ];

      # Where the page mounts the host's file systems; NixOS has no such directory of its own.
      systemd.tmpfiles.rules = [ "d /mnt 0755 root root -" ];

      # The registry of the wide world is left out: without a network each `nix` would wait for it.
      nix.extraOptions = ''
        extra-experimental-features = nix-command flakes
        flake-registry = ${pkgs.writeText "flake-registry.json" ''{"flakes":[],"version":2}''}
      '';
      nix.registry = lib.mapAttrs (_: path: {
        to = force {
          type = "path";
          inherit path;
        };
      }) ({ flk = cfg.source; } // cfg.inputs);
    }
    (lib.optionalAttrs (has [ "nix" "package" ]) {
      # NixOS 20.09 and 21.05 had flakes in a package of its own.
      nix.package = lib.mkIf (
        lib.versionOlder (pkgs.nix.version or "2.4") "2.4" && pkgs ? nixFlakes
      ) (force pkgs.nixFlakes);
    })
    (whereKnown [ "nix" "enable" ] true)
    # Scripts activate the live system, and it has tools that a host may forbid itself.
    (whereKnown [ "system" "nixos-init" "enable" ] false)
    (whereKnown [ "system" "activatable" ] true)
    (
      if has [ "system" "forbiddenDependenciesRegexes" ] then
        whereKnown [ "system" "forbiddenDependenciesRegexes" ] [ ]
      else
        whereKnown [ "system" "forbiddenDependenciesRegex" ] ""
    )
    # NixOS's manual, with every option in it, is most of what an evaluation takes; the host has its own.
    (whereKnown [ "documentation" "nixos" "enable" ] false)
    (whereKnown [ "system" "nixos" "variant_id" ] "installer")
  ];
}
