# Files of lines `key=value`, and INI files.
{ lib }:
let
  inherit (builtins)
    any
    attrNames
    attrValues
    concatMap
    concatStringsSep
    foldl'
    head
    isAttrs
    isFloat
    isInt
    isList
    isString
    length
    replaceStrings
    tail
    ;
  inherit (lib) concatStrings escape mapAttrsToList;

  escapeSectionName = escape [
    "["
    "]"
  ];

  isGroup = value: isAttrs value && !lib.isDerivation value;

  # Git's sections: `a.b.c` is the subsection "b.c" of a.
  gitSectionName =
    name:
    let
      parts = lib.splitString "." name;
    in
    if lib.hasInfix "\"" name || length parts == 1 then
      name
    else
      "${head parts} \"${concatStringsSep "." (tail parts)}\"";

  gitValue =
    value:
    lib.generators.mkValueStringDefault { } (
      if isString value then
        "\"${replaceStrings [ "\n" "\t" "\"" "\\" ] [ "\\n" "\\t" "\\\"" "\\\\" ] value}\""
      else
        value
    );

  # Sections that hold groups become sections with a dotted name: `{ a.b.c = 1; }` is `{ "a.b".c = 1; }`.
  gitSections =
    config:
    let
      nested = builtins.filter (name: isGroup config.${name} && any isGroup (attrValues config.${name})) (
        attrNames config
      );
      flatten =
        path: value:
        if isGroup value then
          concatMap (name: flatten (path ++ [ name ]) value.${name}) (attrNames value)
        else
          [ { ${concatStringsSep "." (lib.init path)}.${lib.last path} = value; } ];
      sections = concatMap (name: flatten [ name ] config.${name}) nested;
    in
    removeAttrs config nested // foldl' lib.recursiveUpdate { } sections;
in
rec {
  mkValueStringDefault =
    { }:
    value:
    let
      unsupported =
        what:
        abort "generators.mkValueStringDefault: ${what} not supported: ${
          lib.generators.toPretty { } value
        }";
    in
    if isInt value || lib.isDerivation value then
      toString value
    else if isString value then
      value
    else if value == true then
      "true"
    else if value == false then
      "false"
    else if value == null then
      "null"
    else if isFloat value then
      lib.strings.floatToString value
    else if isList value then
      unsupported "lists"
    else if isAttrs value then
      unsupported "attrsets"
    else if lib.isFunction value then
      unsupported "functions"
    else
      unsupported "this value is";

  mkKeyValueDefault =
    {
      mkValueString ? mkValueStringDefault { },
    }:
    separator: key: value:
    "${escape [ separator ] key}${separator}${mkValueString value}";

  toKeyValue =
    {
      mkKeyValue ? mkKeyValueDefault { } "=",
      listsAsDuplicateKeys ? false,
      indent ? "",
    }:
    let
      line = key: value: "${indent}${mkKeyValue key value}\n";
      lines =
        key: value:
        if listsAsDuplicateKeys && isList value then
          concatStrings (map (line key) value)
        else
          line key value;
    in
    config: concatStrings (mapAttrsToList lines config);

  toINI =
    {
      mkSectionName ? escapeSectionName,
      mkKeyValue ? mkKeyValueDefault { } "=",
      listsAsDuplicateKeys ? false,
    }:
    let
      section =
        name: config:
        "[${mkSectionName name}]\n${toKeyValue { inherit mkKeyValue listsAsDuplicateKeys; } config}";
    in
    sections: concatStringsSep "\n" (mapAttrsToList section sections);

  # An INI file with lines before its first section.
  toINIWithGlobalSection =
    {
      mkSectionName ? escapeSectionName,
      mkKeyValue ? mkKeyValueDefault { } "=",
      listsAsDuplicateKeys ? false,
    }@options:
    {
      globalSection,
      sections ? { },
    }:
    lib.optionalString (globalSection != { })
      "${toKeyValue { inherit mkKeyValue listsAsDuplicateKeys; } globalSection}\n"
    + toINI options sections;

  toGitINI =
    config:
    let
      line = key: value: "\t${mkKeyValueDefault { mkValueString = gitValue; } " = " key value}";
    in
    toINI {
      mkSectionName = gitSectionName;
      mkKeyValue = key: value: concatStringsSep "\n" (map (line key) (lib.toList value));
    } (gitSections config);
}
