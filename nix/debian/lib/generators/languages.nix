# JSON, YAML, Lua, property lists and Dhall.
{ lib }:
let
  inherit (builtins)
    attrNames
    concatStringsSep
    filter
    isAttrs
    isBool
    isFloat
    isInt
    isList
    isPath
    isString
    match
    typeOf
    ;
  inherit (lib) concatStrings mapAttrsToList;
in
rec {
  toJSON = { }: builtins.toJSON;

  # JSON is YAML.
  toYAML = toJSON;

  mkLuaInline = expr: {
    _type = "lua-inline";
    inherit expr;
  };

  # With `asBindings`, the attributes of a set become assignments.
  toLua =
    {
      multiline ? true,
      indent ? "",
      asBindings ? false,
    }@options:
    value:
    let
      within = "${indent}  ";
      begin = if multiline then "\n${within}" else " ";
      end = if multiline then "\n${indent}" else " ";
      inner = toLua (
        options
        // {
          indent = if asBindings then indent else within;
          asBindings = false;
        }
      );
      table =
        items: if items == [ ] then "{}" else "{${begin}${concatStringsSep ",${begin}" items}${end}}";
      badNames = filter (
        name: match "[[:alpha:]_][[:alnum:]_]*(\\.[[:alpha:]_][[:alnum:]_]*)*" name == null
      ) (attrNames value);
    in
    if asBindings then
      assert lib.assertMsg (badNames == [ ]) "Bad Lua var names: ${lib.generators.toPretty { } badNames}";
      concatStrings (mapAttrsToList (name: item: "${indent}${name} = ${inner item}\n") value)
    else if value == null then
      "nil"
    else if isInt value || isFloat value || isString value || isBool value then
      builtins.toJSON value
    else if isPath value || lib.isDerivation value then
      builtins.toJSON "${value}"
    else if isList value then
      table (map inner value)
    else if value._type or null == "lua-inline" then
      "(${value.expr})"
    else if isAttrs value then
      table (mapAttrsToList (name: item: "[${builtins.toJSON name}] = ${inner item}") value)
    else
      abort "generators.toLua: type ${typeOf value} is unsupported";

  # An Apple property list.
  toPlist =
    {
      escape ? false,
    }:
    let
      text = if escape then lib.escapeXML else lib.id;
      group =
        indent: tag: items:
        concatStringsSep "\n" ([ "${indent}<${tag}>" ] ++ items ++ [ "${indent}</${tag}>" ]);
      show =
        indent: value:
        if value == null then
          ""
        else if isBool value then
          "${indent}<${lib.boolToString value}/>"
        else if isInt value then
          "${indent}<integer>${toString value}</integer>"
        else if isFloat value then
          "${indent}<real>${toString value}</real>"
        else if isString value || isPath value then
          "${indent}<string>${text (toString value)}</string>"
        else if isList value then
          group indent "array" [ (lib.concatMapStringsSep "\n" (show "\t${indent}") value) ]
        else if isAttrs value then
          let
            shown = lib.filterAttrs (name: item: name != "_module" && item != null) value;
            pairs = mapAttrsToList (
              name: item: "\t${indent}<key>${text name}</key>\n${show "\t${indent}" item}"
            ) shown;
          in
          group indent "dict" [ (concatStringsSep "\n" pairs) ]
        else
          abort "generators.toPlist: type ${typeOf value} is unsupported";
    in
    value: ''
      <?xml version="1.0" encoding="UTF-8"?>
      <!DOCTYPE plist PUBLIC "-//Apple Computer//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
      <plist version="1.0">
      ${show "" value}
      </plist>'';

  toDhall =
    { }@options:
    value:
    let
      inner = toDhall options;
    in
    if isAttrs value then
      "{ ${concatStringsSep ", " (mapAttrsToList (name: item: "${name} = ${inner item}") value)} }"
    else if isList value then
      "[ ${lib.concatMapStringsSep ", " inner value} ]"
    else if isInt value then
      "${lib.optionalString (value >= 0) "+"}${toString value}"
    else if isBool value then
      (if value then "True" else "False")
    else if lib.isFunction value || value == null then
      abort "generators.toDhall: cannot convert a ${typeOf value} to Dhall"
    else
      builtins.toJSON value;
}
