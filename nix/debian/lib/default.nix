# The library of the built-in channel, under nixpkgs' names: each part as a set of its own and, where nixpkgs has it so, flat.
let
  library =
    lib:
    let
      part = file: import file { inherit lib; };
      parts = {
        asserts = part ./asserts.nix;
        attrsets = part ./attrsets.nix;
        cli = part ./cli.nix;
        customisation = part ./customisation.nix;
        debug = part ./debug.nix;
        derivations = part ./derivations.nix;
        filesystem = part ./filesystem.nix;
        fixedPoints = part ./fixed-points.nix;
        generators = part ./generators;
        licenses = part ./licenses.nix;
        lists = part ./lists.nix;
        maintainers = { };
        meta = part ./meta.nix;
        modules = part ./modules;
        options = part ./options;
        sources = part ./sources.nix;
        strings = part ./strings;
        stringsWithDeps = part ./strings-with-deps.nix;
        systems = part ./systems.nix;
        teams = { };
        trivial = part ./trivial.nix;
        types = part ./types;
        versions = part ./versions.nix;
      };

      # Names that a part has for itself only, since flat they would say nothing or something else.
      flat =
        parts.trivial
        // parts.fixedPoints
        // removeAttrs parts.strings [ "replicate" "commonPrefixLength" "commonSuffixLength" ]
        // removeAttrs parts.lists [ "hasPrefix" "removePrefix" ]
        // parts.attrsets
        // parts.stringsWithDeps
        // parts.customisation
        // parts.derivations
        // parts.meta
        // parts.filesystem
        // parts.sources
        // parts.options
        // removeAttrs parts.modules [ "importJSON" "importTOML" ]
        // parts.asserts
        // parts.debug;
    in
    flat
    // parts
    // {
      inherit (parts.generators) mkLuaInline;
      inherit (parts.types)
        defaultFunctor
        defaultTypeMerge
        isOptionType
        isType
        mkOptionType
        setType
        ;
      inherit (parts.versions) compareVersions splitVersion;
      inherit (builtins)
        fromTOML
        hashString
        placeholder
        toFile
        toString
        toXML
        tryEval
        ;
      platforms = parts.systems.doubles;
      fakeHash = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
      fakeSha256 = "0000000000000000000000000000000000000000000000000000000000000000";
    };
in
(import ./fixed-points.nix { lib = { }; }).makeExtensible library
