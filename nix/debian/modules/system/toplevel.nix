# system.build.toplevel: the system as one store path
{
  config,
  lib,
  pkgs,
  extendModules,
  ...
}:

let
  build = config.system.build;
  kernel = config.boot.kernelPackages.kernel;

  failed = map (assertion: assertion.message) (lib.filter (assertion: !assertion.assertion) config.assertions);

  checked =
    value:
    if failed != [ ] then
      throw "\nFailed assertions:\n${lib.concatMapStrings (message: "- ${message}\n") failed}"
    else
      lib.foldr (message: lib.warn message) value config.warnings;

  # Debian packages are composed by their names, so that a choice between alternatives is made once for the system.
  packages = lib.unique (config.environment.systemPackages ++ config.environment.defaultPackages);
  debianNames = lib.unique (lib.concatMap (package: package.debian or [ ]) packages);
  foreign =
    lib.filter (package: !(package ? debian)) packages
    ++ lib.concatMap (package: package.besides or [ ]) packages;
  raws = map (name: pkgs.debian.raws.${name}) (
    lib.sort lib.lessThan (pkgs.debian.closureOf debianNames)
  );

  files = build.etcEntries ++ build.unitEntries;
  entries = map (file: removeAttrs file [ "refersToNothing" ]) files;
  referring = lib.filter (file: builtins.hasContext file.source && !(file.refersToNothing or false)) files;

  # Whatever Debian package a unit or a file under /etc refers to is found under /usr as well. What refers to nothing is no part of it: with each change of
  # such a text all of /usr would be made anew.
  graph = raws ++ foreign ++ [ (pkgs.writeText "referring.json" (builtins.toJSON (map (file: file.source) referring))) ];

  usr = pkgs.builder.build {
    name = "system-path";
    command = "usr";
    parameters = {
      exportReferencesGraph.graph = graph;
      paths = map toString foreign;
      inherit (build) kernelModules locales hwdb;
    };
  };

  etc = pkgs.builder.build {
    name = "etc";
    command = "etc";
    parameters = {
      exportReferencesGraph.graph = graph;
      inherit entries;
    };
  };

  stage2 =
    build.stage2Users
    // {
      version = 1;
      inherit (config.networking) hostName;
      stateDirectory = "/var/lib/flk";
      inherit (build) wrappers;
      activation = build.activationScript;
    };

  kernelParams = config.boot.kernelParams;

  # By where the toplevel is: within itself that is not known yet.
  bootspec = toplevel: {
    "org.nixos.bootspec.v1" = {
      system = "x86_64-linux";
      label = "${config.system.nixos.distroName} ${config.system.nixos.label} (Linux ${kernel.version})";
      kernel = kernel.file;
      inherit kernelParams;
      initrd = "${build.initialRamdisk}";
      init = "${toplevel}/init";
      inherit toplevel;
    };
    "org.nixos.specialisation.v1" = lib.mapAttrs (
      _: variant: variant.system.build.bootspec "${variant.system.build.toplevel}"
    ) variants;
  };

  variants = lib.mapAttrs (_: variant: variant.configuration) config.specialisation;
in
{
  options.system.activationScripts = lib.mkOption {
    type = lib.types.attrsOf (
      lib.types.coercedTo lib.types.str (text: { inherit text; }) (
        lib.types.submodule {
          options = {
            text = lib.mkOption {
              type = lib.types.lines;
              default = "";
              description = "The script.";
            };
            deps = lib.mkOption {
              type = lib.types.listOf lib.types.str;
              default = [ ];
              description = "Scripts that run before it.";
            };
            supportsDryActivation = lib.mkOption {
              type = lib.types.bool;
              default = false;
              description = "Accepted for NixOS's sake.";
            };
          };
        }
      )
    );
    default = { };
    description = "Shell scripts that run at boot and at a switch.";
  };

  options.system.extraDependencies = lib.mkOption {
    type = lib.types.listOf lib.types.package;
    default = [ ];
    description = "Store paths that the system's closure holds besides what it refers to.";
  };

  options.specialisation = lib.mkOption {
    type = lib.types.attrsOf (
      lib.types.submodule {
        options = {
          inheritParentConfig = lib.mkOption {
            type = lib.types.bool;
            default = true;
            description = "Whether the variant is the system with changes; the built-in channel knows no other.";
          };
          configuration = lib.mkOption {
            type = (extendModules { modules = [ { specialisation = lib.mkOverride 0 { }; } ]; }).type;
            default = { };
            description = "What the variant has besides what the system has.";
          };
        };
      }
    );
    default = { };
    description = "Variants of the system, by name: each has an entry in the boot menu, and is below `specialisation/` in the system.";
  };

  config.system.build = {
    inherit usr etc bootspec;
    kernel = kernel;

    activationScript =
      let
        scripts = config.system.activationScripts;
        names = lib.attrNames scripts;
        order = lib.toposort (a: b: lib.elem a scripts.${b}.deps) names;
      in
      if scripts == { } then
        null
      else
        "${pkgs.writeShellScript "activate" (
          lib.concatMapStrings (name: "# ${name}\n${scripts.${name}.text}\n") (
            order.result or (throw "system.activationScripts: these depend on each other in a circle: ${toString order.cycle}")
          )
        )}";

    # hwdb.bin, which udev's maintainer script makes.
    hwdb = pkgs.builder.build {
      name = "hwdb.bin";
      command = "exec";
      parameters = {
        packages = map (name: pkgs.debian.raws.${name}) (pkgs.debian.closureOf [ "udev" ]);
        command = [
          "systemd-hwdb"
          "--root=@scratch@"
          "--usr"
          "update"
        ];
        scratch = [
          {
            path = "usr/lib/udev/hwdb.d";
            copy = "${pkgs.debian.raws.udev}/usr/lib/udev/hwdb.d";
          }
        ];
        result = "usr/lib/udev/hwdb.bin";
      };
    };

    toplevel = checked (
      pkgs.builder.build {
        name = "nixos-system-${config.system.name}-${config.system.nixos.label}";
        command = "tree";
        parameters.entries = [
          {
            path = "init";
            link = pkgs.builder.init;
          }
          {
            path = "stage2.json";
            text = builtins.toJSON stage2;
          }
          {
            path = "bootloader.json";
            text = builtins.toJSON build.bootLoader;
          }
          {
            path = "kernel";
            link = kernel.file;
          }
          {
            path = "kernel-modules";
            link = "${build.kernelModules}";
          }
          {
            path = "initrd";
            link = "${build.initialRamdisk}";
          }
          {
            path = "kernel-params";
            text = toString kernelParams;
          }
          {
            path = "etc";
            link = "${etc}";
          }
          {
            path = "sw";
            link = "${usr}";
          }
          {
            path = "systemd";
            link = "${pkgs.debian.raws.systemd}";
          }
          {
            path = "boot.json";
            text = builtins.toJSON (bootspec (placeholder "out"));
          }
          {
            path = "nixos-version";
            text = config.system.nixos.label;
          }
          {
            path = "system";
            text = "x86_64-linux";
          }
          {
            path = "bin/switch-to-configuration";
            link = pkgs.builder.init;
          }
          {
            path = "extra-dependencies";
            text = lib.concatMapStrings (path: "${path}\n") config.system.extraDependencies;
          }
        ]
        ++ (
          if variants == { } then
            [
              {
                path = "specialisation/.keep";
                text = "";
              }
            ]
          else
            lib.mapAttrsToList (name: variant: {
              path = "specialisation/${name}";
              link = "${variant.system.build.toplevel}";
            }) variants
        );
        attributes = {
          inherit config;
        };
      }
    );
  };

  config.assertions = lib.concatLists (
    lib.mapAttrsToList (name: variant: [
      {
        assertion = variant.inheritParentConfig;
        message = "specialisation.${name}.inheritParentConfig: the built-in channel's variants are the system with changes; make another host of it, or use nixpkgs";
      }
      {
        assertion = builtins.match "[a-zA-Z0-9][a-zA-Z0-9_.-]*" name != null;
        message = "specialisation.${name}: its name is to be of letters, digits, `_', `.' and `-'";
      }
    ]) config.specialisation
  );
}
