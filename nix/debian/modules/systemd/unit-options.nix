# The options of units, under NixOS's names and with its meanings.
{ lib, pkgs }:

let
  text = import ./unit-text.nix { inherit lib; };

  names = lib.types.listOf lib.types.str;

  scalar = lib.types.oneOf [
    lib.types.bool
    lib.types.int
    lib.types.float
    lib.types.str
    lib.types.path
    lib.types.package
  ];

  # A section of a unit: lists add up, anything else must be given once.
  sectionType = lib.types.attrsOf (
    lib.mkOptionType {
      name = "unit option";
      description = "boolean, number, string, path, or a list of these";
      check = value: value == null || scalar.check value || (lib.isList value && lib.all scalar.check value);
      merge =
        loc: definitions:
        if lib.length definitions > 1 && lib.any (definition: lib.isList definition.value) definitions then
          lib.concatMap (definition: lib.toList definition.value) definitions
        else
          lib.mergeEqualOption loc definitions;
    }
  );

  relation =
    description:
    lib.mkOption {
      type = names;
      default = [ ];
      inherit description;
    };

  section =
    name:
    lib.mkOption {
      type = sectionType;
      default = { };
      description = "Settings of the section [${name}].";
    };

  script =
    description:
    lib.mkOption {
      type = lib.types.lines;
      default = "";
      inherit description;
    };

  scriptFile = unit: purpose: body: pkgs.writeShellScript "unit-script-${unit}-${purpose}" "set -e\n${body}";
in
rec {
  inherit section sectionType;

  common =
    { config, ... }:
    {
      options = {
        enable = lib.mkOption {
          type = lib.types.bool;
          default = true;
          description = "Whether the unit may start; false masks it.";
        };
        overrideStrategy = lib.mkOption {
          type = lib.types.enum [
            "asDropinIfExists"
            "asDropin"
          ];
          default = "asDropinIfExists";
          description = "Whether it adds to a unit that a package ships.";
        };
        description = lib.mkOption {
          type = lib.types.singleLineStr;
          default = "";
          description = "What the unit is.";
        };
        documentation = relation "Where it is documented.";
        requires = relation "Units that must run with it.";
        wants = relation "Units that should run with it.";
        requisite = relation "Units that must run already.";
        bindsTo = relation "Units with which it stops.";
        partOf = relation "Units whose stop and restart it follows.";
        upholds = relation "Units that it keeps running.";
        conflicts = relation "Units that must not run with it.";
        after = relation "Units after which it starts.";
        before = relation "Units before which it starts.";
        onFailure = relation "Units that start when it fails.";
        onSuccess = relation "Units that start when it succeeds.";
        requiredBy = relation "Units that require it.";
        wantedBy = relation "Units that want it.";
        upheldBy = relation "Units that uphold it.";
        aliases = relation "Its other names.";
        unitConfig = section "Unit";
        startLimitBurst = lib.mkOption {
          type = lib.types.nullOr lib.types.int;
          default = null;
          description = "How often it may start in the interval.";
        };
        startLimitIntervalSec = lib.mkOption {
          type = lib.types.nullOr lib.types.int;
          default = null;
          description = "The interval in seconds.";
        };
        restartTriggers = lib.mkOption {
          type = lib.types.listOf lib.types.unspecified;
          default = [ ];
          description = "Things whose change restarts it.";
        };
        reloadTriggers = lib.mkOption {
          type = lib.types.listOf lib.types.unspecified;
          default = [ ];
          description = "Things whose change reloads it.";
        };
        text = lib.mkOption {
          type = lib.types.nullOr lib.types.str;
          default = null;
          description = "The whole unit as text.";
        };
      };

      config.unitConfig = lib.mkMerge [
        (lib.mapAttrs (_: values: lib.mkIf (values != [ ]) (toString values)) {
          Requires = config.requires;
          Wants = config.wants;
          Requisite = config.requisite;
          BindsTo = config.bindsTo;
          PartOf = config.partOf;
          Upholds = config.upholds;
          Conflicts = config.conflicts;
          After = config.after;
          Before = config.before;
          OnFailure = config.onFailure;
          OnSuccess = config.onSuccess;
          Documentation = config.documentation;
        })
        (lib.mkIf (config.restartTriggers != [ ]) {
          X-Restart-Triggers = pkgs.writeText "restart-triggers" (
            lib.concatMapStrings (trigger: "${toString trigger}\n") config.restartTriggers
          );
        })
        (lib.mkIf (config.reloadTriggers != [ ]) {
          X-Reload-Triggers = pkgs.writeText "reload-triggers" (
            lib.concatMapStrings (trigger: "${toString trigger}\n") config.reloadTriggers
          );
        })
        (lib.mkIf (config.description != "") { Description = config.description; })
        (lib.mkIf (config.startLimitBurst != null) { StartLimitBurst = config.startLimitBurst; })
        (lib.mkIf (config.startLimitIntervalSec != null) {
          StartLimitIntervalSec = config.startLimitIntervalSec;
        })
      ];
    };

  service =
    { name, config, ... }:
    {
      options = {
        serviceConfig = section "Service";
        environment = lib.mkOption {
          type = lib.types.attrsOf (
            lib.types.nullOr (
              lib.types.oneOf [
                lib.types.str
                lib.types.path
                lib.types.package
              ]
            )
          );
          default = { };
          description = "Environment variables of its processes.";
        };
        path = lib.mkOption {
          type = lib.types.listOf (
            lib.types.oneOf [
              lib.types.package
              lib.types.str
            ]
          );
          default = [ ];
          description = "Packages on its PATH.";
        };
        script = script "What it runs, as a shell script.";
        scriptArgs = lib.mkOption {
          type = lib.types.str;
          default = "";
          description = "Arguments of the script.";
        };
        preStart = script "A shell script that runs before it.";
        postStart = script "A shell script that runs when it has started.";
        reload = script "A shell script that reloads it.";
        preStop = script "A shell script that stops it.";
        postStop = script "A shell script that runs when it has stopped.";
        jobScripts = lib.mkOption {
          type = lib.types.listOf lib.types.unspecified;
          default = [ ];
          internal = true;
          description = "Its scripts.";
        };
        restartIfChanged = lib.mkOption {
          type = lib.types.bool;
          default = true;
          description = "Whether a switch restarts it when it changed.";
        };
        reloadIfChanged = lib.mkOption {
          type = lib.types.bool;
          default = false;
          description = "Whether a switch reloads it when it changed.";
        };
        stopIfChanged = lib.mkOption {
          type = lib.types.bool;
          default = true;
          description = "Whether a switch stops it first when it changed.";
        };
        notSocketActivated = lib.mkOption {
          type = lib.types.bool;
          default = false;
          description = "Whether a switch that stopped it starts it again though it has a socket.";
        };
        startAt = lib.mkOption {
          type = lib.types.either lib.types.str (lib.types.listOf lib.types.str);
          default = [ ];
          apply = lib.toList;
          description = "Calendar times at which it starts (systemd.time(7)).";
        };
        enableDefaultPath = lib.mkOption {
          type = lib.types.bool;
          default = true;
          description = "Whether the usual tools are on its PATH.";
        };
        enableStrictShellChecks = lib.mkOption {
          type = lib.types.bool;
          default = false;
          description = "Accepted for NixOS's sake.";
        };
        confinement = lib.mkOption {
          type = lib.types.attrs;
          default = { };
          internal = true;
          description = "Not on this channel.";
        };
        runner = lib.mkOption {
          type = lib.types.unspecified;
          internal = true;
          default = null;
          description = "Accepted for NixOS's sake.";
        };
      };

      config = {
        environment.PATH = lib.mkIf (config.path != [ ]) (
          lib.concatStringsSep ":" (
            lib.concatMap (entry: [
              "${entry}/bin"
              "${entry}/sbin"
            ]) config.path
            ++ lib.optional config.enableDefaultPath "/run/wrappers/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
          )
        );
        serviceConfig = lib.mkMerge [
          (lib.mkIf (config.preStart != "") {
            ExecStartPre = [ (scriptFile name "pre-start" config.preStart) ];
          })
          (lib.mkIf (config.script != "") {
            ExecStart = "${scriptFile name "start" config.script} ${config.scriptArgs}";
          })
          (lib.mkIf (config.postStart != "") {
            ExecStartPost = [ (scriptFile name "post-start" config.postStart) ];
          })
          (lib.mkIf (config.reload != "") { ExecReload = scriptFile name "reload" config.reload; })
          (lib.mkIf (config.preStop != "") { ExecStop = scriptFile name "pre-stop" config.preStop; })
          (lib.mkIf (config.postStop != "") { ExecStopPost = scriptFile name "post-stop" config.postStop; })
        ];
      };
    };

  socket.options = {
    listenStreams = relation "Stream sockets on which it listens.";
    listenDatagrams = relation "Datagram sockets on which it listens.";
    socketConfig = section "Socket";
  };

  timer.options.timerConfig = section "Timer";

  path.options.pathConfig = section "Path";

  mount.options = {
    what = lib.mkOption {
      type = lib.types.str;
      description = "The device.";
    };
    where = lib.mkOption {
      type = lib.types.str;
      description = "The mount point.";
    };
    type = lib.mkOption {
      type = lib.types.str;
      default = "";
      description = "The file system's type.";
    };
    options = lib.mkOption {
      type = lib.types.commas;
      default = "";
      description = "The mount options.";
    };
    mountConfig = section "Mount";
  };

  automount.options = {
    where = lib.mkOption {
      type = lib.types.str;
      description = "The mount point.";
    };
    automountConfig = section "Automount";
  };

  slice.options.sliceConfig = section "Slice";

  # A unit as text.
  render =
    {
      unit,
      sections ? "",
    }:
    if unit.text != null then unit.text else text.section "Unit" unit.unitConfig + sections;

  renderService =
    unit:
    let
      settings =
        unit.serviceConfig
        // lib.optionalAttrs (!unit.restartIfChanged) { X-RestartIfChanged = false; }
        // lib.optionalAttrs unit.reloadIfChanged { X-ReloadIfChanged = true; }
        // lib.optionalAttrs (!unit.stopIfChanged) { X-StopIfChanged = false; }
        // lib.optionalAttrs unit.notSocketActivated { X-NotSocketActivated = true; };
      body = text.environment unit.environment + text.attributes settings;
    in
    render {
      inherit unit;
      sections = lib.optionalString (body != "") "[Service]\n${body}";
    };

  renderSocket =
    unit:
    render {
      inherit unit;
      sections = text.section "Socket" (
        unit.socketConfig
        // lib.optionalAttrs (unit.listenStreams != [ ]) { ListenStream = unit.listenStreams; }
        // lib.optionalAttrs (unit.listenDatagrams != [ ]) { ListenDatagram = unit.listenDatagrams; }
      );
    };

  renderMount =
    unit:
    render {
      inherit unit;
      sections = text.section "Mount" (
        {
          What = unit.what;
          Where = unit.where;
        }
        // lib.optionalAttrs (unit.type != "") { Type = unit.type; }
        // lib.optionalAttrs (unit.options != "") { Options = unit.options; }
        // unit.mountConfig
      );
    };

  renderAutomount =
    unit:
    render {
      inherit unit;
      sections = text.section "Automount" ({ Where = unit.where; } // unit.automountConfig);
    };

  renderWith =
    name: attribute: unit:
    render {
      inherit unit;
      sections = text.section name unit.${attribute};
    };
}
