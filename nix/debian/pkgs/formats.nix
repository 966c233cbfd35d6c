# nixpkgs' `pkgs.formats`: a type and a generator for each settings format.
{ lib, writeText }:

let
  atom = lib.types.nullOr (
    lib.types.oneOf [
      lib.types.bool
      lib.types.int
      lib.types.float
      lib.types.str
      lib.types.path
    ]
  );
  value =
    lib.types.nullOr (
      lib.types.oneOf [
        atom
        (lib.types.attrsOf value)
        (lib.types.listOf value)
      ]
    )
    // {
      description = "a value of the format";
    };
in
{
  json = _: {
    type = value;
    generate = name: settings: writeText name (builtins.toJSON settings);
  };
  # JSON is YAML.
  yaml = _: {
    type = value;
    generate = name: settings: writeText name (builtins.toJSON settings);
  };
  ini =
    arguments:
    let
      rendering = removeAttrs arguments [ "listsAsDuplicateKeys" ];
    in
    {
      type = lib.types.attrsOf (lib.types.attrsOf atom);
      generate = name: settings: writeText name (lib.generators.toINI rendering settings);
    };
  keyValue = arguments: {
    type = lib.types.attrsOf atom;
    generate = name: settings: writeText name (lib.generators.toKeyValue arguments settings);
  };
}
