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
        kernel = part ./kernel.nix;
        licenses = part ./licenses.nix;
        lists = part ./lists.nix;
        maintainers = { };
        meta = part ./meta.nix;
        misc = part ./misc.nix;
        modules = part ./modules;
        options = part ./options;
        path = part ./path.nix;
        sources = part ./sources.nix;
        sourceTypes = part ./source-types.nix;
        strings = part ./strings;
        stringsWithDeps = part ./strings-with-deps.nix;
        systems = part ./systems.nix;
        teams = { };
        trivial = part ./trivial.nix;
        types = part ./types;
        versions = part ./versions.nix;
      };

      # Strings, lists and paths have these in their own sets; strings have the flat name where there is one.
      affixes = [
        "commonPrefix"
        "commonPrefixLength"
        "commonSuffixLength"
        "hasPrefix"
        "removePrefix"
        "replicate"
      ];

      flat =
        parts.trivial
        // parts.fixedPoints
        // removeAttrs parts.strings affixes
        // removeAttrs parts.lists affixes
        // parts.attrsets
        // parts.stringsWithDeps
        // parts.customisation
        // parts.derivations
        // parts.meta
        // parts.filesystem
        // parts.sources
        // parts.options
        // parts.asserts
        // parts.debug;
    in
    flat
    // parts
    // {
      inherit (parts.generators) mkLuaInline;
      inherit (parts.lists) replicate;
      inherit (parts.strings) hasPrefix removePrefix;
      inherit (parts.modules)
        applyModuleArgsIfFunction
        dischargeProperties
        doRename
        evalModules
        evalOptionValue
        filterOverrides
        fixMergeModules
        fixupOptionType
        mergeDefinitions
        mergeModules
        mergeOptionDecls
        mkAfter
        mkAliasAndWrapDefinitions
        mkAliasDefinitions
        mkAliasIfDef
        mkAliasOptionModule
        mkAliasOptionModuleMD
        mkAssert
        mkBefore
        mkChangedOptionModule
        mkDefault
        mkDefinition
        mkDerivedConfig
        mkFixStrictness
        mkForce
        mkIf
        mkImageMediaOverride
        mkMerge
        mkMergedOptionModule
        mkOptionDefault
        mkOrder
        mkOverride
        mkRemovedOptionModule
        mkRenamedOptionModule
        mkRenamedOptionModuleWith
        mkVMOverride
        pushDownProperties
        setDefaultModuleLocation
        sortProperties
        unifyModuleSyntax
        ;
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
      fakeSha512 = parts.strings.replicate 128 "0";
      inherit (parts.misc)
        closePropagation
        imap
        mapAttrsFlatten
        maybeAttr
        maybeEnv
        mergeAttrsConcatenateValues
        mergeAttrsWithFunc
        nvs
        replaceChars
        setAttr
        ;
    };
in
(import ./fixed-points.nix { lib = { }; }).makeExtensible library
