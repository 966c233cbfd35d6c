# Lists.
{ lib }:
let
  inherit (builtins)
    attrNames
    concatLists
    concatMap
    elem
    elemAt
    filter
    foldl'
    genList
    head
    isList
    length
    sort
    tail
    ;
in
rec {
  inherit
    concatLists
    concatMap
    elem
    elemAt
    filter
    foldl'
    genList
    head
    isList
    length
    sort
    tail
    ;
  inherit (builtins)
    all
    any
    groupBy
    partition
    ;

  # Making.

  singleton = item: [ item ];
  toList = value: if isList value then value else [ value ];
  optional = condition: item: if condition then [ item ] else [ ];
  optionals = condition: items: if condition then items else [ ];
  range = first: last: if first > last then [ ] else genList (n: first + n) (last - first + 1);
  replicate = count: item: genList (_: item) count;

  # Mapping and folding.

  map = builtins.map;
  forEach = items: f: builtins.map f items;
  imap0 = f: items: genList (n: f n (elemAt items n)) (length items);
  imap1 = f: items: genList (n: f (n + 1) (elemAt items n)) (length items);
  ifilter0 =
    keep: items:
    builtins.map (elemAt items) (filter (n: keep n (elemAt items n)) (genList (n: n) (length items)));
  concatAttrValues = set: concatLists (builtins.attrValues set);
  foldr =
    f: start: items:
    let
      count = length items;
      step = n: if n == count then start else f (elemAt items n) (step (n + 1));
    in
    step 0;
  fold = foldr;

  # Unlike foldl', does not force what it has so far.
  foldl =
    f: start: items:
    let
      step = n: if n == -1 then start else f (step (n - 1)) (elemAt items n);
    in
    step (length items - 1);
  flatten = value: if isList value then concatMap flatten value else [ value ];
  groupBy' =
    f: start: key: items:
    builtins.mapAttrs (_: foldl' f start) (builtins.groupBy key items);

  # Finding.

  count = wanted: foldl' (n: item: if wanted item then n + 1 else n) 0;
  remove = unwanted: filter (item: item != unwanted);
  findSingle =
    wanted: none: several: items:
    let
      found = filter wanted items;
    in
    if found == [ ] then
      none
    else if length found == 1 then
      head found
    else
      several;
  findFirstIndex =
    wanted: default: items:
    let
      count = length items;

      # Folding instead of recursion: a long list must not use up the stack.
      index = foldl' (
        found: n:
        if found != null then
          found
        else if wanted (elemAt items n) then
          n
        else
          null
      ) null (genList (n: n) count);
    in
    if index == null then default else index;
  findFirst =
    wanted: default: items:
    let
      index = findFirstIndex wanted null items;
    in
    if index == null then default else elemAt items index;

  # Parts.

  sublist =
    start: count: items:
    let
      available = length items - start;
    in
    genList (n: elemAt items (start + n)) (
      if available <= 0 then
        0
      else if count > available then
        available
      else
        count
    );
  take = sublist 0;
  drop = count: items: sublist count (length items) items;
  takeEnd = count: items: drop (lib.max 0 (length items - count)) items;
  dropEnd = count: items: take (lib.max 0 (length items - count)) items;
  last =
    items:
    assert lib.assertMsg (items != [ ]) "lists.last: the list is empty";
    elemAt items (length items - 1);
  init =
    items:
    assert lib.assertMsg (items != [ ]) "lists.init: the list is empty";
    take (length items - 1) items;
  hasPrefix = start: items: take (length start) items == start;
  removePrefix =
    start: items:
    if hasPrefix start items then
      drop (length start) items
    else
      throw "lists.removePrefix: the list does not start so";
  commonPrefixLength =
    a: b:
    let
      most = lib.min (length a) (length b);
      step = n: if n < most && elemAt a n == elemAt b n then step (n + 1) else n;
    in
    step 0;
  commonPrefix = a: b: take (commonPrefixLength a b) a;
  replaceElemAt =
    items: index: new:
    if index < 0 || index >= length items then
      throw "lists.replaceElemAt: index ${toString index} is outside of the list"
    else
      imap0 (n: item: if n == index then new else item) items;

  # Pairs.

  zipListsWith =
    f: first: second:
    genList (n: f (elemAt first n) (elemAt second n)) (lib.min (length first) (length second));
  zipLists = zipListsWith (fst: snd: { inherit fst snd; });
  crossLists =
    f: foldl' (functions: arguments: concatMap (g: builtins.map g arguments) functions) [ f ];

  # Order.

  reverseList =
    items:
    let
      count = length items;
    in
    genList (n: elemAt items (count - n - 1)) count;
  sortOn =
    key: items:
    builtins.map (pair: elemAt pair 1) (
      sort (a: b: head a < head b) (
        builtins.map (item: [
          (key item)
          item
        ]) items
      )
    );
  compareLists =
    compare: a: b:
    if a == [ ] then
      if b == [ ] then 0 else -1
    else if b == [ ] then
      1
    else
      let
        order = compare (head a) (head b);
      in
      if order == 0 then compareLists compare (tail a) (tail b) else order;

  # Digits count as numbers: "disk9" before "disk10".
  naturalSort =
    items:
    let
      key =
        text:
        builtins.map (part: if isList part then lib.toIntBase10 (head part) else part) (
          builtins.split "(0|[1-9][0-9]*)" text
        );
      pairs = builtins.map (item: [
        (key item)
        item
      ]) items;
    in
    builtins.map (pair: elemAt pair 1) (
      sort (a: b: compareLists lib.compare (head a) (head b) < 0) pairs
    );

  # Sets of values.

  unique = foldl' (seen: item: if elem item seen then seen else seen ++ [ item ]) [ ];

  # As `unique`, for strings only, without comparing all with all.
  uniqueStrings = items: attrNames (builtins.groupBy (item: item) items);
  allUnique = items: length (unique items) == length items;
  intersectLists = a: filter (item: elem item a);
  subtractLists = unwanted: filter (item: !elem item unwanted);
  mutuallyExclusive = a: b: !builtins.any (item: elem item a) b;

  # Dependencies: `before a b` says that a comes before b.

  listDfs =
    stopOnCycles: before: items:
    let
      visit =
        current: visited: rest:
        let
          toVisit = builtins.partition (item: before item current) rest;
          cycle = filter (item: before item current) visited;
        in
        if stopOnCycles && cycle != [ ] then
          {
            cycle = current;
            loops = cycle;
            inherit visited rest;
          }
        else if toVisit.right == [ ] then
          {
            minimal = current;
            inherit visited rest;
          }
        else
          visit (head toVisit.right) ([ current ] ++ visited) (tail toVisit.right ++ toVisit.wrong);
    in
    visit (head items) [ ] (tail items);

  toposort =
    before: items:
    let
      first = listDfs true before items;
      others = toposort before (first.visited ++ first.rest);
    in
    if length items < 2 then
      { result = items; }
    else if first ? cycle then
      {
        cycle = reverseList ([ first.cycle ] ++ first.visited);
        inherit (first) loops;
      }
    else if others ? cycle then
      others
    else
      { result = [ first.minimal ] ++ others.result; };
}
