# Lists: order, groups, sets of values.
{
  lib,
  is,
  fails,
}:
let
  inherit (lib)
    allUnique
    boolToString
    compare
    compareLists
    crossLists
    groupBy
    groupBy'
    hasPrefix
    intersectLists
    listDfs
    mutuallyExclusive
    naturalSort
    partition
    reverseList
    sort
    sortOn
    stringLength
    subtractLists
    toposort
    unique
    uniqueStrings
    zipLists
    zipListsWith
    ;
in
{
  allUnique = [
    (is (allUnique [
      1
      2
    ]) true)
    (is (allUnique [
      1
      1
    ]) false)
  ];
  compareLists = [
    (is (compareLists compare [ 1 2 ] [ 1 3 ]) (-1))
    (is (compareLists compare [ ] [ ]) 0)
    (is (compareLists compare [ 1 ] [ ]) 1)
  ];
  crossLists = [
    (is
      (crossLists
        (a: b: [
          a
          b
        ])
        [
          [
            1
            2
          ]
          [
            3
            4
          ]
        ]
      )
      [
        [
          1
          3
        ]
        [
          1
          4
        ]
        [
          2
          3
        ]
        [
          2
          4
        ]
      ]
    )
  ];
  groupBy = [
    (is
      (groupBy (x: boolToString (x > 2)) [
        5
        1
        2
        3
        4
      ])
      {
        false = [
          1
          2
        ];
        true = [
          5
          3
          4
        ];
      }
    )
  ];
  groupBy' = [
    (is
      (groupBy' builtins.add 0 (x: boolToString (x > 2)) [
        5
        1
        2
        3
        4
      ])
      {
        false = 3;
        true = 12;
      }
    )
  ];
  intersectLists = [
    (is (intersectLists [ 1 2 3 ] [ 6 3 2 ]) [
      3
      2
    ])
  ];
  listDfs = [
    (is
      (listDfs true hasPrefix [
        "/home/user"
        "other"
        "/"
        "/home"
      ])
      {
        minimal = "/";
        rest = [
          "/home"
          "other"
        ];
        visited = [ "/home/user" ];
      }
    )
    (is
      (listDfs true hasPrefix [
        "/home/user"
        "other"
        "/"
        "/home"
        "/"
      ])
      {
        cycle = "/";
        loops = [ "/" ];
        rest = [
          "/home"
          "other"
        ];
        visited = [
          "/"
          "/home/user"
        ];
      }
    )
  ];
  mutuallyExclusive = [
    (is (mutuallyExclusive [ 1 2 ] [ 2 3 ]) false)
    (is (mutuallyExclusive [ 1 ] [ 3 ]) true)
  ];
  naturalSort = [
    (is
      (naturalSort [
        "disk11"
        "disk8"
        "disk100"
        "disk9"
      ])
      [
        "disk8"
        "disk9"
        "disk11"
        "disk100"
      ]
    )
    (is
      (naturalSort [
        "v0.2"
        "v0.15"
        "v0.0.9"
      ])
      [
        "v0.0.9"
        "v0.2"
        "v0.15"
      ]
    )
  ];
  partition = [
    (is
      (partition (x: x > 2) [
        5
        1
        2
        3
      ])
      {
        right = [
          5
          3
        ];
        wrong = [
          1
          2
        ];
      }
    )
  ];
  reverseList = [
    (is
      (reverseList [
        1
        2
        3
      ])
      [
        3
        2
        1
      ]
    )
  ];
  sort = [
    (is
      (sort (a: b: a < b) [
        5
        3
        7
      ])
      [
        3
        5
        7
      ]
    )
  ];
  sortOn = [
    (is
      (sortOn stringLength [
        "aa"
        "b"
        "cccc"
      ])
      [
        "b"
        "aa"
        "cccc"
      ]
    )
  ];
  subtractLists = [
    (is (subtractLists [ 3 2 ] [ 1 2 3 4 5 3 ]) [
      1
      4
      5
    ])
  ];
  toposort = [
    (is
      (toposort hasPrefix [
        "/home/user"
        "other"
        "/"
        "/home"
      ])
      {
        result = [
          "/"
          "/home"
          "/home/user"
          "other"
        ];
      }
    )
    (is
      (toposort hasPrefix [
        "/home/user"
        "other"
        "/"
        "/home"
        "/"
      ])
      {
        cycle = [
          "/home/user"
          "/"
          "/"
        ];
        loops = [ "/" ];
      }
    )
    (is
      (toposort (a: b: a < b) [
        3
        2
        1
      ])
      {
        result = [
          1
          2
          3
        ];
      }
    )
    (is (toposort (a: b: a < b) [ ]) { result = [ ]; })
  ];
  unique = [
    (is
      (unique [
        3
        2
        3
        4
      ])
      [
        3
        2
        4
      ]
    )
  ];
  uniqueStrings = [
    (is
      (uniqueStrings [
        "b"
        "a"
        "b"
      ])
      [
        "a"
        "b"
      ]
    )
  ];
  zipLists = [
    (is (zipLists [ 1 2 ] [ "a" "b" ]) [
      {
        fst = 1;
        snd = "a";
      }
      {
        fst = 2;
        snd = "b";
      }
    ])
  ];
  zipListsWith = [
    (is (zipListsWith (a: b: a + b) [ "h" "l" ] [ "e" "o" "x" ]) [
      "he"
      "lo"
    ])
  ];
}
