# Every option that flk's Nix files define or read, looked up in a nixpkgs tree: what `cargo xtask options` evaluates.
#
# The modules are the ones that `nix/extend.nix` gives to `extendModules`, for the host of `host.nix`. Their definitions are walked as they are written: under every
# condition and priority, so that one which another definition overrides counts as well.
#
# Arguments: the paths of the tree, and of flk's repository.
{ nixpkgs, flk }@paths:

let
  nixpkgs = /. + paths.nixpkgs;
  flk = /. + paths.flk;
  lib = import (nixpkgs + "/lib");
  tables = import ./tables.nix;

  evaluate =
    modules:
    import (nixpkgs + "/nixos/lib/eval-config.nix") {
      system = "x86_64-linux";
      inherit modules;
    };

  # NixOS before 21.11 has no `extendModules`: the live system is the same evaluation with more modules.
  ofHost = [
    ./host.nix
    (flk + "/nix/live/packages.nix")
    (flk + "/nix/live/options.nix")
  ];
  host = evaluate ofHost;
  given =
    (import (flk + "/nix/extend.nix") {
      flk = toString flk;
      name = "sample";
      settings.allowNoKeys = true;
    }).extend
      (
        host
        // {
          pkgs = host.config.flk.pkgs;
          specialArgs.modulesPath = toString nixpkgs + "/nixos/modules";
          extendModules = arguments: arguments;
        }
      );
  live = evaluate (ofHost ++ given.modules);

  # Properties of a definition: `mkMerge`, `mkIf`, `mkOverride`, `mkOrder`; and what `whereKnown` is here.
  property = value: if builtins.isAttrs value then value._type or null else null;
  isPlain = value: builtins.isAttrs value && value.type or null != "derivation";

  # The values below all properties: `{ value; isActive; isKnown; }`.
  peel =
    state: value:
    let
      kind = property value;
    in
    if kind == "merge" then
      lib.concatMap (peel state) value.contents
    else if kind == "if" then
      peel (state // { isActive = state.isActive && value.condition; }) value.content
    else if kind == "override" || kind == "order" then
      peel state value.content
    else if kind == "whereKnown" then
      peel (state // { isGuarded = true; }) value.content
    else
      [ (state // { inherit value; }) ];
  written = {
    isActive = true;
    isGuarded = false;
  };

  # `{ file; path; option; value; isActive; isGuarded; }` of each definition; `option` is null where the tree has none.
  walk =
    file: path: options: state: value:
    lib.concatMap (
      piece:
      let
        isOption = lib.isOption options;
        isEnd =
          isOption
          || piece.isGuarded
          || !(isPlain piece.value)
          || (options == null && !hasGuard 6 piece.value);
      in
      if isEnd then
        [
          (
            piece
            // {
              inherit file path;
              option = if isOption then options else null;
            }
          )
        ]
      else
        lib.concatMap (
          name:
          walk file (path ++ [ name ]) (if options == null then null else options.${name} or null) {
            inherit (piece) isActive isGuarded;
          } piece.value.${name}
        ) (lib.attrNames piece.value)
    ) (peel state value);

  # Whether a definition below is one of `whereKnown`.
  hasGuard =
    depth: value:
    lib.any (
      piece:
      piece.isGuarded || depth > 0 && isPlain piece.value && lib.any (hasGuard (depth - 1)) (lib.attrValues piece.value)
    ) (peel written value);

  # `whereKnown` gives no definition where there is no option: here it gives each.
  withoutGuards =
    file: arguments:
    import file arguments
    // {
      whereKnown =
        path: value:
        lib.setAttrByPath path {
          _type = "whereKnown";
          content = value;
        };
    };
  load = builtins.scopedImport {
    import = file: if baseNameOf (toString file) == "override.nix" then withoutGuards file else import file;
  };

  isOfFlk = file: lib.hasPrefix "${toString flk}/nix/" file;
  nameOf = file: lib.removePrefix "${toString flk}/" file;

  # A module and what it imports of flk's own: `{ file; config; }`.
  modulesOf =
    file: module:
    if builtins.isPath module || builtins.isString module then
      if isOfFlk (toString module) then modulesOf (toString module) (load module) else [ ]
    else if builtins.isFunction module then
      modulesOf file (module {
        inherit lib;
        inherit (live) config options;
        inherit (live.config.flk) pkgs;
        modulesPath = nixpkgs + "/nixos/modules";
      })
    else
      [
        {
          inherit file;
          config =
            if module ? config || module ? options then
              module.config or { }
            else
              removeAttrs module [
                "_file"
                "_module"
                "disabledModules"
                "imports"
                "key"
              ];
        }
      ]
      ++ lib.concatMap (modulesOf file) (module.imports or [ ]);

  definitions = lib.concatMap (module: walk (nameOf module.file) [ ] live.options written module.config) (
    lib.concatMap (modulesOf "${toString flk}/nix/extend.nix") given.modules
  );

  # One that was removed is declared all the same, hidden and without a description; one that was renamed has one.
  stateOf =
    option:
    if !(lib.isOption option) then
      "missing"
    else if option.visible or true != false || option ? internal then
      "there"
    else if option ? description then
      "renamed"
    else
      "removed";
  textOf = text: if builtins.isString text then text else text.text or "";

  # What a type has members of, as far as they are attributes of one set.
  memberType =
    type:
    if builtins.elem type.name [ "attrsOf" "lazyAttrsOf" "loaOf" ] then
      type.nestedTypes.elemType or type.functor.wrapped or null
    else
      null;
  hasSubmodule =
    depth: type:
    type != null
    && (
      type.name == "submodule"
      || depth > 0 && lib.any (hasSubmodule (depth - 1)) (lib.attrValues (type.nestedTypes or { }))
    );
  hasSubmodules = option: option != null && hasSubmodule 2 (memberType option.type);

  # Definitions of an option by others than flk.
  othersOf =
    option:
    lib.filter (definition: !(isOfFlk definition.file) && definition.file != "flk iso" && definition.file != "<unknown-file>") (
      option.definitionsWithLocations or (lib.zipListsWith (file: value: { inherit file value; }) option.files
        option.definitions
      )
    );
  isIn =
    name: value:
    lib.any (piece: piece.isActive && builtins.isAttrs piece.value && piece.value ? ${name} && isSaid piece.value.${name}) (
      peel written value
    );
  isSaid = value: lib.any (piece: piece.isActive) (peel written value);

  membersOf =
    definition:
    if !(hasSubmodules definition.option) || !definition.isActive then
      [ ]
    else
      map (name: {
        inherit (definition) file;
        path = definition.path;
        inherit name;
        isOfOthers = lib.any (other: isIn name other.value) (othersOf definition.option);
      }) (lib.filter (name: isSaid definition.value.${name}) (lib.attrNames definition.value));

  # `null` where the host's evaluation has no such attribute.
  lookUp = path: set: lib.attrByPath path null set;
in
{
  looked = {
    inherit (live.config.system.nixos) release;
    inherit tables;
    definitions = map (
      definition:
      let
        inherit (definition) option;
      in
      {
        inherit (definition) file path isGuarded;
        state = stateOf option;
        description = if stateOf option == "renamed" then textOf option.description else "";
        type = if option == null then "" else option.type.description;
        isOfType =
          !definition.isActive
          || builtins.elem (stateOf option) [
            "missing"
            "removed"
          ]
          || option.type.check definition.value;
      }
    ) definitions;
    members = lib.concatMap membersOf definitions;
    reads = lib.mapAttrs (
      name: read:
      let
        path = lib.splitString "." name;
        option = lookUp path live.options;
        isThere = lib.hasAttrByPath path host.config || lib.hasAttrByPath path live.config;
        evaluated = if lib.hasAttrByPath path host.config then host.config else live.config;
        kind = builtins.tryEval (builtins.typeOf (lookUp path evaluated));
      in
      {
        state =
          if lib.isOption option then
            stateOf option
          else if isThere then
            "there"
          else
            "missing";
        # One that throws is told with the live system.
        type = if !isThere || stateOf option == "removed" || !kind.success then null else kind.value;
      }
    ) tables.reads;
  };
  # That all of it together is a system.
  live = live.config.system.build.flkImage.drvPath;
}
