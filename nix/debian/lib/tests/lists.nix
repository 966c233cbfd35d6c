# Lists.
{
  lib,
  is,
  fails,
}:
let
  inherit (lib)
    all
    allUnique
    any
    boolToString
    compare
    compareLists
    concatAttrValues
    count
    crossLists
    drop
    dropEnd
    findFirst
    findSingle
    flatten
    fold
    foldl
    foldr
    forEach
    groupBy
    groupBy'
    hasPrefix
    ifilter0
    imap0
    imap1
    init
    intersectLists
    last
    listDfs
    lists
    mutuallyExclusive
    naturalSort
    optional
    optionals
    partition
    range
    remove
    replaceElemAt
    reverseList
    singleton
    sort
    sortOn
    stringLength
    sublist
    subtractLists
    take
    takeEnd
    toList
    toposort
    unique
    uniqueStrings
    zipLists
    zipListsWith
    ;
in
{
  all = [
    (is (all (x: x < 3) [ 1 2 ]) true)
  ];
  allUnique = [
    (is (allUnique [ 1 2 ]) true)
    (is (allUnique [ 1 1 ]) false)
  ];
  any = [
    (is (any (x: x < 3) [ 1 2 ]) true)
  ];
  commonPrefix = [
    (is (lists.commonPrefix [ 1 2 3 ] [ 1 2 4 ]) [ 1 2 ])
  ];
  compareLists = [
    (is (compareLists compare [ 1 2 ] [ 1 3 ]) (-1))
    (is (compareLists compare [ ] [ ]) 0)
    (is (compareLists compare [ 1 ] [ ]) 1)
  ];
  concatAttrValues = [
    (is (concatAttrValues { a = [ 1 ]; b = [ 2 ]; }) [ 1 2 ])
  ];
  count = [
    (is (count (x: x == 3) [ 3 2 3 ]) 2)
  ];
  crossLists = [
    (is (crossLists (a: b: [ a b ]) [ [ 1 2 ] [ 3 4 ] ]) [ [ 1 3 ] [ 1 4 ] [ 2 3 ] [ 2 4 ] ])
  ];
  drop = [
    (is (drop 2 [ 1 2 3 ]) [ 3 ])
    (is (drop 9 [ 1 ]) [ ])
  ];
  dropEnd = [
    (is (dropEnd 1 [ 1 2 3 ]) [ 1 2 ])
    (is (dropEnd 9 [ 1 ]) [ ])
  ];
  findFirst = [
    (is (findFirst (x: x > 3) 7 [ 1 6 4 ]) 6)
    (is (findFirst (x: x > 9) 7 [ 1 6 4 ]) 7)
  ];
  findFirstIndex = [
    (is (lists.findFirstIndex (x: x == 2) null [ 1 2 ]) 1)
  ];
  findSingle = [
    (is (findSingle (x: x == 3) "none" "multiple" [ 1 3 ]) 3)
    (is (findSingle (x: x == 3) "none" "multiple" [ 1 3 3 ]) "multiple")
    (is (findSingle (x: x == 3) "none" "multiple" [ 1 ]) "none")
  ];
  flatten = [
    (is (flatten [ 1 [ 2 [ 3 ] [ ] ] 4 ]) [ 1 2 3 4 ])
    (is (flatten 1) [ 1 ])
  ];
  fold = [
    (is (fold (a: b: a - b) 0 [ 1 2 3 ]) 2)
  ];
  foldl = [
    (is (foldl (a: b: a - b) 0 [ 1 2 3 ]) (-6))
  ];
  foldr = [
    (is (foldr (x: y: x + y) "e" [ "a" "b" ]) "abe")
  ];
  forEach = [
    (is (forEach [ 1 2 ] (x: x + 1)) [ 2 3 ])
  ];
  groupBy = [
    (is (groupBy (x: boolToString (x > 2)) [ 5 1 2 3 4 ]) { false = [ 1 2 ]; true = [ 5 3 4 ]; })
  ];
  groupBy' = [
    (is (groupBy' builtins.add 0 (x: boolToString (x > 2)) [ 5 1 2 3 4 ]) { false = 3; true = 12; })
  ];
  hasPrefix = [
    (is (lists.hasPrefix [ 1 2 ] [ 1 2 3 ]) true)
  ];
  ifilter0 = [
    (is (ifilter0 (i: v: i == 0 || v > 2) [ 1 2 3 ]) [ 1 3 ])
  ];
  imap0 = [
    (is (imap0 (i: v: [ i v ]) [ "a" "b" ]) [ [ 0 "a" ] [ 1 "b" ] ])
  ];
  imap1 = [
    (is (imap1 (i: v: [ i v ]) [ "a" "b" ]) [ [ 1 "a" ] [ 2 "b" ] ])
  ];
  init = [
    (is (init [ 1 2 ]) [ 1 ])
    (fails (init [ ]))
  ];
  intersectLists = [
    (is (intersectLists [ 1 2 3 ] [ 6 3 2 ]) [ 3 2 ])
  ];
  last = [
    (is (last [ 1 2 ]) 2)
    (fails (last [ ]))
  ];
  listDfs = [
    (is (listDfs true hasPrefix [ "/home/user" "other" "/" "/home" ])
      { minimal = "/"; rest = [ "/home" "other" ]; visited = [ "/home/user" ]; }
    )
    (is (listDfs true hasPrefix [ "/home/user" "other" "/" "/home" "/" ])
      { cycle = "/"; loops = [ "/" ]; rest = [ "/home" "other" ]; visited = [ "/" "/home/user" ]; }
    )
  ];
  mutuallyExclusive = [
    (is (mutuallyExclusive [ 1 2 ] [ 2 3 ]) false)
    (is (mutuallyExclusive [ 1 ] [ 3 ]) true)
  ];
  naturalSort = [
    (is (naturalSort [ "disk11" "disk8" "disk100" "disk9" ]) [ "disk8" "disk9" "disk11" "disk100" ])
    (is (naturalSort [ "v0.2" "v0.15" "v0.0.9" ]) [ "v0.0.9" "v0.2" "v0.15" ])
  ];
  optional = [
    (is (optional true 1) [ 1 ])
    (is (optional false 1) [ ])
  ];
  optionals = [
    (is (optionals true [ 1 ]) [ 1 ])
    (is (optionals false [ 1 ]) [ ])
  ];
  partition = [
    (is (partition (x: x > 2) [ 5 1 2 3 ]) { right = [ 5 3 ]; wrong = [ 1 2 ]; })
  ];
  range = [
    (is (range 2 4) [ 2 3 4 ])
    (is (range 3 2) [ ])
  ];
  remove = [
    (is (remove 3 [ 1 3 4 3 ]) [ 1 4 ])
  ];
  removePrefix = [
    (is (lists.removePrefix [ 1 ] [ 1 2 ]) [ 2 ])
    (fails (lists.removePrefix [ 2 ] [ 1 2 ]))
  ];
  replaceElemAt = [
    (is (replaceElemAt [ 1 2 3 ] 1 "x") [ 1 "x" 3 ])
  ];
  reverseList = [
    (is (reverseList [ 1 2 3 ]) [ 3 2 1 ])
  ];
  singleton = [
    (is (singleton 1) [ 1 ])
  ];
  sort = [
    (is (sort (a: b: a < b) [ 5 3 7 ]) [ 3 5 7 ])
  ];
  sortOn = [
    (is (sortOn stringLength [ "aa" "b" "cccc" ]) [ "b" "aa" "cccc" ])
  ];
  sublist = [
    (is (sublist 1 3 [ 1 2 3 4 5 ]) [ 2 3 4 ])
    (is (sublist 1 3 [ ]) [ ])
  ];
  subtractLists = [
    (is (subtractLists [ 3 2 ] [ 1 2 3 4 5 3 ]) [ 1 4 5 ])
  ];
  take = [
    (is (take 2 [ 1 2 3 ]) [ 1 2 ])
    (is (take 5 [ 1 ]) [ 1 ])
  ];
  takeEnd = [
    (is (takeEnd 2 [ 1 2 3 ]) [ 2 3 ])
    (is (takeEnd 9 [ 1 ]) [ 1 ])
  ];
  toList = [
    (is (toList [ 1 ]) [ 1 ])
    (is (toList 1) [ 1 ])
  ];
  toposort = [
    (is (toposort hasPrefix [ "/home/user" "other" "/" "/home" ])
      { result = [ "/" "/home" "/home/user" "other" ]; }
    )
    (is (toposort hasPrefix [ "/home/user" "other" "/" "/home" "/" ])
      { cycle = [ "/home/user" "/" "/" ]; loops = [ "/" ]; }
    )
    (is (toposort (a: b: a < b) [ 3 2 1 ]) { result = [ 1 2 3 ]; })
    (is (toposort (a: b: a < b) [ ]) { result = [ ]; })
  ];
  unique = [
    (is (unique [ 3 2 3 4 ]) [ 3 2 4 ])
  ];
  uniqueStrings = [
    (is (uniqueStrings [ "b" "a" "b" ]) [ "a" "b" ])
  ];
  zipLists = [
    (is (zipLists [ 1 2 ] [ "a" "b" ]) [ { fst = 1; snd = "a"; } { fst = 2; snd = "b"; } ])
  ];
  zipListsWith = [
    (is (zipListsWith (a: b: a + b) [ "h" "l" ] [ "e" "o" "x" ]) [ "he" "lo" ])
  ];
}
