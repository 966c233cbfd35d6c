# Evaluates modules to a configuration.
{ lib }:
let
  inherit (builtins) addErrorContext seq;
  inherit (lib.modules) collectModules internalKey mergeModuleTree;

  # The options that steer the module system itself.
  internalModule =
    {
      prefix,
      specialArgs,
      extendModules,
      type,
    }:
    {
      _file = internalKey;
      key = internalKey;
      options._module = {
        args = lib.mkOption (
          {
            type = lib.types.lazyAttrsOf lib.types.raw;
            description = ''
              Arguments that every module can ask for, besides `lib`, `config`, `options` and the special ones. They may depend
              on the configuration, so `imports` must not depend on them.
            '';
          }
          // lib.optionalAttrs (prefix != [ ]) { internal = true; }
        );
        check = lib.mkOption {
          type = lib.types.bool;
          default = true;
          internal = true;
          description = "Whether definitions of options that do not exist are errors.";
        };
        freeformType = lib.mkOption {
          type = lib.types.nullOr lib.types.optionType;
          default = null;
          internal = true;
          description = "The type that merges all definitions for which there is no option; null if such are not allowed.";
        };
        specialArgs = lib.mkOption {
          internal = true;
          readOnly = true;
          description = "The arguments of modules that `imports` may depend on.";
        };
        unknownOptionsHint = lib.mkOption {
          type = lib.types.str;
          default = lib.modules.unknownOptionsHint;
          defaultText = lib.literalMD "the library's `modules.unknownOptionsHint`";
          internal = true;
          description = "Stands below the list of options that do not exist in the error about them.";
        };
      };
      config._module = {
        args = {
          inherit extendModules;
          moduleType = type;
        };
        inherit specialArgs;
      };
    };
in
rec {
  evalModules =
    {
      modules,
      prefix ? [ ],
      specialArgs ? { },
      class ? null,
      args ? { },
      check ? true,
    }@arguments:
    let
      given =
        modules
        ++ lib.optional (arguments ? args) { config._module.args = args; }
        ++ lib.optional (arguments ? check) { config._module.check = lib.mkDefault check; };

      collected =
        collectModules class (specialArgs.modulesPath or "")
          (
            given
            ++ [
              (internalModule {
                inherit
                  prefix
                  specialArgs
                  extendModules
                  type
                  ;
              })
            ]
          )
          (
            {
              inherit lib options specialArgs;
              _class = class;
              _prefix = prefix;
              config = addErrorContext lib.modules.messages.recursion config;
            }
            // specialArgs
          );

      # Later modules come first, as in NixOS: it shows in the order of merged lists.
      merged = mergeModuleTree prefix (lib.reverseList collected.modules);

      inherit (merged) options;
      inherit (merged.config) _module;

      config =
        if _module.freeformType == null then
          merged.config
        else
          lib.recursiveUpdate (lib.modules.freeformConfig prefix _module.freeformType
            merged.unmatched
          ) merged.config;

      unknown =
        if !_module.check || _module.freeformType != null || merged.unmatched == [ ] then
          [ ]
        else
          lib.modules.unknownDefinitions {
            inherit prefix options;
            inherit (merged) unmatched;
          };

      # With those within options that do exist, so that there is one error for all. What depends on the configuration, which is not
      # valid, is left out.
      allUnknown =
        unknown
        ++ builtins.concatMap (
          defining:
          lib.modules.unknownInDefinitions
            (mergeModuleTree prefix (
              map (
                module:
                module
                // {
                  config = if module.key == defining.key then module.staticConfig or module.config else { };
                }
              ) collected.modules
            )).options
        ) collected.modules;

      checked =
        if unknown == [ ] then
          null
        else
          throw (
            lib.modules.unknownOptionsMessage {
              inherit prefix options;
              unknown = allUnknown;
              hint = _module.unknownOptionsHint;
            }
          );

      extendModules =
        {
          modules ? [ ],
          specialArgs ? { },
          prefix ? arguments.prefix or [ ],
        }:
        evalModules (
          removeAttrs arguments [
            "args"
            "check"
          ]
          // {
            inherit prefix;
            modules = given ++ modules;
            specialArgs = arguments.specialArgs or { } // specialArgs;
          }
        );

      type = lib.types.submoduleWith { inherit modules specialArgs class; };
    in
    {
      _type = "configuration";
      options = seq checked options;
      config = seq checked (removeAttrs config [ "_module" ]);
      _module = seq checked _module;
      inherit (collected) graph;
      inherit extendModules type class;

      # Definitions of options that do not exist, those in submodules included. `config` is an error only where there are some at its
      # own level.
      unknownOptions = if unknown != [ ] then allUnknown else lib.modules.unknownInOptions options;
    };

  # What `freeformType` makes of definitions that no option takes.
  freeformConfig =
    prefix: freeformType: unmatched:
    if unmatched == [ ] then
      { }
    else
      freeformType.merge prefix (
        map (entry: {
          inherit (entry.source) file;
          value = lib.setAttrByPath (lib.drop (builtins.length prefix) entry.path) (
            entry.source.wrap entry.source.attributes.${entry.name}
          );
        }) unmatched
      );

  fixMergeModules =
    modules: args:
    evalModules {
      inherit modules args;
      check = false;
    };
}
