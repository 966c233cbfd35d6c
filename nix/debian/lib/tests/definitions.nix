# How the definitions of one option become its value.
{
  lib,
  is,
  fails,
}:
let
  inherit (lib)
    mkAfter
    mkBefore
    mkDefault
    mkForce
    mkIf
    mkMerge
    mkOption
    mkOrder
    mkOverride
    types
    ;

  # The value of an option of a type that has these definitions, one in a module each.
  merged =
    type: values:
    (lib.evalModules {
      modules = [
        { options.x = mkOption { inherit type; }; }
      ]
      ++ map (value: { config.x = value; }) values;
    }).config.x;

  tagged = types.attrTag {
    a = mkOption { type = types.int; };
    b = mkOption { type = types.str; };
  };
in
{
  priorities = [
    (is (merged types.int [
      1
      (mkForce 2)
      (mkDefault 3)
    ]) 2)
    (is (merged types.int [
      1
      (mkDefault 3)
    ]) 1)
    (is (merged types.int [
      (mkDefault 3)
      (lib.mkOptionDefault 4)
    ]) 3)
    (is (merged types.int [
      (mkForce 3)
      (lib.mkVMOverride 4)
    ]) 4)
    (is (merged types.int [
      3
      (lib.mkImageMediaOverride 4)
    ]) 4)
    (is (merged types.int [
      (mkOverride 70 3)
      (mkOverride 60 4)
    ]) 4)
    (is
      (merged (types.listOf types.int) [
        [ 1 ]
        (mkForce [ 2 ])
        (mkForce [ 3 ])
      ])
      [
        3
        2
      ]
    )
    (is
      (lib.mapAttrs (_: make: (make 0).priority) {
        inherit (lib)
          mkOptionDefault
          mkDefault
          mkImageMediaOverride
          mkForce
          mkVMOverride
          mkBefore
          mkAfter
          ;
      })
      {
        mkOptionDefault = 1500;
        mkDefault = 1000;
        mkImageMediaOverride = 60;
        mkForce = 50;
        mkVMOverride = 10;
        mkBefore = 500;
        mkAfter = 1500;
      }
    )
  ];
  order = [
    (is (merged types.lines [
      "a"
      (mkBefore "b")
      (mkAfter "c")
      "d"
      (mkOrder 10 "e")
    ]) "e\nb\nd\na\nc")
    (is
      (merged (types.listOf types.int) [
        [ 1 ]
        (mkAfter [ 2 ])
        (mkBefore [ 3 ])
      ])
      [
        3
        1
        2
      ]
    )
    (is
      (merged (types.listOf types.int) [
        [ 1 ]
        (mkForce (mkAfter [ 2 ]))
        (mkForce [ 3 ])
      ])
      [
        3
        2
      ]
    )
  ];
  conditions = [
    (is (merged types.int [
      (mkIf true 1)
      (mkIf false 2)
    ]) 1)
    (is (merged types.int [
      (mkIf true (mkMerge [
        (mkIf false 1)
        2
      ]))
    ]) 2)
    (is
      (merged (types.listOf types.int) [
        (mkMerge [
          [ 4 ]
          [ 5 ]
        ])
        [
          1
          (mkIf false 2)
          (mkIf true 3)
        ]
      ])
      [
        1
        3
        4
        5
      ]
    )
    (is (merged (types.listOf types.int) [ (mkIf false [ 1 ]) ]) [ ])
    (is (merged (types.attrsOf types.int) [
      {
        a = mkIf false 1;
        b = 2;
      }
    ]) { b = 2; })
    (fails (merged types.int [ (mkIf false 1) ]))
    (fails (merged types.int [ (mkIf "yes" 1) ]))
    (fails (merged types.int [ (lib.mkAssert false "not so" 1) ]))
  ];
  equal = [
    (is (merged types.int [
      1
      1
    ]) 1)
    (is (merged
      (types.enum [
        "a"
        "b"
      ])
      [
        "a"
        "a"
      ]
    ) "a")
    (fails (
      merged types.int [
        1
        2
      ]
    ))
    (fails (
      merged types.bool [
        true
        false
      ]
    ))
    (fails (
      merged types.str [
        "a"
        "b"
      ]
    ))
  ];
  text = [
    (is (merged types.lines [
      "a"
      "b"
    ]) "b\na")
    (is (merged types.commas [
      "a"
      "b"
    ]) "b,a")
    (is (merged types.envVar [
      "a"
      "b"
    ]) "b:a")
    (is (merged (types.separatedString " ") [
      "a"
      "b"
    ]) "b a")
    (is (merged types.singleLineStr [ "a\n" ]) "a")
    (fails (merged types.singleLineStr [ "a\nb" ]))
    (fails (merged types.nonEmptyStr [ " " ]))
    (fails (merged (types.passwdEntry types.str) [ "a:b" ]))
  ];
  numbers = [
    (is (merged types.port [ 22 ]) 22)
    (is (merged types.number [ 1.5 ]) 1.5)
    (is (merged types.boolByOr [
      true
      false
    ]) true)
    (fails (merged types.port [ 70000 ]))
    (fails (merged types.ints.positive [ 0 ]))
    (fails (merged types.int [ "1" ]))
  ];
  collections = [
    (is
      (merged (types.attrsOf types.int) [
        { a = 1; }
        { b = 2; }
        { a = mkForce 9; }
      ])
      {
        a = 9;
        b = 2;
      }
    )
    (is (merged (types.attrsOf types.int) [ ]) { })
    (is
      (merged (types.lazyAttrsOf (types.nullOr types.int)) [
        {
          a = 1;
          d = mkIf false 1;
        }
      ])
      {
        a = 1;
        d = null;
      }
    )
    (is (builtins.attrNames (merged (types.lazyAttrsOf types.int) [ { a = throw "not needed"; } ])) [
      "a"
    ])
    (is
      (merged types.attrs [
        { a = 1; }
        {
          a = 2;
          b = 3;
        }
      ])
      {
        a = 1;
        b = 3;
      }
    )
    (fails (merged (types.nonEmptyListOf types.int) [ ]))
    (fails (merged (types.nonEmptyListOf types.int) [ [ ] ]))
    (fails (merged (types.listOf types.int) [ [ "a" ] ]))
    (fails (merged (types.attrsOf types.int) [ { a = "x"; } ]))
  ];
  anything = [
    (is
      (merged types.anything [
        { a.b = 1; }
        { a.c = [ 1 ]; }
      ])
      {
        a = {
          b = 1;
          c = [ 1 ];
        };
      }
    )
    (is (merged types.anything [
      {
        a = mkIf false 1;
        b = mkForce 2;
      }
      { b = 3; }
    ]) { b = 2; })
    (is
      (merged types.anything [
        (x: { a = x; })
        (x: { b = x; })
      ] 1)
      {
        a = 1;
        b = 1;
      }
    )
    (is (merged types.raw [ (_: 1) ] 0) 1)
    (is
      (merged types.unspecified [
        [ 1 ]
        [ 2 ]
      ])
      [
        2
        1
      ]
    )
    (fails (
      merged types.anything [
        1
        "a"
      ]
    ))
    (fails (
      merged types.anything [
        [ 1 ]
        [ 2 ]
      ]
    ))
    (fails (
      merged types.raw [
        1
        1
      ]
    ))
  ];
  alternatives = [
    (is (merged (types.either types.int types.str) [ "a" ]) "a")
    (is
      (merged
        (types.oneOf [
          types.int
          (types.listOf types.int)
        ])
        [
          [ 1 ]
          [ 2 ]
        ]
      )
      [
        2
        1
      ]
    )
    (is (merged (types.nullOr types.int) [ ]) null)
    (is (merged (types.nullOr types.int) [
      null
      null
    ]) null)
    (is (merged (types.coercedTo types.int toString types.str) [ 5 ]) "5")
    (is
      (merged (types.coercedTo types.str lib.singleton (types.listOf types.str)) [
        "a"
        [ "b" ]
      ])
      [
        "b"
        "a"
      ]
    )
    (is (merged (types.unique { message = ""; } types.int) [ 1 ]) 1)
    (is (merged tagged [ { a = 1; } ]) { a = 1; })
    (fails (
      merged (types.either types.int types.str) [
        "a"
        1
      ]
    ))
    (fails (
      merged (types.nullOr types.int) [
        null
        1
      ]
    ))
    (fails (merged (types.enum [ "a" ]) [ "b" ]))
    (fails (
      merged (types.unique { message = ""; } types.int) [
        1
        1
      ]
    ))
    (fails (
      merged tagged [
        { a = 1; }
        { b = "x"; }
      ]
    ))
    (fails (merged tagged [ { c = 1; } ]))
  ];
  functions = [
    (is
      (merged (types.functionTo (types.listOf types.int)) [
        (x: [ x ])
        (_: [ 2 ])
      ] 5)
      [
        2
        5
      ]
    )
    (fails (merged (types.functionTo types.int) [ (_: "a") ] 5))
  ];
  paths = [
    (is (merged types.path [ "/x" ]) "/x")
    (fails (merged types.path [ "x" ]))
    (is
      (merged types.package [
        {
          type = "derivation";
          name = "a";
        }
      ])
      {
        type = "derivation";
        name = "a";
      }
    )
    (fails (merged types.package [ "/no/store/path" ]))
  ];
}
