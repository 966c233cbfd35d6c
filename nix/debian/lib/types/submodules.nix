# Options whose value is a configuration of its own, and options whose value is a module.
{ lib }:
let
  inherit (builtins) attrNames intersectAttrs isAttrs;
  inherit (lib.types)
    defaultFunctor
    describe
    mkOptionType
    ;

  isModule = value: isAttrs value || lib.isFunction value || lib.types.path.check value;

  # Documentation has definitions of no one.
  uncheckedModule = {
    _file = "<built-in module that disables checks for the purpose of documentation generation>";
    config._module.check = lib.mkForce false;
  };

  # What two declarations say of one thing: null says nothing.
  agree =
    what: a: b:
    if a == null then
      b
    else if b == null || a == b then
      a
    else
      throw "A submoduleWith option is declared multiple times with conflicting ${what} values";
in
rec {
  # In a definition without `config` and `options`, everything is configuration, also `imports`' namesakes.
  submodule =
    modules:
    submoduleWith {
      shorthandOnlyDefinesConfig = true;
      modules = lib.toList modules;
    };

  submoduleWith =
    {
      modules,
      specialArgs ? { },
      shorthandOnlyDefinesConfig ? false,
      description ? null,
      class ? null,
    }@arguments:
    let
      asModule =
        { file, value, ... }:
        {
          _file = file;
        }
        // (
          if shorthandOnlyDefinesConfig == true && isAttrs value then
            { config = value; }
          else
            { imports = [ value ]; }
        );

      base = lib.evalModules {
        inherit class specialArgs;
        modules = [ { _module.args.name = lib.mkOptionDefault "‹name›"; } ] ++ modules;
      };
      evaluate =
        loc: definitions:
        base.extendModules {
          modules = [ { _module.args.name = lib.last loc; } ] ++ map asModule definitions;
          prefix = loc;
        };
      documented =
        prefix:
        base.extendModules {
          inherit prefix;
          modules = [ uncheckedModule ];
        };
      inherit (base._module) freeformType;
    in
    mkOptionType {
      name = "submodule";
      description =
        let
          freeform = (documented [ ])._module.freeformType;
        in
        if description != null then
          description
        else if freeform ? description then
          "open submodule of ${
            describe [
              "noun"
              "composite"
            ] freeform
          }"
        else
          "submodule";
      check = isModule;
      merge = loc: definitions: (evaluate loc definitions).config;
      findUnknown = loc: definitions: (evaluate loc definitions).unknownOptions;
      emptyValue.value = base.config;
      getSubOptions =
        prefix:
        let
          evaluated = documented prefix;
          freeform = evaluated._module.freeformType;
        in
        evaluated.options
        // lib.optionalAttrs (freeform != null) { _freeformOptions = freeform.getSubOptions prefix; };
      getSubModules = modules;
      substSubModules = merged: submoduleWith (arguments // { modules = merged; });
      nestedTypes = lib.optionalAttrs (freeformType != null) { inherit freeformType; };
      functor = defaultFunctor "submodule" // {
        type = submoduleWith;
        payload = {
          inherit
            modules
            specialArgs
            shorthandOnlyDefinesConfig
            description
            class
            ;
        };
        binOp =
          a: b:
          let
            common = attrNames (intersectAttrs a.specialArgs b.specialArgs);
          in
          {
            modules = a.modules ++ b.modules;
            specialArgs =
              if common == [ ] then
                a.specialArgs // b.specialArgs
              else
                throw "A submoduleWith option is declared multiple times with the same specialArgs \"${toString common}\"";
            shorthandOnlyDefinesConfig =
              agree "shorthandOnlyDefinesConfig" a.shorthandOnlyDefinesConfig
                b.shorthandOnlyDefinesConfig;
            description = agree "description" a.description b.description;
            class = agree "class" a.class b.class;
          };
      };
    };

  # A module that is to be evaluated elsewhere; definitions come together as imports.
  deferredModule = deferredModuleWith { };
  deferredModuleWith =
    {
      staticModules ? [ ],
    }:
    let
      evaluated = submoduleWith { modules = staticModules; };
    in
    mkOptionType {
      name = "deferredModule";
      description = "module";
      descriptionClass = "noun";
      check = isModule;
      merge = loc: definitions: {
        imports =
          staticModules
          ++ map (
            definition:
            lib.setDefaultModuleLocation "${definition.file}, via option ${lib.showOption loc}" definition.value
          ) definitions;
      };
      inherit (evaluated) getSubOptions getSubModules;
      substSubModules = modules: deferredModuleWith { staticModules = modules; };
      functor = defaultFunctor "deferredModuleWith" // {
        type = deferredModuleWith;
        payload = { inherit staticModules; };
        binOp = a: b: { staticModules = a.staticModules ++ b.staticModules; };
      };
    };
}
