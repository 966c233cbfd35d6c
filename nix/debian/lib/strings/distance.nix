# How alike two words are.
{ lib }:
let
  inherit (builtins)
    elemAt
    filter
    foldl'
    genList
    head
    stringLength
    substring
    ;
in
rec {
  # How many characters must be added, removed or replaced to come from one to the other.
  levenshtein =
    a: b:
    let
      width = stringLength b;

      # The row for the first n characters of `a` gives the one for n + 1.
      nextRow =
        row: n:
        let
          character = substring n 1 a;
          extend =
            done: column:
            let
              replaced = elemAt row column + (if substring column 1 b == character then 0 else 1);
              cell = lib.min replaced (1 + lib.min (elemAt row (column + 1)) (elemAt done column));
            in
            builtins.seq cell (done ++ [ cell ]);
        in
        foldl' extend [ (n + 1) ] (genList (column: column) width);
    in
    lib.last (foldl' nextRow (genList (column: column) (width + 1)) (genList (n: n) (stringLength a)));

  levenshteinAtMost =
    most: a: b:
    let
      difference = stringLength a - stringLength b;
    in
    difference <= most && difference >= -most && levenshtein a b <= most;

  # The one of `words` that is most like `word`, or null if none is near. A third of its letters may differ.
  nearest =
    word: words:
    let
      most = lib.max 1 (stringLength word / 3);
      candidates = filter (other: levenshteinAtMost most word other) words;
      closer = a: b: levenshtein word a < levenshtein word b;
    in
    if candidates == [ ] then null else head (builtins.sort closer candidates);
}
