# Quoting text for shells, regular expressions, Nix, C, XML and URLs.
{ lib }:
let
  inherit (builtins)
    attrNames
    attrValues
    concatStringsSep
    elem
    isAttrs
    isList
    match
    replaceStrings
    toJSON
    ;
  inherit (lib.strings) fixedWidthString stringToCharacters;

  codes = import ./ascii.nix;
  hexByte = code: fixedWidthString 2 "0" (lib.toHexString code);
  unreserved = stringToCharacters "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";
  reserved = removeAttrs codes unreserved;

  nixKeywords = [
    "assert"
    "else"
    "if"
    "in"
    "inherit"
    "let"
    "or"
    "rec"
    "then"
    "with"
  ];
in
rec {
  charToInt = character: codes.${character};

  # Puts a backslash before each of the given strings.
  escape = special: replaceStrings special (map (text: "\\${text}") special);
  escapeC =
    special:
    replaceStrings special (map (text: "\\x${lib.toLower (hexByte (charToInt text))}") special);
  escapeRegex = escape (stringToCharacters "\\[{()^$?*+|.");
  escapeURL = replaceStrings (attrNames reserved) (
    map (code: "%${hexByte code}") (attrValues reserved)
  );
  escapeXML = replaceStrings [ "\"" "'" "<" ">" "&" ] [ "&quot;" "&apos;" "&lt;" "&gt;" "&amp;" ];

  # One word for a POSIX shell, quoted only if need be.
  escapeShellArg =
    value:
    let
      text = toString value;
    in
    if match "[[:alnum:],._+:@%/-]+" text != null then
      text
    else
      "'${replaceStrings [ "'" ] [ "'\\''" ] text}'";
  escapeShellArgs = lib.concatMapStringsSep " " escapeShellArg;

  # A variable assignment for bash: lists become arrays, sets associative arrays.
  toShellVar =
    name: value:
    if !lib.isValidPosixName name then
      throw "toShellVar: `${name}' is not a valid name of a shell variable"
    else if isAttrs value && !lib.isStringLike value then
      let
        pairs = lib.mapAttrsToList (key: item: "[${escapeShellArg key}]=${escapeShellArg item}") value;
      in
      "declare -A ${name}=(${concatStringsSep " " pairs})"
    else if isList value then
      "declare -a ${name}=(${escapeShellArgs value})"
    else
      "${name}=${escapeShellArg value}";
  toShellVars = variables: concatStringsSep "\n" (lib.mapAttrsToList toShellVar variables);

  escapeNixString = text: escape [ "$" ] (toJSON text);
  escapeNixIdentifier =
    name:
    if match "[a-zA-Z_][a-zA-Z0-9_'-]*" name != null && !elem name nixKeywords then
      name
    else
      escapeNixString name;

  # The name that systemd gives to a path, as by systemd-escape --path.
  escapeSystemdPath =
    path:
    let
      trimmed = concatStringsSep "/" (
        builtins.filter (part: part != "") (lib.splitString "/" (toString path))
      );
      kept = stringToCharacters "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:_.";
      special = removeAttrs codes (kept ++ [ "/" ]) // import ./high-bytes.nix { inherit lib; };
      escaped = replaceStrings ([ "/" ] ++ attrNames special) (
        [ "-" ] ++ map (code: "\\x${lib.toLower (hexByte code)}") (attrValues special)
      ) trimmed;
    in
    if trimmed == "" then
      "-"
    else if lib.hasPrefix "." escaped then
      "\\x2e${builtins.substring 1 (-1) escaped}"
    else
      escaped;
}
