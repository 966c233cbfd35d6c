# Options as documentation.
{ lib }:
let
  inherit (builtins)
    isAttrs
    isBool
    isList
    isString
    mapAttrs
    ;

  literal =
    kind: text:
    if isString text then
      {
        _type = kind;
        inherit text;
      }
    else
      throw "${kind} expects a string.";
in
rec {
  literalExpression = literal "literalExpression";
  literalExample = literalExpression;
  literalMD = literal "literalMD";
  literalDocBook = literalMD;
  mdDoc = text: text;
  literalCode =
    language: text:
    literalMD ''
      ```${language}
      ${text}
      ```
    '';

  # A value as it is shown for a default or an example.
  renderOptionValue =
    value:
    if value ? _type && value ? text then
      value
    else
      literalExpression (
        lib.generators.toPretty {
          multiline = true;
          allowPrettyValues = true;
        } value
      );

  scrubOptionValue =
    value:
    if lib.isDerivation value then
      {
        type = "derivation";
        drvPath = value.name;
        outPath = value.name;
        inherit (value) name;
      }
    else if isList value then
      map scrubOptionValue value
    else if isAttrs value then
      mapAttrs (_: scrubOptionValue) (removeAttrs value [ "_args" ])
    else
      value;

  # All options below a set of options, one entry each, those of submodules included.
  optionAttrSetToDocList = optionAttrSetToDocList' [ ];
  optionAttrSetToDocList' =
    _: options: builtins.concatMap documentOption (lib.collect lib.isOption options);

  documentOption =
    option:
    let
      visible = option.visible or true;
      type = option.type or { };
      hasEmptyValue = (type.emptyValue or { }) ? value && type.getSubModules or null == null;
      nested = type.getSubOptions option.loc;
      showsNested = if isBool visible then visible else visible == "transparent";
      entry = {
        inherit (option) loc;
        name = lib.showOption option.loc;
        description = option.description or null;
        declarations = lib.remove lib.unknownModule option.declarations;
        internal = option.internal or false;
        visible = if isBool visible then visible else visible == "shallow";
        readOnly = option.readOnly or false;
        type = type.description or "unspecified";
      }
      // lib.optionalAttrs (option ? example) { example = renderOptionValue option.example; }
      // lib.optionalAttrs (option ? defaultText || option ? default || hasEmptyValue) {
        default = renderOptionValue (option.defaultText or option.default or type.emptyValue.value);
      }
      // lib.optionalAttrs (option.relatedPackages or null != null) { inherit (option) relatedPackages; };
    in
    [ entry ] ++ lib.optionals (showsNested && nested != { }) (optionAttrSetToDocList nested);
}
