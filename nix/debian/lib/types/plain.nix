# Types without structure: booleans, sets and values of any sort.
{ lib }:
let
  inherit (builtins)
    all
    foldl'
    head
    isAttrs
    isBool
    length
    typeOf
    ;
  inherit (lib.options)
    getFiles
    getValues
    mergeEqualOption
    mergeOneOption
    showFiles
    showOption
    ;
  inherit (lib.types) isType mkOptionType;

  kindOf =
    value: if isAttrs value && lib.isStringLike value then "stringCoercibleSet" else typeOf value;
in
rec {
  # One value, taken as it is.
  raw = mkOptionType {
    name = "raw";
    description = "raw value";
    descriptionClass = "noun";
    merge = mergeOneOption;
  };

  # Sets merge by attribute and functions by result; of anything else all definitions must be equal.
  anything = mkOptionType {
    name = "anything";
    description = "anything";
    descriptionClass = "noun";
    merge =
      loc: definitions:
      let
        kind = kindOf (head definitions).value;
        merges = {
          set = (lib.types.attrsOf anything).merge;
          stringCoercibleSet = mergeOneOption;
          lambda =
            loc: definitions: argument:
            anything.merge (loc ++ [ "<function body>" ]) (
              map (definition: {
                inherit (definition) file;
                value = definition.value argument;
              }) definitions
            );
        };
      in
      if all (definition: kindOf definition.value == kind) definitions then
        (merges.${kind} or mergeEqualOption) loc definitions
      else
        throw "The option `${showOption loc}' has conflicting option types in ${showFiles (getFiles definitions)}";
  };

  unspecified = mkOptionType {
    name = "unspecified";
    description = "unspecified value";
    descriptionClass = "noun";
  };

  bool = mkOptionType {
    name = "bool";
    description = "boolean";
    descriptionClass = "noun";
    check = isBool;
    merge = mergeEqualOption;
  };

  boolByOr = mkOptionType {
    name = "boolByOr";
    description = "boolean (merged using or)";
    descriptionClass = "noun";
    check = isBool;
    merge = _loc: definitions: builtins.any (value: value) (getValues definitions);
  };

  # Later definitions replace attributes of earlier ones; priorities within it have no effect. `attrsOf` is the better choice.
  attrs = mkOptionType {
    name = "attrs";
    description = "attribute set";
    check = isAttrs;
    merge = _loc: foldl' (merged: definition: merged // definition.value) { };
    emptyValue.value = { };
  };

  optionType = mkOptionType {
    name = "optionType";
    description = "optionType";
    descriptionClass = "noun";
    check = isType "option-type";
    merge =
      loc: definitions:
      let
        declarations = map (definition: {
          _file = definition.file;
          pos = null;
          options = lib.mkOption { type = definition.value; };
        }) definitions;
      in
      if length definitions == 1 then
        (head definitions).value
      else
        (lib.modules.fixupOptionType loc (lib.modules.mergeOptionDecls loc declarations)).type;
  };

  optionDeclaration = mkOptionType {
    name = "optionDeclaration";
    description = "option declaration";
    descriptionClass = "noun";
    check = value: isType "option" value && !(value ? value);
  };

  luaInline = mkOptionType {
    name = "luaInline";
    description = "inline lua";
    descriptionClass = "noun";
    check = isType "lua-inline";
    merge = mergeEqualOption;
  };

  # A function whose result is of a type; definitions merge by their results.
  functionTo =
    elemType:
    mkOptionType {
      name = "functionTo";
      description = "function that evaluates to a(n) ${
        lib.types.describe [
          "noun"
          "composite"
        ] elemType
      }";
      descriptionClass = "composite";
      check = lib.isFunction;
      merge = loc: definitions: {
        __functionArgs = builtins.zipAttrsWith (_: all lib.id) (
          map lib.functionArgs (getValues definitions)
        );
        __functor =
          _: argument:
          (lib.modules.mergeDefinitions (loc ++ [ "<function body>" ]) elemType (
            map (definition: {
              inherit (definition) file;
              value = definition.value argument;
            }) definitions
          )).mergedValue;
      };
      getSubOptions = prefix: elemType.getSubOptions (prefix ++ [ "<function body>" ]);
      inherit (elemType) getSubModules;
      substSubModules = modules: functionTo (elemType.substSubModules modules);
      functor = lib.types.elemTypeFunctor "functionTo" functionTo elemType;
      nestedTypes = { inherit elemType; };
    };
}
