# From text to numbers, names and versions, and back.
{ lib }:
let
  inherit (builtins)
    compareVersions
    elemAt
    fromJSON
    head
    isInt
    isList
    isString
    match
    parseDrvName
    readFile
    stringLength
    substring
    ;
  quote = lib.strings.escapeNixString;

  # JSON reads what is too large for an integer as a float or not at all.
  integer =
    function: text: digits:
    let
      number = fromJSON digits;
    in
    if isInt number then number else throw "${function}: Could not convert ${quote text} to int.";
in
rec {
  inherit (builtins)
    fromJSON
    toJSON
    typeOf
    parseDrvName
    ;

  # Surrounding blanks are allowed, a leading zero is not: it could mean octal.
  toInt =
    text:
    let
      parts = match "[[:space:]]*(-?[[:digit:]]+)[[:space:]]*" text;
      digits = head parts;
    in
    if parts == null then
      throw "toInt: Could not convert ${quote text} to int."
    else if match "-?0[[:digit:]]+" digits != null then
      throw "toInt: Ambiguity in interpretation of ${quote text} between octal and zero padded integer."
    else
      integer "toInt" text digits;
  toIntBase10 =
    text:
    let
      parts = match "[[:space:]]*0*(-?)0*([[:digit:]]+)[[:space:]]*" text;
      digits = head (match "0*([[:digit:]]+)" (elemAt parts 1));
    in
    if parts == null then
      throw "toIntBase10: Could not convert ${quote text} to int."
    else
      integer "toIntBase10" text (head parts + (if match "0+" digits != null then "0" else digits));
  floatToString =
    number:
    let
      text = toString number;
    in
    lib.warnIf (fromJSON text != number) "Imprecise conversion from float to string ${text}" text;

  # The text of a file without the newline at its end.
  fileContents = file: lib.removeSuffix "\n" (readFile file);

  # Versions and names of packages.

  versionOlder = a: b: compareVersions b a == 1;
  versionAtLeast = a: b: !versionOlder a b;
  getName =
    value:
    if isString value then (parseDrvName value).name else value.pname or (parseDrvName value.name).name;
  getVersion =
    value:
    if isString value then
      (parseDrvName value).version
    else
      value.version or (parseDrvName value.name).version;
  nameFromURL =
    url: separator:
    let
      file = lib.last (lib.splitString "/" url);
      name = head (lib.splitString separator file);
    in
    assert name != file;
    name;

  # A name that the store takes: its characters only, no dot at the start, not too long.
  sanitizeDerivationName =
    text:
    let
      plain = builtins.unsafeDiscardStringContext text;
      undotted = head (match "\\.*(.*)" plain);
      clean = lib.concatMapStrings (part: if isList part then "-" else part) (
        builtins.split "[^[:alnum:]+._?=-]+" undotted
      );
      short = substring (lib.max 0 (stringLength clean - 207)) (-1) clean;
    in
    if stringLength plain <= 207 && match "[[:alnum:]+_?=-][[:alnum:]+._?=-]*" plain != null then
      plain
    else if short == "" then
      "unknown"
    else
      short;
}
