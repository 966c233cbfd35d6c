# Reads the source of a module around a position, to know what a value is without evaluating it.
{ lib }:
let
  inherit (builtins)
    concatMap
    elemAt
    head
    isList
    length
    match
    pathExists
    readFile
    split
    substring
    ;

  name = "[a-zA-Z_][a-zA-Z0-9_'-]*|\"[^\"$\\]*\"";
  attributePath = "(${name})([[:space:]]*\\.[[:space:]]*(${name}))*";

  # A value that begins with a brace, perhaps below a property; `{ a, ... }:` is a function and harmless.
  set = "(rec[[:space:]]*|(lib\\.)?mk[A-Z][A-Za-z]*[[:space:]][^;{]*)?\\{";

  # The text at a position: the rest of its line and three more.
  textAt =
    position:
    let
      lines = lib.sublist (position.line - 1) 4 (lib.splitString "\n" (readFile position.file));
    in
    substring 0 400 (substring (position.column - 1) (-1) (lib.concatStringsSep "\n" lines));

  unquote = text: lib.removePrefix "\"" (lib.removeSuffix "\"" text);
  namesOf =
    text:
    map unquote (
      concatMap (part: if isList part then [ (head part) ] else [ ]) (split "(${name})" text)
    );
in
rec {
  # The line, from that of `position` on, in which `text` stands; that of the position where there is none.
  lineAfter =
    position: text:
    let
      lines = lib.drop (position.line - 1) (lib.splitString "\n" (readFile position.file));
      found = lib.findFirst (n: lib.hasInfix text (elemAt lines n)) 0 (lib.range 0 (length lines - 1));
    in
    if pathExists position.file then position.line + found else position.line;

  # Whether the binding at `position`, of the last name of `path`, has a value that is written out as a set: by braces, or
  # by a path that goes on, as `a.b.c = …` for `a.b`.
  bindsWrittenSet = position: path: pathExists position.file && isWrittenSet (textAt position) path;

  isWrittenSet =
    text: path:
    let
      parts = match "(${attributePath})[[:space:]]*=[[:space:]]*(.*)" text;
      names = namesOf (head parts);
      value = elemAt parts 4;

      # How many of the names that stand there belong to `path`.
      counts = lib.reverseList (lib.range 1 (lib.min (length names) (length path)));
      overlap = lib.findFirst (count: lib.take count names == lib.takeEnd count path) 0 counts;
    in
    parts != null && overlap > 0 && (overlap < length names || match "${set}.*" value != null);
}
