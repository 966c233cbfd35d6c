# Looking at values while they are evaluated, and tests.
{ lib }:
let
  inherit (builtins)
    attrNames
    concatMap
    deepSeq
    isAttrs
    isList
    mapAttrs
    substring
    ;
in
rec {
  inherit (builtins) addErrorContext trace unsafeGetAttrPos;

  traceIf =
    condition: message: value:
    if condition then trace message value else value;
  traceValFn = f: value: trace (f value) value;
  traceVal = traceValFn lib.id;
  traceSeq = shown: trace (deepSeq shown shown);
  traceValSeqFn = f: value: traceValFn f (deepSeq value value);
  traceValSeq = traceValSeqFn lib.id;

  # Shows no more than `depth` levels.
  traceSeqN =
    depth: shown:
    let
      cut = text: value: {
        __pretty = _: text;
        val = value;
      };
      limit =
        n: value:
        if isList value then
          if n == 0 then cut "[…]" value else map (limit (n - 1)) value
        else if isAttrs value then
          if n == 0 then cut "{…}" value else mapAttrs (_: limit (n - 1)) value
        else
          value;
    in
    trace (lib.generators.toPretty { allowPrettyValues = true; } (limit depth shown));
  traceValSeqNFn =
    f: depth: value:
    traceSeqN depth (f value) value;
  traceValSeqN = traceValSeqNFn lib.id;
  traceFnSeqN =
    depth: name: f: argument:
    let
      result = f argument;
    in
    traceSeqN (depth + 1) {
      fn = name;
      from = argument;
      to = result;
    } result;

  # Those of `{ testName = { expr; expected; }; … }` that fail. With an attribute `tests`, a list of names, only these run.
  runTests =
    tests:
    let
      chosen = tests.tests or [ ];
      names =
        if chosen != [ ] then
          chosen
        else
          builtins.filter (name: substring 0 4 name == "test" && name != "tests") (attrNames tests);
    in
    concatMap (
      name:
      let
        test = tests.${name};
      in
      lib.optional (test.expr != test.expected) {
        inherit name;
        inherit (test) expected;
        result = test.expr;
      }
    ) names;
  testAllTrue = expr: {
    inherit expr;
    expected = map (_: true) expr;
  };
}
