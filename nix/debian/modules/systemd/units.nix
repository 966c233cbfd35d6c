# systemd.{services,sockets,timers,targets,paths,mounts,automounts,slices,units,user,packages,tmpfiles}
{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.systemd;
  unitOptions = import ./unit-options.nix { inherit lib pkgs; };
  unitText = import ./unit-text.nix { inherit lib; };

  unitsOf =
    description: modules:
    lib.mkOption {
      type = lib.types.attrsOf (lib.types.submodule ([ unitOptions.common ] ++ modules));
      default = { };
      inherit description;
    };

  listOfUnits =
    description: modules:
    lib.mkOption {
      type = lib.types.listOf (lib.types.submodule ([ unitOptions.common ] ++ modules));
      default = [ ];
      inherit description;
    };

  kinds = {
    services = unitsOf "Services." [ unitOptions.service ];
    sockets = unitsOf "Sockets." [ unitOptions.socket ];
    timers = unitsOf "Timers." [ unitOptions.timer ];
    targets = unitsOf "Targets." [ ];
    paths = unitsOf "Paths." [ unitOptions.path ];
    slices = unitsOf "Slices." [ unitOptions.slice ];
  };

  # File name → unit, of a set of kinds.
  rendered =
    set:
    let
      render =
        kind: suffix: toText:
        lib.mapAttrs' (name: unit: lib.nameValuePair "${name}.${suffix}" (unit // { text = toText unit; })) (
          set.${kind} or { }
        );
    in
    render "services" "service" unitOptions.renderService
    // render "sockets" "socket" unitOptions.renderSocket
    // render "timers" "timer" (unitOptions.renderWith "Timer" "timerConfig")
    // render "targets" "target" (unit: unitOptions.render { inherit unit; })
    // render "paths" "path" (unitOptions.renderWith "Path" "pathConfig")
    // render "slices" "slice" (unitOptions.renderWith "Slice" "sliceConfig");

  mounts = lib.listToAttrs (
    map (
      unit:
      lib.nameValuePair "${unitText.escapePath unit.where}.mount" (
        unit // { text = unitOptions.renderMount unit; }
      )
    ) cfg.mounts
    ++ map (
      unit:
      lib.nameValuePair "${unitText.escapePath unit.where}.automount" (
        unit // { text = unitOptions.renderAutomount unit; }
      )
    ) cfg.automounts
  );

  timersOf =
    services:
    lib.mapAttrs (_: service: {
      wantedBy = [ "timers.target" ];
      timerConfig.OnCalendar = service.startAt;
    }) (lib.filterAttrs (_: service: service.enable && service.startAt != [ ]) services);

  # A unit that only adds to what a package ships is a drop-in. Debian's units are known by having no body of their own:
  # the caller says `overrideStrategy`, or gives no command.
  isDropin =
    name: unit:
    unit.overrideStrategy == "asDropin"
    || lib.hasSuffix ".service" name && !(unit.serviceConfig ? ExecStart) && unit.serviceConfig.Type or "" != "oneshot"
    || lib.hasInfix "@" name && !(unit.serviceConfig ? ExecStart)
    || lib.elem name shipped;

  # Targets, sockets and the like that systemd ships, to which a host may add.
  shipped = map (name: "${name}.target") [
    "basic" "default" "emergency" "final" "getty" "graphical" "halt" "initrd" "local-fs" "local-fs-pre" "multi-user" "network"
    "network-online" "network-pre" "nss-lookup" "nss-user-lookup" "paths" "poweroff" "reboot" "remote-fs" "remote-fs-pre" "rescue"
    "shutdown" "sleep" "slices" "sockets" "sound" "suspend" "swap" "sysinit" "time-set" "time-sync" "timers" "umount"
  ];

  entriesOf =
    folder: units:
    lib.concatLists (
      lib.mapAttrsToList (
        name: unit:
        let
          file = pkgs.writeText (lib.strings.sanitizeDerivationName "unit-${name}") unit.text;
          link = target: path: {
            target = "${folder}/${target}";
            source = path;
            mode = "direct-symlink";
          };
          # Where the unit is found once it runs: ours under /etc, Debian's under /usr.
          dropin = isDropin name unit;
          own = if dropin then "/usr/lib/${folder}/${name}" else "/etc/${folder}/${name}";
          instanceOf = lib.concatStringsSep "@" (
            lib.take 1 (lib.splitString "@" name) ++ [ ".${lib.last (lib.splitString "." name)}" ]
          );
          definition = if lib.hasInfix "@" name && dropin then "/usr/lib/${folder}/${instanceOf}" else own;
        in
        if !unit.enable then
          [ (link name "/dev/null") ]
        else
          (
            if dropin then
              lib.optional (unit.text != "") {
                target = "${folder}/${name}.d/overrides.conf";
                source = "${file}";
                inherit (file) refersToNothing;
                mode = "symlink";
              }
            else
              [
                {
                  target = "${folder}/${name}";
                  source = "${file}";
                  inherit (file) refersToNothing;
                  mode = "symlink";
                }
              ]
          )
          ++ map (by: link "${by}.wants/${name}" definition) unit.wantedBy
          ++ map (by: link "${by}.requires/${name}" definition) unit.requiredBy
          ++ map (by: link "${by}.upholds/${name}" definition) unit.upheldBy
          ++ map (alias: link alias definition) unit.aliases
      ) units
    );

  tmpfilesRule = lib.types.attrsOf (lib.types.attrsOf (lib.types.attrsOf (lib.types.submodule {
    options = {
      mode = lib.mkOption { type = lib.types.str; default = "-"; description = "Mode."; };
      user = lib.mkOption { type = lib.types.str; default = "-"; description = "Owner."; };
      group = lib.mkOption { type = lib.types.str; default = "-"; description = "Group."; };
      age = lib.mkOption { type = lib.types.str; default = "-"; description = "Age."; };
      argument = lib.mkOption { type = lib.types.str; default = ""; description = "Argument."; };
    };
  })));
in
{
  options.systemd = kinds // {
    user = kinds // {
      tmpfiles.rules = lib.mkOption {
        type = lib.types.listOf lib.types.str;
        default = [ ];
        description = "Lines of tmpfiles.d(5) for users.";
      };
      extraConfig = lib.mkOption {
        type = lib.types.lines;
        default = "";
        description = "Lines of user.conf.";
      };
    };

    mounts = listOfUnits "Mounts." [ unitOptions.mount ];
    automounts = listOfUnits "Automounts." [ unitOptions.automount ];

    units = lib.mkOption {
      type = lib.types.attrsOf (lib.types.submodule unitOptions.common);
      default = { };
      description = "Units by file name, as text.";
    };

    packages = lib.mkOption {
      type = lib.types.listOf lib.types.package;
      default = [ ];
      description = "Packages whose units are to be there.";
    };

    maskedUnits = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      default = [ ];
      internal = true;
      description = "Units that packages ship and that must not start.";
    };

    defaultUnit = lib.mkOption {
      type = lib.types.str;
      default = "multi-user.target";
      description = "The unit that is started at boot.";
    };

    globalEnvironment = lib.mkOption {
      type = lib.types.attrsOf (lib.types.nullOr lib.types.str);
      default = { };
      description = "Environment variables of all services.";
    };

    extraConfig = lib.mkOption {
      type = lib.types.lines;
      default = "";
      description = "Lines of system.conf.";
    };

    settings.Manager = lib.mkOption {
      type = unitOptions.sectionType;
      default = { };
      description = "Settings of systemd itself (systemd-system.conf(5)).";
    };

    enableEmergencyMode = lib.mkOption {
      type = lib.types.bool;
      default = true;
      description = "Whether a failed mount leads to a rescue shell.";
    };

    suppressedSystemUnits = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      default = [ ];
      description = "Units of systemd that are left out.";
    };

    tmpfiles = {
      rules = lib.mkOption {
        type = lib.types.listOf lib.types.str;
        default = [ ];
        description = "Lines of tmpfiles.d(5).";
      };
      settings = lib.mkOption {
        type = tmpfilesRule;
        default = { };
        description = "The same, by file, path and type.";
      };
      packages = lib.mkOption {
        type = lib.types.listOf lib.types.package;
        default = [ ];
        description = "Packages whose tmpfiles.d files are to be there.";
      };
    };
  };

  config = {
    systemd.timers = timersOf cfg.services;
    systemd.user.timers = timersOf cfg.user.services;

    # What packages enable at their installation, and what does not fit a read-only /usr.
    systemd.maskedUnits = [
      "systemd-gpt-auto-generator"
      # ssh over AF_VSOCK and local sockets, which fails where there is no such socket; sshd is the host's own to set up.
      "systemd-ssh-generator"
      "systemd-hwdb-update.service"
      "ldconfig.service"
      "systemd-journal-catalog-update.service"
      "systemd-firstboot.service"
      "systemd-sysusers.service"
      "systemd-update-done.service"
    ];

    environment.systemPackages = cfg.packages ++ cfg.tmpfiles.packages;

    environment.etc = lib.mkMerge [
      {
        # Nothing is enabled but by the host's configuration.
        "systemd/system-preset/00-flk.preset".text = "disable *\n";
        "systemd/user-preset/00-flk.preset".text = "disable *\n";
        "systemd/system.conf.d/flk.conf".text =
          unitText.section "Manager" cfg.settings.Manager
          + lib.optionalString (cfg.globalEnvironment != { } || cfg.extraConfig != "") (
            "[Manager]\n"
            + lib.concatStrings (
              lib.mapAttrsToList (
                name: value: lib.optionalString (value != null) "DefaultEnvironment=\"${name}=${value}\"\n"
              ) cfg.globalEnvironment
            )
            + cfg.extraConfig
          );
        "tmpfiles.d/00-flk.conf".text = lib.concatMapStrings (rule: "${rule}\n") cfg.tmpfiles.rules;
      }
      (lib.mapAttrs' (
        name: paths:
        lib.nameValuePair "tmpfiles.d/${name}.conf" {
          text = lib.concatStrings (
            lib.flatten (
              lib.mapAttrsToList (
                path: types:
                lib.mapAttrsToList (
                  type: rule:
                  "'${type}' '${path}' '${rule.mode}' '${rule.user}' '${rule.group}' '${rule.age}' ${rule.argument}\n"
                ) types
              ) paths
            )
          );
        }
      ) cfg.tmpfiles.settings)
      (lib.mkIf (cfg.user.tmpfiles.rules != [ ]) {
        "user-tmpfiles.d/00-flk.conf".text = lib.concatMapStrings (rule: "${rule}\n") cfg.user.tmpfiles.rules;
      })
    ];

    system.build.unitEntries =
      entriesOf "systemd/system" (
        rendered cfg
        // mounts
        // lib.mapAttrs (
          _: unit:
          unit
          // {
            text = if unit.text == null then unitText.section "Unit" unit.unitConfig else unit.text;
          }
        ) cfg.units
      )
      ++ entriesOf "systemd/user" (rendered cfg.user)
      ++ map (name: {
        target =
          if lib.hasSuffix "-generator" name then
            "systemd/system-generators/${name}"
          else
            "systemd/system/${name}";
        source = "/dev/null";
        mode = "direct-symlink";
      }) (cfg.maskedUnits ++ cfg.suppressedSystemUnits)
      ++ [
        {
          target = "systemd/system/default.target";
          source = "/usr/lib/systemd/system/${cfg.defaultUnit}";
          mode = "direct-symlink";
        }
      ];
  };
}
