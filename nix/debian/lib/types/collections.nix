# Lists and sets of values of one type.
{ lib }:
let
  inherit (builtins)
    attrValues
    concatLists
    concatMap
    filter
    isAttrs
    isList
    mapAttrs
    zipAttrsWith
    ;
  inherit (lib.modules) mergeDefinitions;
  inherit (lib.types)
    addCheck
    defaultFunctor
    describe
    elemTypeFunctor
    findUnknown
    mkOptionType
    ;

  describeElement = describe [
    "noun"
    "composite"
  ];

  # The attributes of a definition as definitions.
  withFile =
    { file, value, ... }:
    mapAttrs (name: inner: {
      inherit file;
      value = inner;
      position = builtins.unsafeGetAttrPos name value;
    }) value;

  # Two names for what the attributes stand for become the one that says more.
  mergePlaceholder =
    a: b:
    if a == b || b == "name" then
      a
    else if a == "name" then
      b
    else
      null;
in
rec {
  listOf =
    elemType:
    let
      elements =
        loc: definitions:
        let
          element =
            n: file: m: value:
            mergeDefinitions (loc ++ [ "[definition ${toString n}-entry ${toString m}]" ]) elemType [
              { inherit file value; }
            ];
          all = lib.imap1 (n: definition: lib.imap1 (element n definition.file) definition.value) definitions;
        in
        filter (element: element.isDefined) (concatLists all);
    in
    mkOptionType {
      name = "listOf";
      description = "list of ${describeElement elemType}";
      descriptionClass = "composite";
      check = isList;
      merge = loc: definitions: map (element: element.mergedValue) (elements loc definitions);
      findUnknown =
        if elemType.findUnknown or null == null then
          null
        else
          loc: definitions:
          concatMap (element: findUnknown elemType element.loc element.defsFinal) (elements loc definitions);
      emptyValue.value = [ ];
      getSubOptions = prefix: elemType.getSubOptions (prefix ++ [ "*" ]);
      inherit (elemType) getSubModules;
      substSubModules = modules: listOf (elemType.substSubModules modules);
      functor = elemTypeFunctor "listOf" listOf elemType;
      nestedTypes = { inherit elemType; };
    };

  nonEmptyListOf =
    elemType:
    addCheck (listOf elemType) (list: list != [ ])
    // {
      description = "non-empty ${describe [ "noun" ] (listOf elemType)}";
      emptyValue = { };
      substSubModules = modules: nonEmptyListOf (elemType.substSubModules modules);
    };

  attrsOf = elemType: attrsWith { inherit elemType; };

  # Which attributes there are is known without evaluating any; so an attribute under `mkIf false` is there, and an error.
  lazyAttrsOf =
    elemType:
    attrsWith {
      inherit elemType;
      lazy = true;
    };

  # `placeholder` stands for the attribute's name in documentation.
  attrsWith =
    {
      elemType,
      lazy ? false,
      placeholder ? "name",
    }:
    let
      elements =
        loc: definitions:
        zipAttrsWith (name: mergeDefinitions (loc ++ [ name ]) elemType) (map withFile definitions);
      defined = lib.filterAttrs (_: element: element.isDefined);
    in
    mkOptionType {
      name = if lazy then "lazyAttrsOf" else "attrsOf";
      description = "${lib.optionalString lazy "lazy "}attribute set of ${describeElement elemType}";
      descriptionClass = "composite";
      check = isAttrs;
      merge =
        if lazy then
          loc: definitions:
          mapAttrs (
            _: element:
            if element.isDefined then element.mergedValue else elemType.emptyValue.value or element.mergedValue
          ) (elements loc definitions)
        else
          loc: definitions: mapAttrs (_: element: element.mergedValue) (defined (elements loc definitions));
      findUnknown =
        if elemType.findUnknown or null == null then
          null
        else
          loc: definitions:
          concatMap (element: findUnknown elemType element.loc element.defsFinal) (
            attrValues (defined (elements loc definitions))
          );
      emptyValue.value = { };
      getSubOptions = prefix: elemType.getSubOptions (prefix ++ [ "<${placeholder}>" ]);
      inherit (elemType) getSubModules;
      substSubModules =
        modules:
        attrsWith {
          elemType = elemType.substSubModules modules;
          inherit lazy placeholder;
        };
      functor = defaultFunctor "attrsWith" // {
        type = attrsWith;
        payload = { inherit elemType lazy placeholder; };
        binOp =
          a: b:
          let
            merged = {
              elemType = a.elemType.typeMerge b.elemType.functor;
              lazy = if a.lazy == b.lazy then a.lazy else null;
              placeholder = mergePlaceholder a.placeholder b.placeholder;
            };
          in
          if merged.elemType == null || merged.lazy == null || merged.placeholder == null then
            null
          else
            merged;
      };
      nestedTypes = { inherit elemType; };
    };
}
