# Lists.
{
  lib,
  is,
  fails,
}:
let
  inherit (lib)
    all
    any
    concatAttrValues
    count
    drop
    dropEnd
    findFirst
    findSingle
    flatten
    fold
    foldl
    foldr
    forEach
    ifilter0
    imap0
    imap1
    init
    last
    lists
    optional
    optionals
    range
    remove
    replaceElemAt
    singleton
    sublist
    take
    takeEnd
    toList
    ;
in
{
  all = [
    (is (all (x: x < 3) [
      1
      2
    ]) true)
  ];
  any = [
    (is (any (x: x < 3) [
      1
      2
    ]) true)
  ];
  commonPrefix = [
    (is (lists.commonPrefix [ 1 2 3 ] [ 1 2 4 ]) [
      1
      2
    ])
  ];
  concatAttrValues = [
    (is
      (concatAttrValues {
        a = [ 1 ];
        b = [ 2 ];
      })
      [
        1
        2
      ]
    )
  ];
  count = [
    (is (count (x: x == 3) [
      3
      2
      3
    ]) 2)
  ];
  drop = [
    (is (drop 2 [
      1
      2
      3
    ]) [ 3 ])
    (is (drop 9 [ 1 ]) [ ])
  ];
  dropEnd = [
    (is
      (dropEnd 1 [
        1
        2
        3
      ])
      [
        1
        2
      ]
    )
    (is (dropEnd 9 [ 1 ]) [ ])
  ];
  findFirst = [
    (is (findFirst (x: x > 3) 7 [
      1
      6
      4
    ]) 6)
    (is (findFirst (x: x > 9) 7 [
      1
      6
      4
    ]) 7)
  ];
  findFirstIndex = [
    (is (lists.findFirstIndex (x: x == 2) null [
      1
      2
    ]) 1)
  ];
  findSingle = [
    (is (findSingle (x: x == 3) "none" "multiple" [
      1
      3
    ]) 3)
    (is (findSingle (x: x == 3) "none" "multiple" [
      1
      3
      3
    ]) "multiple")
    (is (findSingle (x: x == 3) "none" "multiple" [ 1 ]) "none")
  ];
  flatten = [
    (is
      (flatten [
        1
        [
          2
          [ 3 ]
          [ ]
        ]
        4
      ])
      [
        1
        2
        3
        4
      ]
    )
    (is (flatten 1) [ 1 ])
  ];
  fold = [
    (is (fold (a: b: a - b) 0 [
      1
      2
      3
    ]) 2)
  ];
  foldl = [
    (is (foldl (a: b: a - b) 0 [
      1
      2
      3
    ]) (-6))
  ];
  foldr = [
    (is (foldr (x: y: x + y) "e" [
      "a"
      "b"
    ]) "abe")
  ];
  forEach = [
    (is (forEach [ 1 2 ] (x: x + 1)) [
      2
      3
    ])
  ];
  hasPrefix = [
    (is (lists.hasPrefix [ 1 2 ] [ 1 2 3 ]) true)
  ];
  ifilter0 = [
    (is
      (ifilter0 (i: v: i == 0 || v > 2) [
        1
        2
        3
      ])
      [
        1
        3
      ]
    )
  ];
  imap0 = [
    (is
      (imap0
        (i: v: [
          i
          v
        ])
        [
          "a"
          "b"
        ]
      )
      [
        [
          0
          "a"
        ]
        [
          1
          "b"
        ]
      ]
    )
  ];
  imap1 = [
    (is
      (imap1
        (i: v: [
          i
          v
        ])
        [
          "a"
          "b"
        ]
      )
      [
        [
          1
          "a"
        ]
        [
          2
          "b"
        ]
      ]
    )
  ];
  init = [
    (is (init [
      1
      2
    ]) [ 1 ])
    (fails (init [ ]))
  ];
  last = [
    (is (last [
      1
      2
    ]) 2)
    (fails (last [ ]))
  ];
  optional = [
    (is (optional true 1) [ 1 ])
    (is (optional false 1) [ ])
  ];
  optionals = [
    (is (optionals true [ 1 ]) [ 1 ])
    (is (optionals false [ 1 ]) [ ])
  ];
  range = [
    (is (range 2 4) [
      2
      3
      4
    ])
    (is (range 3 2) [ ])
  ];
  remove = [
    (is
      (remove 3 [
        1
        3
        4
        3
      ])
      [
        1
        4
      ]
    )
  ];
  removePrefix = [
    (is (lists.removePrefix [ 1 ] [ 1 2 ]) [ 2 ])
    (fails (lists.removePrefix [ 2 ] [ 1 2 ]))
  ];
  replaceElemAt = [
    (is (replaceElemAt [ 1 2 3 ] 1 "x") [
      1
      "x"
      3
    ])
  ];
  singleton = [
    (is (singleton 1) [ 1 ])
  ];
  sublist = [
    (is
      (sublist 1 3 [
        1
        2
        3
        4
        5
      ])
      [
        2
        3
        4
      ]
    )
    (is (sublist 1 3 [ ]) [ ])
  ];
  take = [
    (is
      (take 2 [
        1
        2
        3
      ])
      [
        1
        2
      ]
    )
    (is (take 5 [ 1 ]) [ 1 ])
  ];
  takeEnd = [
    (is
      (takeEnd 2 [
        1
        2
        3
      ])
      [
        2
        3
      ]
    )
    (is (takeEnd 9 [ 1 ]) [ 1 ])
  ];
  toList = [
    (is (toList [ 1 ]) [ 1 ])
    (is (toList 1) [ 1 ])
  ];
}
