# Attribute sets.
{
  lib,
  is,
  fails,
}:
let
  inherit (lib)
    attrByPath
    attrNames
    attrVals
    attrsToList
    attrsets
    cartesianProduct
    catAttrs
    collect
    concatMapAttrs
    concatStringsSep
    filterAttrs
    filterAttrsRecursive
    foldAttrs
    foldlAttrs
    genAttrs
    genAttrs'
    getAttrFromPath
    getAttrs
    getBin
    getDev
    getFirstOutput
    getLib
    getMan
    getOutput
    getStatic
    hasAttrByPath
    isDerivation
    isList
    mapAttrs'
    mapAttrsRecursive
    mapAttrsRecursiveCond
    mapAttrsToList
    mapAttrsToListRecursive
    mapAttrsToListRecursiveCond
    mapCartesianProduct
    matchAttrs
    mergeAttrsList
    nameValuePair
    optionalAttrs
    overrideExisting
    recurseIntoAttrs
    recursiveUpdate
    recursiveUpdateUntil
    setAttrByPath
    showAttrPath
    updateManyAttrsByPath
    zipAttrs
    zipAttrsWith
    zipAttrsWithNames
    ;
in
{
  attrByPath = [
    (is (attrByPath [ "a" "b" ] 1 { a.b = 2; }) 2)
    (is (attrByPath [ "a" "c" ] 1 { a.b = 2; }) 1)
    (is (attrByPath [ ] 1 { a = 1; }) { a = 1; })
    (is (attrByPath [ "a" "b" ] 1 { a = 3; }) 1)
  ];
  attrNames = [
    (is (attrNames { b = 1; a = 2; }) [ "a" "b" ])
  ];
  attrVals = [
    (is (attrVals [ "a" ] { a = 1; }) [ 1 ])
  ];
  attrsToList = [
    (is (attrsToList { a = 1; }) [ { name = "a"; value = 1; } ])
  ];
  cartesianProduct = [
    (is (cartesianProduct { a = [ 1 2 ]; b = [ 3 4 ]; })
      [ { a = 1; b = 3; } { a = 1; b = 4; } { a = 2; b = 3; } { a = 2; b = 4; } ]
    )
  ];
  catAttrs = [
    (is (catAttrs "a" [ { a = 1; } { b = 2; } ]) [ 1 ])
  ];
  collect = [
    (is (collect isList { a = { b = [ "b" ]; }; c = [ 1 ]; }) [ [ "b" ] [ 1 ] ])
  ];
  concatMapAttrs = [
    (is (concatMapAttrs (n: v: { ${n} = v; "${n}2" = v; }) { a = 1; b = 2; }) { a = 1; a2 = 1; b = 2; b2 = 2; })
    (is (concatMapAttrs (n: v: { }) { }) { })
  ];
  filterAttrs = [
    (is (filterAttrs (n: v: v > 1) { a = 1; b = 2; }) { b = 2; })
  ];
  filterAttrsRecursive = [
    (is (filterAttrsRecursive (n: v: v != null) { a = null; b = { c = null; d = 1; }; }) { b = { d = 1; }; })
  ];
  foldAttrs = [
    (is (foldAttrs (i: a: [ i ] ++ a) [ ] [ { a = 1; } { a = 2; b = 3; } ]) { a = [ 1 2 ]; b = [ 3 ]; })
  ];
  foldlAttrs = [
    (is (foldlAttrs (acc: n: v: acc + n + toString v) "" { a = 1; b = 2; }) "a1b2")
  ];
  genAttrs = [
    (is (genAttrs [ "a" "b" ] (n: n + "x")) { a = "ax"; b = "bx"; })
  ];
  genAttrs' = [
    (is (genAttrs' [ 1 2 ] (n: nameValuePair "k${toString n}" n)) { k1 = 1; k2 = 2; })
  ];
  getAttrFromPath = [
    (is (getAttrFromPath [ "a" "b" ] { a.b = 1; }) 1)
  ];
  getAttrs = [
    (is (getAttrs [ "a" ] { a = 1; b = 2; }) { a = 1; })
  ];
  getBin = [
    (is (getBin { bin = "b"; out = "o"; }) "b")
  ];
  getDev = [
    (is (getDev { outputSpecified = true; dev = "x"; a = 1; }) { a = 1; dev = "x"; outputSpecified = true; })
  ];
  getFirstOutput = [
    (is (getFirstOutput [ "x" "y" ] { y = "y"; }) "y")
  ];
  getLib = [
    (is (getLib { lib = "l"; }) "l")
  ];
  getMan = [
    (is (getMan { out = "x"; }) "x")
  ];
  getOutput = [
    (is (getOutput "dev" { dev = "d"; out = "o"; type = "derivation"; }) "d")
    (is (getOutput "dev" { out = "o"; }) "o")
  ];
  getStatic = [
    (is (getStatic { out = "s"; }) "s")
  ];
  hasAttrByPath = [
    (is (hasAttrByPath [ "a" "b" ] { a.b = 1; }) true)
    (is (hasAttrByPath [ "a" "b" "c" ] { a.b = 1; }) false)
    (is (hasAttrByPath [ ] 1) true)
  ];
  isDerivation = [
    (is (isDerivation { type = "derivation"; }) true)
    (is (isDerivation 3) false)
  ];
  longestValidPathPrefix = [
    (is (attrsets.longestValidPathPrefix [ "a" "b" "c" ] { a.b = 1; }) [ "a" "b" ])
  ];
  mapAttrs' = [
    (is (mapAttrs' (n: v: nameValuePair ("x" + n) (v + 1)) { a = 1; b = 2; }) { xa = 2; xb = 3; })
  ];
  mapAttrsRecursive = [
    (is (mapAttrsRecursive (p: v: concatStringsSep "-" (p ++ [ v ])) { a = { b = "x"; }; c = "y"; })
      { a = { b = "a-b-x"; }; c = "c-y"; }
    )
  ];
  mapAttrsRecursiveCond = [
    (is (mapAttrsRecursiveCond (as: !(as ? stop)) (p: v: p) { a = { stop = 1; }; b.c = 2; })
      { a = [ "a" ]; b = { c = [ "b" "c" ]; }; }
    )
  ];
  mapAttrsToList = [
    (is (mapAttrsToList (n: v: n + v) { a = "1"; b = "2"; }) [ "a1" "b2" ])
  ];
  mapAttrsToListRecursive = [
    (is (mapAttrsToListRecursive (p: v: [ p v ]) { a.b = 1; c = 2; d = { }; })
      [ [ [ "a" "b" ] 1 ] [ [ "c" ] 2 ] ]
    )
  ];
  mapAttrsToListRecursiveCond = [
    (is (mapAttrsToListRecursiveCond (p: v: !(v ? stop)) (p: v: [ p v ]) { a.b = 1; c.stop = 2; })
      [ [ [ "a" "b" ] 1 ] [ [ "c" ] { stop = 2; } ] ]
    )
  ];
  mapCartesianProduct = [
    (is (mapCartesianProduct ({ a, b }: a + b) { a = [ 1 2 ]; b = [ 3 4 ]; }) [ 4 5 5 6 ])
  ];
  matchAttrs = [
    (is (matchAttrs { cpu = { }; } { cpu = { bits = 64; }; }) true)
    (is (matchAttrs { a = 1; } { a = 1; b = 2; }) true)
    (is (matchAttrs { a = 1; } { b = 2; }) false)
    (is (matchAttrs { a = { b = 1; }; } { a = { b = 2; }; }) false)
  ];
  mergeAttrsList = [
    (is (mergeAttrsList [ { a = 1; } { b = 2; } { a = 3; } ]) { a = 3; b = 2; })
    (is (mergeAttrsList [ ]) { })
  ];
  optionalAttrs = [
    (is (optionalAttrs true { a = 1; }) { a = 1; })
    (is (optionalAttrs false { a = 1; }) { })
  ];
  overrideExisting = [
    (is (overrideExisting { a = 1; b = 2; } { b = 3; c = 4; }) { a = 1; b = 3; })
  ];
  recurseIntoAttrs = [
    (is (recurseIntoAttrs { a = 1; }) { a = 1; recurseForDerivations = true; })
  ];
  recursiveUpdate = [
    (is (recursiveUpdate { a = { b = 1; c = 2; }; } { a = { b = 3; d = { }; }; })
      { a = { b = 3; c = 2; d = { }; }; }
    )
    (is (recursiveUpdate { a = 1; } { a.b = 2; }) { a = { b = 2; }; })
    (is (recursiveUpdate { a.b = 1; } { a = null; }) { a = null; })
  ];
  recursiveUpdateUntil = [
    (is (recursiveUpdateUntil (p: l: r: p == [ "foo" ]) { foo.bar = 1; foo.baz = 2; bar = 2; } { foo.bar = 1; foo.quz = 2; baz = 4; })
      { bar = 2; baz = 4; foo = { bar = 1; quz = 2; }; }
    )
  ];
  setAttrByPath = [
    (is (setAttrByPath [ "a" "b" ] 3) { a = { b = 3; }; })
    (is (setAttrByPath [ ] 3) 3)
  ];
  showAttrPath = [
    (is (showAttrPath [ "a" "b c" ]) "a.\"b c\"")
    (is (showAttrPath [ ]) "<root attribute path>")
  ];
  unionOfDisjoint = [
    (is (attrsets.unionOfDisjoint { a = 1; } { b = 2; }) { a = 1; b = 2; })
  ];
  updateManyAttrsByPath = [
    (is (updateManyAttrsByPath [ { path = [ "a" "b" ]; update = old: old + 1; } { path = [ "a" "c" ]; update = _: 9; } ] { a.b = 1; })
      { a = { b = 2; c = 9; }; }
    )
    (is (updateManyAttrsByPath [ { path = [ ]; update = o: o // { z = 1; }; } { path = [ "q" "r" ]; update = _: 2; } ] { a = 1; })
      { a = 1; q = { r = 2; }; z = 1; }
    )
  ];
  zipAttrs = [
    (is (zipAttrs [ { a = 1; } { a = 2; b = 3; } ]) { a = [ 1 2 ]; b = [ 3 ]; })
  ];
  zipAttrsWith = [
    (is (zipAttrsWith (n: vs: vs) [ { a = 1; } { a = 2; } ]) { a = [ 1 2 ]; })
  ];
  zipAttrsWithNames = [
    (is (zipAttrsWithNames [ "a" ] (n: vs: vs) [ { a = 1; b = 1; } { a = 2; } ]) { a = [ 1 2 ]; })
  ];
}
