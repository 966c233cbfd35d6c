# Properties: what a definition may be wrapped in. Priorities are NixOS' own: the lowest number wins.
{ lib }:
let
  inherit (builtins) concatMap isAttrs isBool;
in
rec {
  mkIf = condition: content: {
    _type = "if";
    inherit condition content;
  };
  mkAssert =
    assertion: message: content:
    mkIf (if assertion then true else throw "\nFailed assertion: ${message}") content;
  mkMerge = contents: {
    _type = "merge";
    inherit contents;
  };

  mkOverride = priority: content: {
    _type = "override";
    inherit priority content;
  };
  mkOptionDefault = mkOverride 1500;
  mkDefault = mkOverride 1000;
  defaultOverridePriority = 100;
  mkImageMediaOverride = mkOverride 60;
  mkForce = mkOverride 50;
  mkVMOverride = mkOverride 10;
  mkFixStrictness = content: content;

  mkOrder = priority: content: {
    _type = "order";
    inherit priority content;
  };
  mkBefore = mkOrder 500;
  defaultOrderPriority = 1000;
  mkAfter = mkOrder 1500;

  # A value with the file that it comes from.
  mkDefinition = { file, value, ... }@definition: definition // { _type = "definition"; };

  # Moves the properties of a set of definitions onto each of them. The sets stay as they were written, so that their
  # positions are not lost: a source is `{ file; attributes; wrap; }`, and the definition of `name` is `wrap attributes.name`.
  pushDown =
    file: wrap: value:
    let
      kind = value._type or null;
    in
    if kind == "merge" then
      concatMap (pushDown file wrap) value.contents
    else if kind == "if" then
      pushDown file (inner: wrap (mkIf value.condition inner)) value.content
    else if kind == "override" then
      pushDown file (inner: wrap (mkOverride value.priority inner)) value.content
    else if kind == "definition" then
      pushDown value.file wrap value.value
    else
      [
        {
          inherit file wrap;
          attributes = value;
        }
      ];

  # As `pushDown`, with the sets made.
  pushDownProperties =
    value:
    map (
      source:
      if isAttrs source.attributes then
        builtins.mapAttrs (_: source.wrap) source.attributes
      else
        source.attributes
    ) (pushDown lib.unknownModule lib.id value);

  # The values that remain of a definition under its conditions.
  dischargeProperties =
    value:
    let
      kind = value._type or null;
    in
    if kind == "merge" then
      concatMap dischargeProperties value.contents
    else if kind == "if" then
      if !isBool value.condition then
        throw "‘mkIf’ called with a non-Boolean condition"
      else if value.condition then
        dischargeProperties value.content
      else
        [ ]
    else
      [ value ];

  # Applies `f` to the value within the properties.
  mapDefinitionValue =
    f: value:
    let
      kind = value._type or null;
      inner = mapDefinitionValue f;
    in
    if kind == "merge" then
      value // { contents = map inner value.contents; }
    else if kind == "if" || kind == "override" || kind == "order" then
      value // { content = inner value.content; }
    else if kind == "definition" then
      value // { value = inner value.value; }
    else
      f value;
}
