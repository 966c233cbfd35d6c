# The bytes above ASCII that UTF-8 has, each with its number. Nix cannot write one by itself, so they are cut out of characters.
{ lib }:
let
  hex = number: lib.fixedWidthString 4 "0" (lib.toHexString number);
  character = codes: builtins.fromJSON "\"${lib.concatMapStrings (code: "\\u${hex code}") codes}\"";
  range = first: last: lib.genList (index: first + index) (last - first + 1);
  first = builtins.substring 0 1;
  second = builtins.substring 1 1;
  table = cut: numbers: codesOf: lib.listToAttrs (
    map (number: lib.nameValuePair (cut (character (codesOf number))) number) numbers
  );
in
# Continuations, then what begins characters of two, three and four bytes.
table second (range 128 191) (number: [ number ])
// table first (range 194 223) (number: [ ((number - 192) * 64) ])
// table first (range 224 239) (number: [ (lib.max 2048 ((number - 224) * 4096)) ])
// table first (range 240 244) (number: [
  # A surrogate pair.
  (if number == 240 then 55358 else 55296 + ((number - 240) * 262144 - 65536) / 1024)
  56320
])
