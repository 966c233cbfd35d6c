# Combinators, numbers, errors, fixed points.
{
  lib,
  is,
  fails,
}:
let
  inherit (lib)
    add
    and
    assertMsg
    assertOneOf
    asserts
    bitAnd
    bitNot
    bitOr
    bitXor
    boolToString
    boolToYesNo
    checkListOfEnum
    compare
    composeExtensions
    concat
    const
    converge
    defaultTo
    div
    extends
    fix
    flip
    fromHexString
    functionArgs
    hasPrefix
    id
    isFunction
    lessThan
    makeExtensible
    makeOverridable
    mapNullable
    max
    mergeAttrs
    min
    mod
    mul
    pipe
    runTests
    setFunctionArgs
    splitByAndCompare
    sub
    testAllTrue
    throwIf
    throwIfNot
    toBaseDigits
    toExtension
    toFunction
    toHexString
    warnIf
    xor
    ;
in
{
  add = [
    (is (add 1 2) 3)
  ];
  and = [
    (is (and true false) false)
  ];
  bitAnd = [
    (is (bitAnd 6 3) 2)
  ];
  bitNot = [
    (is (bitNot 5) (-6))
  ];
  bitOr = [
    (is (bitOr 6 3) 7)
  ];
  bitXor = [
    (is (bitXor 6 3) 5)
  ];
  boolToString = [
    (is (boolToString true) "true")
  ];
  boolToYesNo = [
    (is (boolToYesNo false) "no")
  ];
  checkListOfEnum = [
    (is (checkListOfEnum "c" [ "a" "b" ] [ "a" ] 1) 1)
    (fails (checkListOfEnum "c" [ "a" "b" ] [ "z" ] 1))
  ];
  compare = [
    (is (compare 1 2) (-1))
    (is (compare 2 2) 0)
  ];
  concat = [
    (is (concat [ 1 ] [ 2 ]) [
      1
      2
    ])
  ];
  const = [
    (is (const 1 2) 1)
  ];
  defaultTo = [
    (is (defaultTo 1 null) 1)
    (is (defaultTo 1 2) 2)
  ];
  div = [
    (is (div 7 2) 3)
  ];
  flip = [
    (is (flip concat [ 1 ] [ 2 ]) [
      2
      1
    ])
  ];
  fromHexString = [
    (is (fromHexString "FF") 255)
    (is (fromHexString "0x7f") 127)
  ];
  functionArgs = [
    (is
      (functionArgs (
        {
          a,
          b ? 1,
        }:
        a
      ))
      {
        a = false;
        b = true;
      }
    )
    (is (functionArgs (setFunctionArgs (x: x) { q = true; })) { q = true; })
    (is (functionArgs { __functor = s: { z }: z; }) { z = false; })
    (is
      (functionArgs (
        makeOverridable (
          {
            a,
            b ? 1,
          }:
          {
            r = a;
          }
        )
      ))
      {
        a = false;
        b = true;
      }
    )
  ];
  id = [
    (is (id 1) 1)
  ];
  isFunction = [
    (is (isFunction { __functor = s: x: x; }) true)
    (is (isFunction (x: x)) true)
    (is (isFunction 1) false)
  ];
  lessThan = [
    (is (lessThan 1 2) true)
  ];
  mapNullable = [
    (is (mapNullable (x: x + 1) null) null)
    (is (mapNullable (x: x + 1) 22) 23)
  ];
  max = [
    (is (max 1 2) 2)
  ];
  mergeAttrs = [
    (is (mergeAttrs { a = 1; } { a = 2; }) { a = 2; })
  ];
  min = [
    (is (min 1 2) 1)
  ];
  mod = [
    (is (mod 11 10) 1)
    (is (mod (-11) 10) (-1))
  ];
  mul = [
    (is (mul 2 3) 6)
  ];
  pipe = [
    (is (pipe 2 [
      (x: x + 2)
      (x: x * 2)
    ]) 8)
  ];
  splitByAndCompare = [
    (is (splitByAndCompare (hasPrefix "foo") compare compare "fooa" "z") (-1))
    (is (splitByAndCompare (hasPrefix "foo") compare compare "z" "fooz") 1)
  ];
  sub = [
    (is (sub 3 1) 2)
  ];
  throwIf = [
    (fails (throwIf true "x" 1))
  ];
  throwIfNot = [
    (is (throwIfNot true "x" 1) 1)
  ];
  toBaseDigits = [
    (is (toBaseDigits 2 6) [
      1
      1
      0
    ])
    (is (toBaseDigits 10 250) [
      2
      5
      0
    ])
  ];
  toFunction = [
    (is (toFunction 1 2) 1)
    (is (toFunction (x: x + 1) 2) 3)
  ];
  toHexString = [
    (is (toHexString 250) "FA")
    (is (toHexString 0) "0")
  ];
  warnIf = [
    (is (warnIf false "x" 1) 1)
  ];
  xor = [
    (is (xor true true) false)
  ];
  converge = [
    (is (converge (x: x / 2) 16) 0)
  ];
  fix = [
    (is
      (fix (s: {
        a = 1;
        b = s.a + 1;
      }))
      {
        a = 1;
        b = 2;
      }
    )
    (is
      (fix (
        extends (f: p: { b = p.a + f.c; }) (s: {
          a = 1;
          c = 5;
        })
      ))
      {
        a = 1;
        b = 6;
        c = 5;
      }
    )
    (is
      (fix (
        extends
          (composeExtensions (f: p: { a = p.a + 1; }) (
            f: p: {
              a = p.a * 10;
              z = f.a;
            }
          ))
          (s: {
            a = 1;
          })
      ))
      {
        a = 20;
        z = 20;
      }
    )
  ];
  makeExtensible = [
    (is ((
      (makeExtensible (s: {
        a = 1;
        b = s.a;
      })).extend
      (f: p: { a = p.a + 1; })
    ).b
    ) 2)
  ];
  toExtension = [
    (is (toExtension { a = 1; } 1 2) { a = 1; })
    (is (toExtension (p: { a = p; }) 1 2) { a = 2; })
    (is (toExtension (f: p: { a = f + p; }) 1 2) { a = 3; })
  ];
  assertEachOneOf = [
    (is (asserts.assertEachOneOf "a" [ 1 ] [ 1 2 ]) true)
  ];
  assertMsg = [
    (is (assertMsg true "x") true)
    (fails (assertMsg false "x"))
  ];
  assertOneOf = [
    (is (assertOneOf "a" 1 [
      1
      2
    ]) true)
    (fails (
      assertOneOf "a" 3 [
        1
        2
      ]
    ))
  ];
  checkAssertWarn = [
    (is (asserts.checkAssertWarn [ ] [ ] 1) 1)
    (fails (
      asserts.checkAssertWarn
        [
          {
            assertion = false;
            message = "m";
          }
        ]
        [ ]
        1
    ))
  ];
  "or" = [
    (is (lib.or true false) true)
  ];
  runTests = [
    (is
      (runTests {
        testA = {
          expr = 1;
          expected = 1;
        };
        testB = {
          expr = 1;
          expected = 2;
        };
      })
      [
        {
          expected = 2;
          name = "testB";
          result = 1;
        }
      ]
    )
  ];
  testAllTrue = [
    (is (testAllTrue [ true ]) {
      expected = [ true ];
      expr = [ true ];
    })
  ];
}
