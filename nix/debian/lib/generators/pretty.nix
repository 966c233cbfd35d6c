# Nix values as Nix expressions, for people.
{ lib }:
let
  inherit (builtins)
    concatStringsSep
    elem
    isAttrs
    isFloat
    isInt
    isList
    isPath
    isString
    length
    mapAttrs
    replaceStrings
    toJSON
    ;
  inherit (lib.strings) escape escapeNixIdentifier;

  # What makes a set print or act in a way of its own is left as it is.
  special = [
    "__functor"
    "__functionArgs"
    "__toString"
    "__pretty"
  ];

  showFunction =
    f:
    let
      arguments = lib.mapAttrsToList (name: optional: if optional then "${name}?" else name) (
        lib.functionArgs f
      );
    in
    if arguments == [ ] then "<function>" else "<function, args: {${concatStringsSep ", " arguments}}>";

  showText =
    multiline: newline: end: text:
    let
      lines = lib.splitString "\n" text;
      quoted = map (escape [
        "\\"
        "\""
        "\${"
      ]) lines;
      indented = map (replaceStrings [ "\${" "''" ] [ "''\${" "'''" ]) lines;
      last = lib.last indented;
    in
    if multiline && length lines > 1 then
      "''${newline}${concatStringsSep newline (lib.init indented)}${
        if last == "" then end else newline + last
      }''"
    else
      "\"${concatStringsSep "\\n" quoted}\"";
in
{
  # Cuts a value off below a depth, by an error or by "<unevaluated>".
  withRecursion =
    {
      depthLimit,
      throwOnDepthLimit ? true,
    }:
    let
      cut =
        depth: value:
        if depthLimit == null || depth <= depthLimit then
          value
        else if throwOnDepthLimit then
          throw "Exceeded maximum eval-depth limit of ${toString depthLimit} while trying to evaluate with `generators.withRecursion'!"
        else
          "<unevaluated>";
      walk =
        depth: value:
        let
          next = inner: walk (depth + 1) (cut (depth + 1) inner);
        in
        if isAttrs value then
          mapAttrs (name: inner: if elem name special then inner else next inner) value
        else if isList value then
          map next value
        else
          cut (depth + 1) value;
    in
    assert isInt depthLimit;
    walk 0;

  # With `allowPrettyValues`, `{ __pretty; val; }` shows as `__pretty val`.
  toPretty =
    {
      allowPrettyValues ? false,
      multiline ? true,
      indent ? "",
    }:
    let
      show =
        indent: value:
        let
          newline = if multiline then "\n${indent}  " else " ";
          end = if multiline then "\n${indent}" else " ";
          inner = show "${indent}  ";
          attribute =
            name: value:
            "${escapeNixIdentifier name} = ${builtins.addErrorContext "while evaluating an attribute `${name}'" (inner value)};";
        in
        if isInt value then
          toString value
        else if isFloat value then
          toJSON value
        else if isString value then
          showText multiline newline end value
        else if value == true then
          "true"
        else if value == false then
          "false"
        else if value == null then
          "null"
        else if isPath value then
          toString value
        else if isList value then
          if value == [ ] then "[ ]" else "[${newline}${lib.concatMapStringsSep newline inner value}${end}]"
        else if lib.isFunction value then
          showFunction value
        else if allowPrettyValues && value ? __pretty && value ? val then
          value.__pretty value.val
        else if value == { } then
          "{ }"
        else if lib.isDerivation value then
          "<derivation ${value.name or "???"}>"
        else
          "{${newline}${concatStringsSep newline (lib.mapAttrsToList attribute value)}${end}}";
    in
    show indent;
}
