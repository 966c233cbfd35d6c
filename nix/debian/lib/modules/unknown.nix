# The error about definitions of options that do not exist: all of them, each with file and line.
{ lib }:
let
  inherit (builtins)
    attrNames
    concatMap
    head
    isAttrs
    length
    unsafeGetAttrPos
    ;
  inherit (lib.modules) pushDown;
  inherit (lib.options) isOption showOption;
  inherit (import ./source.nix { inherit lib; }) bindsWrittenSet;

  # The tests use the library as anyone does.
  library = toString ../.;
  isOfLibrary = file: lib.hasPrefix "${library}/" file && !lib.hasPrefix "${library}/tests/" file;

  # Where `name` stands in `attributes`, or null: sets that functions make have no place, or one in this library.
  positionOf =
    attributes: name:
    let
      position = unsafeGetAttrPos name attributes;
      file = toString position.file;
    in
    if position == null || !lib.hasPrefix "/" file || isOfLibrary file then
      null
    else
      position // { inherit file; };

  # The single definitions below an unmatched one: `{ path; file; line; }`. Only a value that is written out as a set is
  # looked into: to evaluate any other could fail, since the configuration that it may depend on is not valid.
  leaves =
    {
      path,
      name,
      source,
    }:
    let
      position = positionOf source.attributes name;
      value = source.attributes.${name};
      sources = pushDown source.file source.wrap value;
      isGroup =
        attributes:
        isAttrs attributes && attributes != { } && !(attributes ? _type) && !lib.isDerivation attributes;
      below = concatMap (
        inner:
        map (name: {
          inherit name;
          path = path ++ [ name ];
          source = inner;
        }) (attrNames inner.attributes)
      ) sources;
    in
    if
      position != null
      && bindsWrittenSet position path
      && sources != [ ]
      && builtins.all (inner: isGroup inner.attributes) sources
    then
      concatMap leaves below
    else
      [
        {
          inherit path;
          file = if position == null then source.file else position.file;
          line = if position == null then null else position.line;
        }
      ];

  # What a type finds in definitions. Errors of the definitions themselves are others' to report.
  found =
    option: definitions:
    let
      unknown = lib.types.findUnknown option.type option.loc definitions;
      tried = builtins.tryEval (builtins.deepSeq unknown unknown);
    in
    if tried.success then tried.value else [ ];

  # The values of a definition, with its file.
  discharge =
    definition:
    map (
      value:
      if value._type or null == "definition" then
        value
      else
        definition
        // {
          value = if value._type or null == "override" || value._type or null == "order" then value.content else value;
        }
    ) (lib.modules.dischargeProperties definition.value);

  place = leaf: [
    leaf.file
    (lib.defaultTo 0 leaf.line)
  ];
in
rec {
  # The hint of all evaluations that set none of their own, submodules among them. To be changed by `lib.extend`.
  unknownOptionsHint = "";

  # Every definition of an option that does not exist, in the order of the source: `{ option; file; line; suggestion; }`.
  unknownDefinitions =
    {
      prefix,
      options,
      unmatched,
    }:
    map (
      leaf:
      let
        near = nearestOption options (lib.drop (length prefix) leaf.path);
      in
      {
        option = showOption leaf.path;
        inherit (leaf) file line;
        suggestion = if near == null then null else showOption (prefix ++ near);
      }
    ) (lib.sortOn place (concatMap leaves unmatched));

  # The path of the option in `options` that is most like `path`, name by name, or null.
  nearestOption =
    options: path:
    let
      walk =
        found: node: rest:
        let
          name = head rest;
          near =
            if node ? ${name} then name else lib.strings.nearest name (lib.remove "_module" (attrNames node));
        in
        if rest == [ ] || isOption node then
          found
        else if near == null then
          null
        else
          walk (found ++ [ near ]) node.${near} (lib.tail rest);
      near = walk [ ] options path;
    in
    if near == path then null else near;

  showUnknownOption =
    {
      option,
      file,
      line,
      suggestion,
    }:
    "  - ${option} (${file}${lib.optionalString (line != null) ":${toString line}"})"
    + lib.optionalString (suggestion != null) "\n    did you mean `${suggestion}'?";

  # Those within the values of options, which the types know how to look into.
  unknownInOptions =
    options: concatMap (option: found option option.definitionsWithLocations) (lib.collect isOption options);

  # The same where the configuration is not valid: of the definitions that do not depend on it, each by itself.
  unknownInDefinitions =
    options:
    let
      unknown = concatMap (
        option: concatMap (definition: found option (discharge definition)) (option.ownDefinitions or [ ])
      ) (lib.collect isOption options);
      tried = builtins.tryEval (builtins.seq (length unknown) unknown);
    in
    if tried.success then tried.value else [ ];

  # `options` are those that do exist at `prefix`; `hint` comes last.
  unknownOptionsMessage =
    {
      unknown,
      hint ? "",
      prefix ? [ ],
      options ? { },
    }:
    let
      count = length unknown;
      nothingDeclared = attrNames options == [ "_module" ];
    in
    lib.concatStringsSep "\n" (
      [
        (
          if count == 1 then
            "An option that is set does not exist:"
          else
            "${toString count} options that are set do not exist:"
        )
      ]
      ++ map showUnknownOption unknown
      ++ lib.optional nothingDeclared (
        if prefix == [ ] then
          "It seems as if you're trying to declare an option by placing it into `config' rather than `options'!"
        else
          "There are no options in `${showOption prefix}': a submodule declares them under `options', not under `config'."
      )
      ++ lib.optional (hint != "") hint
    );
}
