# Small functions that every other part builds on: combinators, numbers, warnings and errors, functions and their arguments.
{ lib }:
let
  inherit (builtins)
    bitAnd
    bitOr
    bitXor
    deepSeq
    elem
    elemAt
    filter
    foldl'
    fromTOML
    genList
    getEnv
    head
    isAttrs
    isFloat
    isInt
    isString
    length
    readFile
    stringLength
    substring
    trace
    ;

  hexDigits = [
    "0"
    "1"
    "2"
    "3"
    "4"
    "5"
    "6"
    "7"
    "8"
    "9"
    "A"
    "B"
    "C"
    "D"
    "E"
    "F"
  ];
in
rec {
  inherit
    bitAnd
    bitOr
    bitXor
    isFloat
    isInt
    ;
  inherit (builtins)
    add
    ceil
    floor
    genericClosure
    isBool
    lessThan
    pathExists
    readFile
    seq
    sub
    ;
  inherit deepSeq;

  # Combinators.

  id = x: x;
  const = x: _: x;
  flip =
    f: a: b:
    f b a;
  pipe = foldl' (value: f: f value);
  concat = left: right: left ++ right;
  "or" = x: y: x || y;
  and = x: y: x && y;
  xor = x: y: x != y;
  mul = x: y: x * y;
  div = x: y: x / y;
  bitNot = sub (-1);
  mergeAttrs = left: right: left // right;
  defaultTo = default: value: if value == null then default else value;
  mapNullable = f: value: if value == null then null else f value;

  # Comparison and numbers.

  min = x: y: if x < y then x else y;
  max = x: y: if x > y then x else y;
  mod = base: divisor: base - divisor * (base / divisor);
  compare =
    a: b:
    if a < b then
      -1
    else if a > b then
      1
    else
      0;

  # Values that satisfy `first` come before those that do not; within each group its own comparison decides.
  splitByAndCompare =
    first: whenBoth: whenNeither: a: b:
    if first a then
      if first b then whenBoth a b else -1
    else if first b then
      1
    else
      whenNeither a b;

  boolToString = value: if value then "true" else "false";
  boolToYesNo = value: if value then "yes" else "no";

  # The digits of a non-negative number, most significant first.
  toBaseDigits =
    base: number:
    let
      digits = rest: if rest < base then [ rest ] else digits (rest / base) ++ [ (mod rest base) ];
    in
    assert isInt base && base >= 2;
    assert isInt number && number >= 0;
    digits number;

  toHexString =
    number: builtins.concatStringsSep "" (map (elemAt hexDigits) (toBaseDigits 16 number));

  # Reads hexadecimal digits, with or without a leading "0x".
  fromHexString =
    text:
    let
      parts = builtins.match "(0x)?([0-9A-Fa-f]+)" text;
    in
    if parts == null then
      throw "fromHexString: `${text}' is not a hexadecimal number"
    else
      (fromTOML "n = 0x${elemAt parts 1}").n;

  # Files.

  importJSON = path: builtins.fromJSON (readFile path);
  importTOML = path: fromTOML (readFile path);

  # Warnings and errors.

  warn =
    message:
    if
      elem (getEnv "NIX_ABORT_ON_WARN") [
        "1"
        "true"
        "yes"
      ]
    then
      trace "warning: ${message}" (abort "NIX_ABORT_ON_WARN is set, and this was a warning: ${message}")
    else
      trace "warning: ${message}";
  warnIf = condition: message: if condition then warn message else id;
  warnIfNot = condition: warnIf (!condition);
  info = message: trace "INFO: ${message}";
  throwIf = condition: message: if condition then throw message else id;
  throwIfNot = condition: throwIf (!condition);
  showWarnings = warnings: value: foldl' (rest: message: warn message rest) value warnings;

  # Returns its last argument, unless `given` holds something that `valid` does not.
  checkListOfEnum =
    what: valid: given:
    let
      unexpected = filter (x: !elem x valid) given;
    in
    throwIfNot (
      unexpected == [ ]
    ) "${what}: ${toString unexpected} unexpected; valid ones: ${toString valid}";

  # Where this runs.

  inNixShell = getEnv "IN_NIX_SHELL" != "";
  inPureEvalMode = !(builtins ? currentSystem);

  # The channel stands in for this release of NixOS' options.
  release = "25.11";
  versionSuffix = "-debian";
  version = release + versionSuffix;
  nixpkgsVersion = version;
  codeName = "trixie";
  oldestSupportedRelease = 2505;
  isInOldestRelease = oldestSupportedReleaseIsAtLeast;
  oldestSupportedReleaseIsAtLeast = wanted: wanted <= oldestSupportedRelease;
  revisionWithDefault = default: default;

  # Functions.

  # Also true of a set that acts as one through `__functor`.
  isFunction = f: builtins.isFunction f || (f ? __functor && isFunction (f.__functor f));

  functionArgs =
    f:
    if f ? __functor then
      f.__functionArgs or (functionArgs (f.__functor f))
    else
      builtins.functionArgs f;

  setFunctionArgs = f: arguments: {
    __functor = _: f;
    __functionArgs = arguments;
  };

  mirrorFunctionArgs =
    model:
    let
      arguments = functionArgs model;
    in
    f: setFunctionArgs f arguments;

  toFunction = value: if isFunction value then value else const value;
}
