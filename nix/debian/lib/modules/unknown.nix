# The error about definitions of options that do not exist: all of them, each with file and line.
{ lib }:
let
  inherit (builtins)
    attrNames
    concatMap
    filter
    head
    isAttrs
    isList
    length
    match
    readFile
    split
    substring
    unsafeGetAttrPos
    ;
  inherit (lib.modules) pushDown;
  inherit (lib.options) isOption showOption;

  library = toString ../.;

  # Where `name` stands in `attributes`, or null: sets that functions make have no place, or one in this library.
  positionOf =
    attributes: name:
    let
      position = unsafeGetAttrPos name attributes;
      file = toString position.file;
    in
    if position == null || substring 0 1 file != "/" || lib.hasPrefix library file then null else position // { inherit file; };

  part = "[a-zA-Z_][a-zA-Z0-9_'-]*|\"[^\"$\\]*\"";
  binding = "((${part})([[:space:]]*\\.[[:space:]]*(${part}))*)[[:space:]]*=[[:space:]]*(rec[[:space:]]*)?(.).*";

  # The text of the source at a position: the rest of its line and three more.
  textAt =
    position:
    let
      lines = lib.sublist (position.line - 1) 4 (lib.splitString "\n" (readFile position.file));
    in
    substring 0 400 (substring (position.column - 1) (-1) (lib.concatStringsSep "\n" lines));

  # Whether the source binds the last name of `path` to a set that is written out there, by braces or by a longer path. Only
  # such a value is looked into: to evaluate any other could fail, since the configuration it may depend on is not valid.
  isWrittenOut =
    position: path:
    let
      parts = match binding (textAt position);
      names = map (lib.removePrefix "\"") (
        map (lib.removeSuffix "\"") (concatMap (found: if isList found then [ (head found) ] else [ ]) (split "(${part})" (head parts)))
      );
      overlap = lib.findFirst (
        count: lib.take count names == lib.takeEnd count path
      ) 0 (lib.reverseList (lib.range 1 (lib.min (length names) (length path))));
    in
    position != null
    && builtins.pathExists position.file
    && parts != null
    && overlap > 0
    && (overlap < length names || lib.last parts == "{");

  # The single definitions below an unmatched one: `{ path; file; line; }`.
  leaves =
    {
      path,
      name,
      source,
    }:
    let
      position = positionOf source.attributes name;
      value = source.attributes.${name};
      below = concatMap (
        inner:
        map (name: {
          inherit name;
          path = path ++ [ name ];
          source = inner;
        }) (attrNames inner.attributes)
      ) (pushDown source.file source.wrap value);
    in
    if isWrittenOut position path && isAttrs value && value ? _type == false && value != { } then
      concatMap leaves below
    else
      [
        {
          inherit path;
          file = if position == null then source.file else position.file;
          line = if position == null then null else position.line;
        }
      ];

  byPlace = a: b: if a.file == b.file then (if a.line == null then 0 else a.line) < (if b.line == null then 0 else b.line) else a.file < b.file;
in
rec {
  # Every definition of an option that does not exist, in the order of the source: `{ option; file; line; suggestion; }`.
  unknownOptions =
    {
      prefix,
      options,
      unmatched,
    }:
    map (leaf: {
      option = showOption leaf.path;
      inherit (leaf) file line;
      suggestion =
        let
          near = nearestOption options (lib.drop (length prefix) leaf.path);
        in
        if near == null then null else showOption (prefix ++ near);
    }) (builtins.sort byPlace (concatMap leaves unmatched));

  # The path of the option in `options` that is most like `path`, name by name, or null.
  nearestOption =
    options: path:
    let
      walk =
        found: node: rest:
        let
          name = head rest;
          names = filter (known: known != "_module") (attrNames node);
          near = if node ? ${name} then name else lib.strings.nearest name names;
        in
        if rest == [ ] || isOption node then
          found
        else if near == null then
          null
        else
          walk (found ++ [ near ]) node.${near} (lib.tail rest);
      result = walk [ ] options path;
    in
    if result == path then null else result;

  showUnknownOption =
    {
      option,
      file,
      line,
      suggestion,
    }:
    "  - ${option} (${file}${lib.optionalString (line != null) ":${toString line}"})"
    + lib.optionalString (suggestion != null) "\n    did you mean `${suggestion}'?";

  unknownOptionsMessage =
    {
      prefix,
      options,
      unmatched,
      hint,
    }:
    let
      unknown = unknownOptions { inherit prefix options unmatched; };
      nothingDeclared = attrNames options == [ "_module" ];
    in
    lib.concatStringsSep "\n" (
      [
        (if length unknown == 1 then "An option that is set does not exist:" else "${toString (length unknown)} options that are set do not exist:")
      ]
      ++ map showUnknownOption unknown
      ++ lib.optional nothingDeclared (
        if prefix == [ ] then
          "It seems as if you're trying to declare an option by placing it into `config' rather than `options'!"
        else
          "However there are no options defined in `${showOption prefix}'. Are they declared in `types.submodule' under `config' rather than `options'?"
      )
      ++ lib.optional (hint != "") hint
    );
}
