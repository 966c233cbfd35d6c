# Pairs declared options with definitions, level by level.
{ lib }:
let
  inherit (builtins)
    all
    attrNames
    attrValues
    concatLists
    concatMap
    filter
    foldl'
    head
    isAttrs
    length
    mapAttrs
    unsafeGetAttrPos
    zipAttrsWith
    ;
  inherit (lib.modules)
    evalOptionValue
    fixupOptionType
    mergeLevel
    mergeModuleTree
    mergeOptionDecls
    messages
    pushDown
    setDefaultModuleLocation
    ;
  inherit (lib.options) isOption;

  noSources = [ ];

  # Declarations below one module, by name.
  declarationsOf =
    prefix: module:
    if isAttrs module.options then
      mapAttrs (name: options: {
        inherit (module) _file;
        inherit options;
        pos = unsafeGetAttrPos name module.options;
      }) module.options
    else
      throw (messages.declarationNotASet prefix module);

  sourceByName =
    prefix: source:
    if isAttrs source.attributes then
      mapAttrs (_: _: source) source.attributes
    else
      throw (messages.definitionNotASet prefix source);

  # A group of options, seen as an option of type submodule.
  groupAsOption =
    declaration:
    if isOption declaration.options then
      declaration
    else
      declaration
      // {
        options = lib.mkOption {
          type = lib.types.submoduleWith {
            modules = [ { inherit (declaration) options; } ];
            shorthandOnlyDefinesConfig = null;
          };
        };
      };

  isSubmodule = declaration: declaration.options.type.name or null == "submodule";
in
{
  # The options that `modules` declare and what they define of them, as
  # `{ options; config; unmatched; }`; `unmatched` are `{ path; name; source; }`, a source as of `pushDown`.
  mergeModuleTree =
    prefix: modules:
    mergeLevel prefix modules (concatMap (module: pushDown module._file lib.id module.config) modules);

  mergeLevel =
    prefix: declaring: sources:
    let
      declarations = zipAttrsWith (_: values: values) (map (declarationsOf prefix) declaring);
      definitions = zipAttrsWith (_: values: values) (map (sourceByName prefix) sources);
      merged = mapAttrs (
        name: declared:
        let
          loc = prefix ++ [ name ];
          own = definitions.${name} or noSources;
          options = filter (
            declaration:
            declaration.options ? _type
            && (declaration.options._type == "option" || throw (messages.notAnOption loc declaration))
          ) declared;
        in
        if options == [ ] then
          mergeLevel loc declared (
            concatMap (source: pushDown source.file source.wrap source.attributes.${name}) own
          )
        else
          let
            option =
              evalOptionValue loc
                (fixupOptionType loc (
                  if length options == length declared then
                    mergeOptionDecls loc declared
                  else if all isSubmodule options then
                    mergeOptionDecls loc (map groupAsOption declared)
                  else
                    throw (
                      messages.nestedOptions loc (head options) (
                        filter (declaration: !isOption declaration.options) declared
                      )
                    )
                ))
                (
                  map (source: {
                    inherit (source) file;
                    value = source.wrap source.attributes.${name};
                    position = unsafeGetAttrPos name source.attributes;
                  }) own
                );
          in
          {
            options = option;
            config = option.value;
            unmatched = [ ];
          }
      ) declarations;
      undeclared = removeAttrs definitions (attrNames declarations);
    in
    {
      options = mapAttrs (_: result: result.options) merged;
      config = mapAttrs (_: result: result.config) merged;
      unmatched =
        if sources == [ ] then
          [ ]
        else
          concatLists (
            lib.mapAttrsToList (
              name:
              map (source: {
                inherit name source;
                path = prefix ++ [ name ];
              })
            ) undeclared
          )
          ++ concatMap (result: result.unmatched) (attrValues merged);
    };

  # One option of all its declarations. Types may merge, what else a declaration says may be said once.
  mergeOptionDecls =
    loc: declarations:
    foldl'
      (
        merged: declaration:
        let
          option = declaration.options;
          both = attribute: option ? ${attribute} && merged ? ${attribute};
          type = merged.type.typeMerge option.type.functor;
          subModules = option.type.getSubModules or null;
        in
        if
          both "default"
          || both "example"
          || both "description"
          || both "apply"
          || (both "type" && type == null)
        then
          throw (messages.declaredTwice loc declaration._file merged.declarations)
        else
          option
          // merged
          // {
            declarations = merged.declarations ++ [ declaration._file ];
            declarationPositions = merged.declarationPositions ++ [
              (
                if declaration.pos != null then
                  declaration.pos
                else
                  {
                    file = declaration._file;
                    line = null;
                    column = null;
                  }
              )
            ];
            options =
              if subModules == null then
                merged.options
              else
                map (setDefaultModuleLocation declaration._file) subModules ++ merged.options;
          }
          // (if both "type" then { inherit type; } else { })
      )
      {
        inherit loc;
        declarations = [ ];
        declarationPositions = [ ];
        options = [ ];
      }
      declarations;

  # Gives the type the submodules of all declarations.
  fixupOptionType =
    loc: option:
    if option.type.getSubModules or null == null then
      option // { type = option.type or lib.types.unspecified; }
    else
      option
      // {
        type = option.type.substSubModules option.options;
        options = [ ];
      };

  # Several modules' declarations and definitions, as nixpkgs names and shapes it.
  mergeModules =
    prefix: modules:
    let
      merged = mergeModuleTree prefix modules;
    in
    {
      matchedOptions = merged.options;
      unmatchedDefns = map (entry: {
        inherit (entry.source) file;
        value = entry.source.wrap entry.source.attributes.${entry.name};
        prefix = lib.drop (length prefix) entry.path;
      }) merged.unmatched;
    };
}
