# nix.*
{
  config,
  lib,
  pkgs,
  channel,
  ...
}:

let
  cfg = config.nix;

  # nix.conf(5): lists are separated by blanks.
  render =
    value:
    if lib.isBool value then
      lib.boolToString value
    else if lib.isList value then
      toString value
    else
      toString value;

  atom = lib.types.nullOr (
    lib.types.oneOf [
      lib.types.bool
      lib.types.int
      lib.types.float
      lib.types.str
      lib.types.path
      lib.types.package
    ]
  );
  setting = lib.types.either atom (lib.types.listOf atom);
  list =
    default: description:
    lib.mkOption {
      type = lib.types.either lib.types.str (lib.types.listOf lib.types.str);
      inherit default description;
    };

  buildUsers = lib.genList (index: index + 1) cfg.nrBuildUsers;

  registryEntry =
    { name, config, ... }:
    {
      options = {
        from = lib.mkOption {
          type = lib.types.attrs;
          default = {
            type = "indirect";
            id = name;
          };
          description = "The reference that is replaced.";
        };
        to = lib.mkOption {
          type = lib.types.attrs;
          description = "What replaces it.";
        };
        flake = lib.mkOption {
          type = lib.types.nullOr lib.types.attrs;
          default = null;
          description = "The flake that replaces it.";
        };
        exact = lib.mkOption {
          type = lib.types.bool;
          default = true;
          description = "Whether the reference must match whole.";
        };
      };
      config.to = lib.mkIf (config.flake != null) (
        lib.mkDefault (
          {
            type = "path";
            path = "${config.flake.outPath or config.flake}";
          }
          // lib.filterAttrs (name: _: lib.elem name [ "lastModified" "rev" "revCount" "narHash" ]) config.flake
        )
      );
    };
in
{
  imports =
    map
      (
        { from, to }:
        lib.mkRenamedOptionModule
          [
            "nix"
            from
          ]
          [
            "nix"
            "settings"
            to
          ]
      )
      [
        { from = "autoOptimiseStore"; to = "auto-optimise-store"; }
        { from = "allowedUsers"; to = "allowed-users"; }
        { from = "trustedUsers"; to = "trusted-users"; }
        { from = "binaryCaches"; to = "substituters"; }
        { from = "trustedBinaryCaches"; to = "trusted-substituters"; }
        { from = "binaryCachePublicKeys"; to = "trusted-public-keys"; }
        { from = "systemFeatures"; to = "system-features"; }
        { from = "maxJobs"; to = "max-jobs"; }
        { from = "buildCores"; to = "cores"; }
        { from = "useSandbox"; to = "sandbox"; }
        { from = "sandboxPaths"; to = "extra-sandbox-paths"; }
        { from = "requireSignedBinaryCaches"; to = "require-sigs"; }
      ];

  options.nix = {
    enable = lib.mkOption {
      type = lib.types.bool;
      default = true;
      description = "Whether Nix is there.";
    };
    package = lib.mkOption {
      type = lib.types.package;
      default = pkgs.nix;
      defaultText = "pkgs.nix";
      description = "The package.";
    };
    settings = lib.mkOption {
      type = lib.types.submodule {
        # Lists of several definitions come together, as in NixOS.
        freeformType = lib.types.attrsOf setting;
        options = {
          allowed-users = list [ "*" ] "Who may use Nix's daemon.";
          trusted-users = list [ "root" ] "Whom the daemon trusts.";
        };
      };
      default = { };
      example = {
        trusted-users = [ "@wheel" ];
        max-jobs = 4;
      };
      description = "Settings of nix.conf(5).";
    };
    extraOptions = lib.mkOption {
      type = lib.types.lines;
      default = "";
      description = "Lines at the end of nix.conf.";
    };
    registry = lib.mkOption {
      type = lib.types.attrsOf (lib.types.submodule registryEntry);
      default = { };
      description = "The machine's registry of flakes.";
    };
    nixPath = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      default = [ ];
      description = "NIX_PATH.";
    };
    nrBuildUsers = lib.mkOption {
      type = lib.types.int;
      default = 8;
      description = "The number of build users.";
    };
    daemonCPUSchedPolicy = lib.mkOption {
      type = lib.types.str;
      default = "other";
      description = "The daemon's CPU scheduling.";
    };
    daemonIOSchedClass = lib.mkOption {
      type = lib.types.str;
      default = "best-effort";
      description = "The daemon's I/O scheduling.";
    };
    gc = {
      automatic = lib.mkOption {
        type = lib.types.bool;
        default = false;
        description = "Whether garbage is collected by itself.";
      };
      dates = lib.mkOption {
        type = lib.types.either lib.types.str (lib.types.listOf lib.types.str);
        default = "03:15";
        description = "When.";
      };
      options = lib.mkOption {
        type = lib.types.str;
        default = "";
        description = "Arguments of nix-collect-garbage.";
      };
    };
    optimise = {
      automatic = lib.mkOption {
        type = lib.types.bool;
        default = false;
        description = "Whether equal files in the store are linked by themselves.";
      };
      dates = lib.mkOption {
        type = lib.types.listOf lib.types.str;
        default = [ "03:45" ];
        description = "When.";
      };
    };
    distributedBuilds = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = "Whether `buildMachines` are used.";
    };
    buildMachines = lib.mkOption {
      type = lib.types.listOf lib.types.attrs;
      default = [ ];
      description = "Machines that build.";
    };
  };

  config = lib.mkIf cfg.enable {
    nix.settings = {
      build-users-group = lib.mkDefault "nixbld";
      experimental-features = lib.mkDefault [
        "nix-command"
        "flakes"
      ];
      max-jobs = lib.mkDefault "auto";
      sandbox = lib.mkDefault true;
      # No public cache has this channel's paths, and each build would wait for its answer.
      substituters = lib.mkDefault [ ];
    };

    environment.systemPackages = [ cfg.package ];

    environment.etc = {
      "nix/nix.conf".text =
        "# Written from `nix.settings' of the host.\n"
        + lib.concatStrings (lib.mapAttrsToList (name: value: "${name} = ${render value}\n") cfg.settings)
        + cfg.extraOptions;
      "nix/registry.json".text = builtins.toJSON {
        version = 2;
        flakes = lib.mapAttrsToList (_: entry: { inherit (entry) from to exact; }) cfg.registry;
      };
    };

    environment.variables = lib.mkIf (cfg.nixPath != [ ]) { NIX_PATH = cfg.nixPath; };

    users.groups.nixbld.gid = 30000;
    users.users = lib.listToAttrs (
      map (
        index:
        lib.nameValuePair "nixbld${toString index}" {
          description = "Nix build user ${toString index}";
          uid = 30000 + index;
          group = "nixbld";
          extraGroups = [ "nixbld" ];
          isSystemUser = true;
        }
      ) buildUsers
    );

    systemd.sockets.nix-daemon = {
      description = "Nix daemon socket";
      wantedBy = [ "sockets.target" ];
      listenStreams = [ "/nix/var/nix/daemon-socket/socket" ];
      unitConfig.RequiresMountsFor = "/nix/store";
    };
    systemd.services.nix-daemon = {
      description = "Nix daemon";
      restartTriggers = [ config.environment.etc."nix/nix.conf".source ];
      stopIfChanged = false;
      unitConfig.RequiresMountsFor = "/nix/store";
      environment.NIX_SSL_CERT_FILE = "/etc/ssl/certs/ca-certificates.crt";
      serviceConfig = {
        ExecStart = "/usr/bin/nix-daemon --daemon";
        KillMode = "process";
        LimitNOFILE = 1048576;
        TasksMax = 1048576;
        CPUSchedulingPolicy = cfg.daemonCPUSchedPolicy;
        IOSchedulingClass = cfg.daemonIOSchedClass;
      };
    };
    systemd.services.nix-gc = lib.mkIf cfg.gc.automatic {
      description = "Nix garbage collector";
      serviceConfig = {
        Type = "oneshot";
        ExecStart = "/usr/bin/nix-collect-garbage ${cfg.gc.options}";
      };
      startAt = cfg.gc.dates;
    };
    systemd.services.nix-optimise = lib.mkIf cfg.optimise.automatic {
      description = "Nix store optimiser";
      serviceConfig = {
        Type = "oneshot";
        ExecStart = "/usr/bin/nix-store --optimise";
      };
      startAt = cfg.optimise.dates;
    };

    systemd.tmpfiles.rules = [
      "d /nix/var 0755 root root - -"
      "d /nix/var/nix 0755 root root - -"
      "d /nix/var/nix/daemon-socket 0755 root root - -"
      "d /nix/var/nix/gcroots/per-user 0755 root root - -"
      "d /nix/var/nix/profiles/per-user 0755 root root - -"
      "d /nix/var/log/nix/drvs 0755 root root - -"
    ];
  };
}
