# Attribute sets.
{
  lib,
  is,
  fails,
}:
let
  inherit (lib)
    attrNames
    attrVals
    attrsToList
    attrsets
    cartesianProduct
    catAttrs
    concatMapAttrs
    filterAttrs
    foldAttrs
    foldlAttrs
    genAttrs
    genAttrs'
    getAttrs
    getBin
    getDev
    getFirstOutput
    getLib
    getMan
    getOutput
    getStatic
    isDerivation
    mapAttrs'
    mapAttrsToList
    mapCartesianProduct
    mergeAttrsList
    nameValuePair
    optionalAttrs
    overrideExisting
    recurseIntoAttrs
    zipAttrs
    zipAttrsWith
    zipAttrsWithNames
    ;
in
{
  attrNames = [
    (is
      (attrNames {
        b = 1;
        a = 2;
      })
      [
        "a"
        "b"
      ]
    )
  ];
  attrVals = [
    (is (attrVals [ "a" ] { a = 1; }) [ 1 ])
  ];
  attrsToList = [
    (is (attrsToList { a = 1; }) [
      {
        name = "a";
        value = 1;
      }
    ])
  ];
  cartesianProduct = [
    (is
      (cartesianProduct {
        a = [
          1
          2
        ];
        b = [
          3
          4
        ];
      })
      [
        {
          a = 1;
          b = 3;
        }
        {
          a = 1;
          b = 4;
        }
        {
          a = 2;
          b = 3;
        }
        {
          a = 2;
          b = 4;
        }
      ]
    )
  ];
  catAttrs = [
    (is (catAttrs "a" [
      { a = 1; }
      { b = 2; }
    ]) [ 1 ])
  ];
  concatMapAttrs = [
    (is
      (concatMapAttrs
        (n: v: {
          ${n} = v;
          "${n}2" = v;
        })
        {
          a = 1;
          b = 2;
        }
      )
      {
        a = 1;
        a2 = 1;
        b = 2;
        b2 = 2;
      }
    )
    (is (concatMapAttrs (n: v: { }) { }) { })
  ];
  filterAttrs = [
    (is (filterAttrs (n: v: v > 1) {
      a = 1;
      b = 2;
    }) { b = 2; })
  ];
  foldAttrs = [
    (is
      (foldAttrs (i: a: [ i ] ++ a)
        [ ]
        [
          { a = 1; }
          {
            a = 2;
            b = 3;
          }
        ]
      )
      {
        a = [
          1
          2
        ];
        b = [ 3 ];
      }
    )
  ];
  foldlAttrs = [
    (is (foldlAttrs
      (
        acc: n: v:
        acc + n + toString v
      )
      ""
      {
        a = 1;
        b = 2;
      }
    ) "a1b2")
  ];
  genAttrs = [
    (is (genAttrs [ "a" "b" ] (n: n + "x")) {
      a = "ax";
      b = "bx";
    })
  ];
  genAttrs' = [
    (is (genAttrs' [ 1 2 ] (n: nameValuePair "k${toString n}" n)) {
      k1 = 1;
      k2 = 2;
    })
  ];
  getAttrs = [
    (is (getAttrs [ "a" ] {
      a = 1;
      b = 2;
    }) { a = 1; })
  ];
  getBin = [
    (is (getBin {
      bin = "b";
      out = "o";
    }) "b")
  ];
  getDev = [
    (is
      (getDev {
        outputSpecified = true;
        dev = "x";
        a = 1;
      })
      {
        a = 1;
        dev = "x";
        outputSpecified = true;
      }
    )
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
    (is (getOutput "dev" {
      dev = "d";
      out = "o";
      type = "derivation";
    }) "d")
    (is (getOutput "dev" { out = "o"; }) "o")
  ];
  getStatic = [
    (is (getStatic { out = "s"; }) "s")
  ];
  isDerivation = [
    (is (isDerivation { type = "derivation"; }) true)
    (is (isDerivation 3) false)
  ];
  mapAttrs' = [
    (is
      (mapAttrs' (n: v: nameValuePair ("x" + n) (v + 1)) {
        a = 1;
        b = 2;
      })
      {
        xa = 2;
        xb = 3;
      }
    )
  ];
  mapAttrsToList = [
    (is
      (mapAttrsToList (n: v: n + v) {
        a = "1";
        b = "2";
      })
      [
        "a1"
        "b2"
      ]
    )
  ];
  mapCartesianProduct = [
    (is
      (mapCartesianProduct ({ a, b }: a + b) {
        a = [
          1
          2
        ];
        b = [
          3
          4
        ];
      })
      [
        4
        5
        5
        6
      ]
    )
  ];
  mergeAttrsList = [
    (is
      (mergeAttrsList [
        { a = 1; }
        { b = 2; }
        { a = 3; }
      ])
      {
        a = 3;
        b = 2;
      }
    )
    (is (mergeAttrsList [ ]) { })
  ];
  optionalAttrs = [
    (is (optionalAttrs true { a = 1; }) { a = 1; })
    (is (optionalAttrs false { a = 1; }) { })
  ];
  overrideExisting = [
    (is
      (overrideExisting
        {
          a = 1;
          b = 2;
        }
        {
          b = 3;
          c = 4;
        }
      )
      {
        a = 1;
        b = 3;
      }
    )
  ];
  recurseIntoAttrs = [
    (is (recurseIntoAttrs { a = 1; }) {
      a = 1;
      recurseForDerivations = true;
    })
  ];
  unionOfDisjoint = [
    (is (attrsets.unionOfDisjoint { a = 1; } { b = 2; }) {
      a = 1;
      b = 2;
    })
  ];
  zipAttrs = [
    (is
      (zipAttrs [
        { a = 1; }
        {
          a = 2;
          b = 3;
        }
      ])
      {
        a = [
          1
          2
        ];
        b = [ 3 ];
      }
    )
  ];
  zipAttrsWith = [
    (is
      (zipAttrsWith (n: vs: vs) [
        { a = 1; }
        { a = 2; }
      ])
      {
        a = [
          1
          2
        ];
      }
    )
  ];
  zipAttrsWithNames = [
    (is
      (zipAttrsWithNames [ "a" ] (n: vs: vs) [
        {
          a = 1;
          b = 1;
        }
        { a = 2; }
      ])
      {
        a = [
          1
          2
        ];
      }
    )
  ];
}
