# Attribute sets: paths and nested sets.
{
  lib,
  is,
  fails,
}:
let
  inherit (lib)
    attrByPath
    attrsets
    collect
    concatStringsSep
    filterAttrsRecursive
    getAttrFromPath
    hasAttrByPath
    isList
    mapAttrsRecursive
    mapAttrsRecursiveCond
    mapAttrsToListRecursive
    mapAttrsToListRecursiveCond
    matchAttrs
    recursiveUpdate
    recursiveUpdateUntil
    setAttrByPath
    showAttrPath
    updateManyAttrsByPath
    ;
in
{
  attrByPath = [
    (is (attrByPath [ "a" "b" ] 1 { a.b = 2; }) 2)
    (is (attrByPath [ "a" "c" ] 1 { a.b = 2; }) 1)
    (is (attrByPath [ ] 1 { a = 1; }) { a = 1; })
    (is (attrByPath [ "a" "b" ] 1 { a = 3; }) 1)
  ];
  collect = [
    (is
      (collect isList {
        a = {
          b = [ "b" ];
        };
        c = [ 1 ];
      })
      [
        [ "b" ]
        [ 1 ]
      ]
    )
  ];
  filterAttrsRecursive = [
    (is
      (filterAttrsRecursive (n: v: v != null) {
        a = null;
        b = {
          c = null;
          d = 1;
        };
      })
      {
        b = {
          d = 1;
        };
      }
    )
  ];
  getAttrFromPath = [
    (is (getAttrFromPath [ "a" "b" ] { a.b = 1; }) 1)
  ];
  hasAttrByPath = [
    (is (hasAttrByPath [ "a" "b" ] { a.b = 1; }) true)
    (is (hasAttrByPath [ "a" "b" "c" ] { a.b = 1; }) false)
    (is (hasAttrByPath [ ] 1) true)
  ];
  longestValidPathPrefix = [
    (is (attrsets.longestValidPathPrefix [ "a" "b" "c" ] { a.b = 1; }) [
      "a"
      "b"
    ])
  ];
  mapAttrsRecursive = [
    (is
      (mapAttrsRecursive (p: v: concatStringsSep "-" (p ++ [ v ])) {
        a = {
          b = "x";
        };
        c = "y";
      })
      {
        a = {
          b = "a-b-x";
        };
        c = "c-y";
      }
    )
  ];
  mapAttrsRecursiveCond = [
    (is
      (mapAttrsRecursiveCond (as: !(as ? stop)) (p: v: p) {
        a = {
          stop = 1;
        };
        b.c = 2;
      })
      {
        a = [ "a" ];
        b = {
          c = [
            "b"
            "c"
          ];
        };
      }
    )
  ];
  mapAttrsToListRecursive = [
    (is
      (mapAttrsToListRecursive
        (p: v: [
          p
          v
        ])
        {
          a.b = 1;
          c = 2;
          d = { };
        }
      )
      [
        [
          [
            "a"
            "b"
          ]
          1
        ]
        [
          [ "c" ]
          2
        ]
      ]
    )
  ];
  mapAttrsToListRecursiveCond = [
    (is
      (mapAttrsToListRecursiveCond (p: v: !(v ? stop))
        (p: v: [
          p
          v
        ])
        {
          a.b = 1;
          c.stop = 2;
        }
      )
      [
        [
          [
            "a"
            "b"
          ]
          1
        ]
        [
          [ "c" ]
          { stop = 2; }
        ]
      ]
    )
  ];
  matchAttrs = [
    (is (matchAttrs { cpu = { }; } {
      cpu = {
        bits = 64;
      };
    }) true)
    (is (matchAttrs { a = 1; } {
      a = 1;
      b = 2;
    }) true)
    (is (matchAttrs { a = 1; } { b = 2; }) false)
    (is (matchAttrs
      {
        a = {
          b = 1;
        };
      }
      {
        a = {
          b = 2;
        };
      }
    ) false)
  ];
  recursiveUpdate = [
    (is
      (recursiveUpdate
        {
          a = {
            b = 1;
            c = 2;
          };
        }
        {
          a = {
            b = 3;
            d = { };
          };
        }
      )
      {
        a = {
          b = 3;
          c = 2;
          d = { };
        };
      }
    )
    (is (recursiveUpdate { a = 1; } { a.b = 2; }) {
      a = {
        b = 2;
      };
    })
    (is (recursiveUpdate { a.b = 1; } { a = null; }) { a = null; })
  ];
  recursiveUpdateUntil = [
    (is
      (recursiveUpdateUntil
        (
          p: l: r:
          p == [ "foo" ]
        )
        {
          foo.bar = 1;
          foo.baz = 2;
          bar = 2;
        }
        {
          foo.bar = 1;
          foo.quz = 2;
          baz = 4;
        }
      )
      {
        bar = 2;
        baz = 4;
        foo = {
          bar = 1;
          quz = 2;
        };
      }
    )
  ];
  setAttrByPath = [
    (is (setAttrByPath [ "a" "b" ] 3) {
      a = {
        b = 3;
      };
    })
    (is (setAttrByPath [ ] 3) 3)
  ];
  showAttrPath = [
    (is (showAttrPath [
      "a"
      "b c"
    ]) "a.\"b c\"")
    (is (showAttrPath [ ]) "<root attribute path>")
  ];
  updateManyAttrsByPath = [
    (is
      (updateManyAttrsByPath [
        {
          path = [
            "a"
            "b"
          ];
          update = old: old + 1;
        }
        {
          path = [
            "a"
            "c"
          ];
          update = _: 9;
        }
      ] { a.b = 1; })
      {
        a = {
          b = 2;
          c = 9;
        };
      }
    )
    (is
      (updateManyAttrsByPath [
        {
          path = [ ];
          update = o: o // { z = 1; };
        }
        {
          path = [
            "q"
            "r"
          ];
          update = _: 2;
        }
      ] { a = 1; })
      {
        a = 1;
        q = {
          r = 2;
        };
        z = 1;
      }
    )
  ];
}
