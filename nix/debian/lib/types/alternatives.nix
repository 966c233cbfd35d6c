# Types made of several: either, null or, one of, converted to, defined once.
{ lib }:
let
  inherit (builtins)
    all
    concatStringsSep
    elem
    elemAt
    filter
    foldl'
    head
    isBool
    isInt
    isString
    length
    tail
    typeOf
    ;
  inherit (lib.options)
    getFiles
    getValues
    mergeEqualOption
    mergeOneOption
    mergeUniqueOption
    showFiles
    showOption
    ;
  inherit (lib.types)
    defaultFunctor
    describe
    elemTypeFunctor
    findUnknown
    mkOptionType
    ;

  notNull =
    type: loc: definitions:
    findUnknown type loc (filter (definition: definition.value != null) definitions);

  showEnumValue =
    value:
    if isString value then
      "\"${value}\""
    else if isInt value then
      toString value
    else if isBool value then
      lib.boolToString value
    else
      "<${typeOf value}>";
in
rec {
  # Declared twice, it takes the values of both declarations.
  enum =
    values:
    let
      count = length values;
    in
    mkOptionType {
      name = "enum";
      description =
        if count == 0 then
          "impossible (empty enum)"
        else if count == 1 then
          "value ${showEnumValue (head values)} (singular enum)"
        else
          "one of ${concatStringsSep ", " (map showEnumValue values)}";
      descriptionClass = if count < 2 then "noun" else "conjunction";
      check = value: elem value values;
      merge = mergeEqualOption;
      functor = defaultFunctor "enum" // {
        type = payload: enum payload.values;
        payload = { inherit values; };
        binOp = a: b: { values = lib.unique (a.values ++ b.values); };
      };
    };

  nullOr =
    elemType:
    mkOptionType {
      name = "nullOr";
      description = "null or ${
        describe [
          "noun"
          "conjunction"
        ] elemType
      }";
      descriptionClass = "conjunction";
      check = value: value == null || elemType.check value;
      merge =
        loc: definitions:
        let
          nulls = length (filter (value: value == null) (getValues definitions));
        in
        if nulls == 0 then
          elemType.merge loc definitions
        else if nulls == length definitions then
          null
        else
          throw "The option `${showOption loc}' is defined both null and not null, in ${showFiles (getFiles definitions)}.";
      findUnknown = if elemType.findUnknown or null == null then null else notNull elemType;
      emptyValue.value = null;
      inherit (elemType) getSubOptions getSubModules;
      substSubModules = modules: nullOr (elemType.substSubModules modules);
      functor = elemTypeFunctor "nullOr" nullOr elemType;
      nestedTypes = { inherit elemType; };
    };

  # All definitions must be of one of the two types; the first is preferred.
  either =
    left: right:
    mkOptionType {
      name = "either";
      description =
        if left.descriptionClass or null == "nonRestrictiveClause" then
          "${left.description}, or ${
            describe [
              "noun"
              "conjunction"
            ] right
          }"
        else
          "${
            describe [
              "noun"
              "conjunction"
            ] left
          } or ${
            describe [
              "noun"
              "conjunction"
              "composite"
            ] right
          }";
      descriptionClass = "conjunction";
      check = value: left.check value || right.check value;
      merge =
        loc: definitions:
        if all left.check (getValues definitions) then
          left.merge loc definitions
        else if all right.check (getValues definitions) then
          right.merge loc definitions
        else
          mergeOneOption loc definitions;
      findUnknown =
        loc: definitions:
        findUnknown (if all left.check (getValues definitions) then left else right) loc definitions;
      typeMerge =
        functor:
        let
          elements = functor.payload.elemType;
          mergedLeft = left.typeMerge (elemAt elements 0).functor;
          mergedRight = right.typeMerge (elemAt elements 1).functor;
        in
        if functor.name != "either" || mergedLeft == null || mergedRight == null then
          null
        else
          either mergedLeft mergedRight;
      functor = defaultFunctor "either" // {
        type = payload: either (elemAt payload.elemType 0) (elemAt payload.elemType 1);
        payload.elemType = [
          left
          right
        ];
      };
      nestedTypes = { inherit left right; };
    };

  oneOf =
    types:
    if types == [ ] then
      throw "types.oneOf needs to get at least one type in its argument"
    else
      foldl' either (head types) (tail types);

  # Values of `coercedType` are turned into ones of `finalType` by `coerce`.
  coercedTo =
    coercedType: coerce: finalType:
    assert lib.assertMsg (
      coercedType.getSubModules == null
    ) "coercedTo: coercedType must not have submodules (it’s a ${coercedType.description})";
    let
      coerceAll = map (
        definition:
        if coercedType.check definition.value then
          definition // { value = coerce definition.value; }
        else
          definition
      );
    in
    mkOptionType {
      name = "coercedTo";
      description = "${describe [ "noun" ] finalType} or ${
        describe [ "noun" ] coercedType
      } convertible to it";
      check = value: (coercedType.check value && finalType.check (coerce value)) || finalType.check value;
      merge = loc: definitions: finalType.merge loc (coerceAll definitions);
      findUnknown = loc: definitions: findUnknown finalType loc (coerceAll definitions);
      inherit (finalType) emptyValue getSubOptions getSubModules;
      substSubModules = modules: coercedTo coercedType coerce (finalType.substSubModules modules);
      typeMerge = _: null;
      functor = defaultFunctor "coercedTo";
      nestedTypes = { inherit coercedType finalType; };
    };

  uniq = unique { message = ""; };

  # May be defined once only; `message` says why.
  unique =
    { message }:
    type:
    mkOptionType {
      name = "unique";
      inherit (type)
        description
        descriptionClass
        check
        emptyValue
        getSubOptions
        getSubModules
        ;
      findUnknown = type.findUnknown or null;
      merge = mergeUniqueOption {
        inherit message;
        inherit (type) merge;
      };
      substSubModules = modules: unique { inherit message; } (type.substSubModules modules);
      functor = elemTypeFunctor "unique" (unique { inherit message; }) type;
      nestedTypes.elemType = type;
    };

  # What can be written as JSON, or the like.
  serializableValueWith =
    {
      typeName,
      nullable ? true,
    }:
    let
      plain = oneOf [
        lib.types.bool
        lib.types.int
        lib.types.float
        lib.types.str
        lib.types.path
        (lib.types.attrsOf value)
        (lib.types.listOf value)
      ];
      value = (if nullable then nullOr plain else plain) // {
        description = "${typeName} value";
      };
    in
    value;
  json = serializableValueWith { typeName = "JSON"; };
  toml = serializableValueWith {
    typeName = "TOML";
    nullable = false;
  };
}
