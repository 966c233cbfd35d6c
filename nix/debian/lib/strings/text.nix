# Joining, cutting, testing and changing text.
{ lib }:
let
  inherit (builtins)
    concatStringsSep
    elem
    genList
    head
    isPath
    isString
    length
    match
    replaceStrings
    stringLength
    substring
    tail
    ;

  # The affix functions take strings: a path value would be copied to the store and never match.
  needString =
    function: affix:
    if isPath affix then
      throw "strings.${function}: `${toString affix}' is a path value, a string is needed"
    else
      affix;
in
rec {
  inherit (builtins)
    appendContext
    concatStringsSep
    getContext
    hasContext
    isString
    match
    replaceStrings
    split
    stringLength
    substring
    unsafeDiscardStringContext
    ;

  # Joining.

  join = concatStringsSep;
  concatStrings = concatStringsSep "";
  concatMapStrings = f: items: concatStrings (map f items);
  concatImapStrings = f: items: concatStrings (lib.imap1 f items);
  concatMapStringsSep =
    separator: f: items:
    concatStringsSep separator (map f items);
  concatImapStringsSep =
    separator: f: items:
    concatStringsSep separator (lib.imap1 f items);
  concatMapAttrsStringSep =
    separator: f: set:
    concatStringsSep separator (lib.mapAttrsToList f set);
  concatLines = concatMapStrings (line: "${line}\n");
  intersperse =
    separator: items:
    if items == [ ] then
      [ ]
    else
      tail (
        builtins.concatMap (item: [
          separator
          item
        ]) items
      );
  replicate = count: text: concatStrings (lib.lists.replicate count text);
  optionalString = condition: text: if condition then text else "";

  # Cutting.

  stringToCharacters = text: genList (n: substring n 1 text) (stringLength text);
  stringAsChars = f: text: concatStrings (map f (stringToCharacters text));
  splitString =
    separator: text:
    map (addContextFrom text) (
      builtins.filter isString (
        builtins.split (lib.strings.escapeRegex (toString separator)) (toString text)
      )
    );

  # `splits previous current` says whether to cut before a character, which is kept if `keep` says so.
  splitStringBy =
    splits: keep: text:
    let
      characters = stringToCharacters text;
      step =
        state: current:
        if splits state.previous current then
          {
            done = state.done ++ [ state.part ];
            part = optionalString keep current;
            previous = current;
          }
        else
          {
            inherit (state) done;
            part = state.part + current;
            previous = current;
          };
      end = builtins.foldl' step {
        done = [ ];
        part = "";
        previous = "";
      } characters;
    in
    map (addContextFrom text) (end.done ++ [ end.part ]);
  trim = trimWith {
    start = true;
    end = true;
  };
  trimWith =
    {
      start ? false,
      end ? false,
    }:
    let
      blank = "[ \t\r\n]*";
      upToInk = "(.*[^ \t\r\n])";
      pattern =
        if start && end then
          "${blank}${upToInk}${blank}"
        else if start then
          "${blank}(.*)"
        else if end then
          "${upToInk}${blank}"
        else
          "(.*)";
    in
    text:
    let
      parts = match pattern text;
    in
    if parts == null then "" else head parts;
  removePrefix =
    prefix: text:
    if hasPrefix (needString "removePrefix" prefix) text then
      substring (stringLength prefix) (-1) text
    else
      text;
  removeSuffix =
    suffix: text:
    if hasSuffix (needString "removeSuffix" suffix) text then
      substring 0 (stringLength text - stringLength suffix) text
    else
      text;

  # Testing.

  hasPrefix = prefix: text: substring 0 (stringLength (needString "hasPrefix" prefix)) text == prefix;
  hasSuffix =
    suffix: text:
    let
      from = stringLength text - stringLength (needString "hasSuffix" suffix);
    in
    from >= 0 && substring from (-1) text == suffix;
  hasInfix =
    infix: text: match ".*${lib.strings.escapeRegex (needString "hasInfix" infix)}.*" "${text}" != null;
  isStringLike = value: isString value || isPath value || value ? outPath || value ? __toString;
  isConvertibleWithToString =
    value:
    isStringLike value
    || elem (builtins.typeOf value) [
      "null"
      "int"
      "float"
      "bool"
    ]
    || (builtins.isList value && builtins.all isConvertibleWithToString value);
  isValidPosixName = name: match "[a-zA-Z_][a-zA-Z0-9_]*" name != null;

  # Changing.

  replaceString = from: to: replaceStrings [ from ] [ to ];
  lowerChars = stringToCharacters "abcdefghijklmnopqrstuvwxyz";
  upperChars = stringToCharacters "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  toLower = replaceStrings upperChars lowerChars;
  toUpper = replaceStrings lowerChars upperChars;
  toSentenceCase =
    text:
    if isString text then
      addContextFrom text (toUpper (substring 0 1 text) + toLower (substring 1 (-1) text))
    else
      throw "toSentenceCase: expected a string, but got a ${builtins.typeOf text}";
  toCamelCase =
    text:
    let
      words = splitStringBy (
        _: current:
        elem current [
          "-"
          "_"
          " "
        ]
      ) false text;
      humps = builtins.concatMap (splitStringBy (
        previous: current: match "[a-z]" previous != null && match "[A-Z]" current != null
      ) true) words;
    in
    if isString text then
      addContextFrom text (toLower (head humps) + concatMapStrings toSentenceCase (tail humps))
    else
      throw "toCamelCase: expected a string, but got a ${builtins.typeOf text}";
  addContextFrom = source: target: substring 0 0 source + target;
  fixedWidthString =
    width: filler: text:
    let
      missing = width - stringLength text;
    in
    assert lib.assertMsg (
      missing >= 0
    ) "fixedWidthString: `${text}' is longer than the wanted ${toString width} characters";
    if missing == 0 then
      text
    else if lib.mod missing (stringLength filler) != 0 then
      throw "fixedWidthString: ${toString missing} characters cannot be filled up with `${filler}'"
    else
      replicate (missing / stringLength filler) filler + text;
  fixedWidthNumber = width: number: fixedWidthString width "0" (toString number);

  commonPrefixLength =
    a: b: lib.lists.commonPrefixLength (stringToCharacters a) (stringToCharacters b);
  commonSuffixLength =
    a: b:
    lib.lists.commonPrefixLength (lib.reverseList (stringToCharacters a)) (
      lib.reverseList (stringToCharacters b)
    );
}
