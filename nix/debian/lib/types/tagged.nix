# A set with exactly one attribute out of several options.
{ lib }:
let
  inherit (builtins)
    attrNames
    head
    intersectAttrs
    isAttrs
    length
    mapAttrs
    unsafeGetAttrPos
    ;
  inherit (lib.options)
    getFiles
    getValues
    isOption
    showFiles
    showOption
    ;
  quote = lib.strings.escapeNixIdentifier;

  declareTags =
    tags:
    mapAttrs (
      name: option:
      let
        position = unsafeGetAttrPos name tags;
        positions = lib.optional (position != null) position;
      in
      if isOption option then
        {
          declarations = map (at: at.file) positions;
          declarationPositions = positions;
        }
        // option
      else
        throw "In attrTag, each tag value must be an option, but tag ${quote name} was not."
    ) tags;

  asDeclaration = option: {
    _file = "<attrTag {...}>";
    pos = null;
    options = removeAttrs option [
      "declarations"
      "declarationPositions"
    ];
  };
  mergeTag =
    name: a: b:
    lib.modules.mergeOptionDecls [ name ] (
      map asDeclaration [
        a
        b
      ]
    )
    // {
      declarations = a.declarations ++ b.declarations;
      declarationPositions = a.declarationPositions ++ b.declarationPositions;
    };
in
rec {
  attrTag =
    tags_:
    let
      tags = declareTags tags_;
      choices = lib.concatMapStringsSep ", " quote (attrNames tags);
    in
    lib.types.mkOptionType {
      name = "attrTag";
      description = "attribute-tagged union with choices: ${choices}";
      descriptionClass = "noun";
      check = value: isAttrs value && length (attrNames value) == 1 && tags ? ${head (attrNames value)};
      merge =
        loc: definitions:
        let
          chosen = map (value: head (attrNames value)) (getValues definitions);
          tag = head chosen;
          other = lib.findFirst (name: name != tag) null chosen;
        in
        if other != null then
          throw "The option `${showOption loc}' is defined both as `${tag}' and `${other}', in ${showFiles (getFiles definitions)}."
        else
          {
            ${tag} =
              (lib.modules.evalOptionValue (loc ++ [ tag ]) tags.${tag} (
                map (definition: {
                  inherit (definition) file;
                  value = definition.value.${tag};
                }) definitions
              )).value;
          };
      getSubOptions = prefix: mapAttrs (name: option: option // { loc = prefix ++ [ name ]; }) tags;
      nestedTypes = tags;
      functor = lib.types.defaultFunctor "attrTag" // {
        type = payload: attrTag payload.tags;
        payload = { inherit tags; };
        binOp = a: b: {
          tags =
            a.tags
            // b.tags
            // mapAttrs (name: option: mergeTag name a.tags.${name} option) (intersectAttrs a.tags b.tags);
        };
      };
    };
}
