# Strings.
{ lib }:
let
  inherit (builtins)
    concatStringsSep
    isString
    match
    toJSON
    ;
  inherit (lib.options) getValues mergeEqualOption;
  inherit (lib.types)
    addCheck
    defaultFunctor
    describe
    mkOptionType
    ;
in
rec {
  # Definitions must be equal: text that comes in pieces is `lines` or another `separatedString`.
  str = mkOptionType {
    name = "str";
    description = "string";
    descriptionClass = "noun";
    check = isString;
    merge = mergeEqualOption;
  };

  string = separatedString "" // {
    name = "string";
    deprecationMessage = "See https://github.com/NixOS/nixpkgs/pull/66346 for better alternative types.";
  };

  nonEmptyStr = mkOptionType {
    name = "nonEmptyStr";
    description = "non-empty string";
    descriptionClass = "noun";
    check = value: isString value && match "[ \t\n]*" value == null;
    inherit (str) merge;
  };

  # A newline at the end is dropped.
  singleLineStr = mkOptionType {
    name = "singleLineStr";
    description = "(optionally newline-terminated) single-line string";
    descriptionClass = "noun";
    check = value: isString value && match "[^\n\r]*\n?" value != null;
    merge = loc: definitions: lib.removeSuffix "\n" (str.merge loc definitions);
  };

  strMatching =
    pattern:
    mkOptionType {
      name = "strMatching ${lib.strings.escapeNixString pattern}";
      description = "string matching the pattern ${pattern}";
      descriptionClass = "noun";
      check = value: isString value && match pattern value != null;
      inherit (str) merge;
      functor = defaultFunctor "strMatching" // {
        type = payload: strMatching payload.pattern;
        payload = { inherit pattern; };
        binOp = a: b: if a == b then a else null;
      };
    };

  separatedString =
    sep:
    mkOptionType {
      name = "separatedString";
      description =
        if sep == "" then "Concatenated string" else "strings concatenated with ${toJSON sep}";
      descriptionClass = "noun";
      check = isString;
      merge = _loc: definitions: concatStringsSep sep (getValues definitions);
      functor = defaultFunctor "separatedString" // {
        type = payload: separatedString payload.sep;
        payload = { inherit sep; };
        binOp = a: b: if a == b then a else null;
      };
    };
  lines = separatedString "\n";
  commas = separatedString ",";
  envVar = separatedString ":";

  # A field of /etc/passwd.
  passwdEntry =
    type:
    addCheck type (text: !(lib.hasInfix ":" text || lib.hasInfix "\n" text))
    // {
      name = "passwdEntry ${type.name}";
      description = "${describe [ "noun" ] type}, not containing newlines or colons";
      descriptionClass = "nonRestrictiveClause";
    };
}
