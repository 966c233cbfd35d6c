# Options under other names, and options that are gone.
{ lib }:
let
  inherit (builtins) any filter foldl';
  inherit (lib.modules) messages;
  inherit (lib.options) mkOption showOption;
in
rec {
  # Definitions of one option, for another.
  mkAliasDefinitions = mkAliasAndWrapDefinitions lib.id;
  mkAliasAndWrapDefinitions =
    wrap: option: lib.mkIf option.isDefined (wrap (lib.mkMerge option.definitions));
  # Each definition stays its file's.
  mkAliasAndWrapDefsWithPriority =
    wrap: option:
    let
      keepPriority = lib.mkOverride (option.highestPrio or lib.modules.defaultOverridePriority);
      keep =
        definition:
        lib.mkDefinition (definition // { value = keepPriority definition.value; });
    in
    lib.mkIf option.isDefined (wrap (lib.mkMerge (map keep option.definitionsWithLocations)));
  mkAliasIfDef = option: lib.mkIf option.isDefined;

  # A definition that is as strong as the option it is made of.
  mkDerivedConfig =
    option: f:
    lib.mkOverride (option.highestPrio or lib.modules.defaultOverridePriority) (f option.value);

  mkRemovedOptionModule =
    path: instructions:
    { options, ... }:
    let
      option = lib.getAttrFromPath path options;
    in
    {
      options = lib.setAttrByPath path (mkOption {
        visible = false;
        apply = _: throw (messages.removed path instructions);
      });
      config.assertions = [
        {
          assertion = !option.isDefined;
          message = messages.removedDefinition path option instructions;
        }
      ];
    };

  mkRenamedOptionModule =
    from: to:
    doRename {
      inherit from to;
      visible = false;
      warn = true;
      use = builtins.trace (messages.renamed from to);
    };

  # Warns once `sinceRelease`, such as 2411, is as old as the oldest release that is supported.
  mkRenamedOptionModuleWith =
    {
      from,
      to,
      sinceRelease,
    }:
    let
      warn = lib.oldestSupportedReleaseIsAtLeast sinceRelease;
    in
    doRename {
      inherit from to warn;
      visible = false;
      use = lib.warnIf warn (messages.renamed from to);
    };

  mkAliasOptionModule =
    from: to:
    doRename {
      inherit from to;
      visible = true;
      warn = false;
      use = lib.id;
    };
  mkAliasOptionModuleMD = mkAliasOptionModule;

  # The value of `to` is `change config` where one of the options `from` is set.
  mkMergedOptionModule =
    from: to: change:
    { config, options, ... }:
    let
      unset = "_mkMergedOptionModule";
      isSet = path: lib.getAttrFromPath path config != unset;
      changed = path: messages.changed path to (lib.getAttrFromPath path options);
    in
    {
      options = foldl' lib.recursiveUpdate { } (
        map (
          path:
          lib.setAttrByPath path (mkOption {
            visible = false;
            default = unset;
          })
        ) from
      );
      config = {
        warnings = map changed (filter isSet from);
      }
      // lib.setAttrByPath to (lib.mkMerge (lib.optional (any isSet from) (change config)));
    };

  mkChangedOptionModule =
    from: to: change:
    mkMergedOptionModule [ from ] to change;

  # What renames and aliases are made of: what is defined for `from` goes to `to`, and who reads `from` gets the value of `to`.
  doRename =
    {
      from,
      to,
      visible,
      warn,
      use,
      withPriority ? true,
      condition ? true,
    }:
    { config, options, ... }:
    let
      old = lib.getAttrFromPath from options;
      new = lib.attrByPath to { } options;
      forward = if withPriority then mkAliasAndWrapDefsWithPriority else mkAliasAndWrapDefinitions;
      # `to` may be within a submodule, where no option can be seen from here. The type of the other option checks.
      type = new.type or lib.types.raw;
    in
    {
      options = lib.setAttrByPath from (
        mkOption {
          inherit visible;
          description = "Alias of {option}`${showOption to}`.";
          apply =
            _:
            use (lib.attrByPath to (abort "Renaming error: option `${showOption to}' does not exist.") config);
        }
        // lib.optionalAttrs (type != null) { inherit type; }
      );
      config = lib.mkIf condition (
        lib.mkMerge [
          (lib.optionalAttrs (options ? warnings) {
            warnings = lib.optional (warn && old.isDefined) (messages.renamedDefinition from to old);
          })
          (forward (lib.setAttrByPath to) old)
        ]
      );
    };
}
