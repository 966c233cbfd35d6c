# Types: what they accept, how they are called, how two become one.
{
  lib,
  is,
  fails,
}:
let
  inherit (lib)
    isType
    mkOption
    setType
    types
    ;
in
{
  anything = [
    (is types.anything.description "anything")
  ];
  attrTag = [
    (is ((types.attrTag { a = mkOption { type = types.int; }; }).description
    ) "attribute-tagged union with choices: a")
  ];
  attrs = [
    (is types.attrs.description "attribute set")
  ];
  attrsOf = [
    (is ((types.attrsOf (types.listOf types.str)).description) "attribute set of list of string")
    (is ((types.attrsOf types.int).name) "attrsOf")
    (is ((types.attrsOf types.int).functor.name) "attrsWith")
    (is ((types.attrsOf types.int).typeMerge (types.lazyAttrsOf types.int).functor) null)
  ];
  coercedTo = [
    (is ((types.coercedTo types.int toString types.str).description
    ) "string or signed integer convertible to it")
  ];
  commas = [
    (is types.commas.description "strings concatenated with \",\"")
  ];
  deferredModule = [
    (is types.deferredModule.description "module")
  ];
  either = [
    (is ((types.either types.ints.positive types.str).description) "positive integer, meaning >0, or string")
    (is ((types.either types.str (types.listOf types.int)).description) "string or list of signed integer")
    (is ((types.either types.int types.str).functor.name) "either")
    (is (((types.either types.int types.str).typeMerge (types.either types.int types.str).functor).description) "signed integer or string")
  ];
  enum = [
    (is ((types.enum [
      "a"
      1
      true
    ]).description
    ) "one of \"a\", 1, true")
    (is ((types.enum [ ]).description) "impossible (empty enum)")
    (is ((types.enum [ 1 ]).description) "value 1 (singular enum)")
    (is (
      (types.enum [
        1
        2
      ]).check
      3
    ) false)
    (is (((types.enum [ 1 ]).typeMerge (types.enum [ 2 ]).functor).description) "one of 1, 2")
  ];
  float = [
    (is types.float.description "floating point number")
    (is (types.float.check 1) false)
  ];
  functionTo = [
    (is ((types.functionTo types.str).description) "function that evaluates to a(n) string")
  ];
  ints = [
    (is ((types.ints.between 1 3).description) "integer between 1 and 3 (both inclusive)")
    (is ((types.ints.u8).description) "8 bit unsigned integer; between 0 and 255 (both inclusive)")
    (is types.ints.s8.description "8 bit signed integer; between -128 and 127 (both inclusive)")
    (is types.ints.s32.description "32 bit signed integer; between -2147483648 and 2147483647 (both inclusive)")
    (is (types.ints.s8.check (-128)) true)
    (is (types.ints.s8.check (-129)) false)
    (is types.ints.positive.description "positive integer, meaning >0")
  ];
  isType = [
    (is (isType "x" { _type = "x"; }) true)
  ];
  json = [
    (is types.json.description "JSON value")
  ];
  lazyAttrsOf = [
    (is ((types.lazyAttrsOf types.int).description) "lazy attribute set of signed integer")
  ];
  lines = [
    (is types.lines.description "strings concatenated with \"\\n\"")
    (is (types.lines.typeMerge types.commas.functor) null)
    (is ((types.lines.typeMerge types.lines.functor).name) "separatedString")
  ];
  listOf = [
    (is ((types.listOf (types.nullOr types.str)).description) "list of (null or string)")
    (is ((types.listOf types.int).nestedTypes.elemType.name) "int")
    (is ((types.listOf types.int).typeMerge (types.listOf types.str).functor) null)
  ];
  nonEmptyListOf = [
    (is ((types.nonEmptyListOf types.str).description) "non-empty (list of string)")
  ];
  nonEmptyStr = [
    (is types.nonEmptyStr.description "non-empty string")
    (is (types.nonEmptyStr.check " ") false)
  ];
  nullOr = [
    (is ((types.nullOr types.ints.positive).description) "null or (positive integer, meaning >0)")
    (is (((types.nullOr (types.enum [ 1 ])).typeMerge (types.nullOr (types.enum [ 2 ])).functor)
      .description
    ) "null or one of 1, 2")
  ];
  number = [
    (is types.number.description "signed integer or floating point number")
    (is (types.number.check 1) true)
  ];
  numbers = [
    (is types.numbers.positive.description "positive integer or floating point number, meaning >0")
    (is ((types.numbers.between 0 1).description) "integer or floating point number between 0 and 1 (both inclusive)")
  ];
  oneOf = [
    (is ((types.oneOf [
      types.bool
      types.int
      types.str
    ]).description
    ) "boolean or signed integer or string")
  ];
  optionType = [
    (is types.optionType.description "optionType")
  ];
  package = [
    (is types.package.description "package")
    (is (types.package.check "/nix/store/d945ibfx9x185xf04b890y4f9g3cbb63-p") true)
    (is (types.package.check "/x") false)
  ];
  passwdEntry = [
    (is ((types.passwdEntry types.str).description) "string, not containing newlines or colons")
    (is ((types.passwdEntry types.str).name) "passwdEntry str")
    (is ((types.passwdEntry types.str).check "a:b") false)
  ];
  path = [
    (is types.path.description "absolute path")
    (is (types.path.check "/x") true)
    (is (types.path.check "x") false)
    (is (types.path.check { outPath = "/x"; }) true)
    (is (types.path.typeMerge types.pathInStore.functor) null)
  ];
  pathInStore = [
    (is types.pathInStore.description "path in the Nix store")
    (is (types.pathInStore.check "/nix/store/d945ibfx9x185xf04b890y4f9g3cbb63-p/x") true)
    (is (types.pathInStore.check "/tmp") false)
  ];
  port = [
    (is (types.port.check 70000) false)
    (is (types.port.check 22) true)
  ];
  raw = [
    (is types.raw.description "raw value")
  ];
  setType = [
    (is (setType "x" { }) { _type = "x"; })
  ];
  shellPackage = [
    (is types.shellPackage.description "package")
  ];
  singleLineStr = [
    (is types.singleLineStr.description "(optionally newline-terminated) single-line string")
    (is (types.singleLineStr.check "a\nb") false)
    (is (types.singleLineStr.check "a\n") true)
  ];
  str = [
    (is (types.str.check "a") true)
    (is (types.str.typeMerge types.int.functor) null)
  ];
  strMatching = [
    (is ((types.strMatching "a.*").description) "string matching the pattern a.*")
    (is ((types.strMatching "a.*").name) "strMatching \"a.*\"")
  ];
  submodule = [
    (is ((types.submodule { }).description) "submodule")
    (is ((types.submodule { freeformType = types.attrsOf types.str; }).description
    ) "open submodule of attribute set of string")
    (is ((types.submodule { }).name) "submodule")
  ];
  uniq = [
    (is ((types.uniq types.str).description) "string")
    (is (((types.uniq types.int).typeMerge (types.uniq types.int).functor).name) "unique")
  ];
}
