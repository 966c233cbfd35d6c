# How types are made and merged.
{ lib }:
let
  inherit (builtins) elem;
in
rec {
  isType = kind: value: value._type or "" == kind;
  setType = kind: value: value // { _type = kind; };
  isOptionType = isType "option-type";

  mkOptionType =
    {
      name,
      description ? null,
      # "noun", "conjunction", "composite" or "nonRestrictiveClause": whether it needs brackets within another description.
      descriptionClass ? null,
      check ? (_: true),
      merge ? lib.options.mergeDefaultOption,
      # `{ value = …; }`: what an option without definitions is.
      emptyValue ? { },
      getSubOptions ? (_prefix: { }),
      getSubModules ? null,
      substSubModules ? (_modules: null),
      functor ? defaultFunctor name,
      typeMerge ? defaultTypeMerge functor,
      deprecationMessage ? null,
      nestedTypes ? { },
      # The definitions of unknown options within those of this type; null if there can be none.
      findUnknown ? null,
    }:
    {
      _type = "option-type";
      inherit
        name
        descriptionClass
        check
        merge
        emptyValue
        getSubOptions
        getSubModules
        substSubModules
        functor
        typeMerge
        deprecationMessage
        nestedTypes
        findUnknown
        ;
      description = if description == null then name else description;
    };

  findUnknown =
    type: loc: definitions:
    if definitions == [ ] || type.findUnknown or null == null then
      [ ]
    else
      type.findUnknown loc definitions;

  # What `defaultTypeMerge` needs: two types of one name merge if `binOp` of what they were made of is not null.
  defaultFunctor = name: {
    inherit name;
    type = lib.types.${name} or null;
    payload = null;
    binOp = _: _: null;
  };

  defaultTypeMerge =
    a: b:
    let
      payload = a.binOp a.payload b.payload;
    in
    if a.name != b.name then
      null
    else if a.payload == null && b.payload == null then
      a.type
    else if a.payload == null || b.payload == null || payload == null then
      null
    else
      a.type payload;

  # The functor of a type that is made of another type only.
  elemTypeFunctor = name: type: elemType: {
    inherit name;
    type = payload: type payload.elemType;
    payload = { inherit elemType; };
    binOp =
      a: b:
      let
        merged = a.elemType.typeMerge b.elemType.functor;
      in
      if merged == null then null else { elemType = merged; };
  };

  # The description of a type for use in that of another, bracketed unless its class is among `classes`.
  optionDescriptionPhrase =
    accepts: type:
    if accepts (type.descriptionClass or null) then type.description else "(${type.description})";
  describe = classes: optionDescriptionPhrase (class: elem class classes);

  addCheck = type: check: type // { check = value: type.check value && check value; };
}
