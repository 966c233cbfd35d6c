# Directories that a repository of hosts may have besides `hosts/`, in the shapes that DevOS and digga had; each is optional.
#
#   profiles/NAME.nix, profiles/NAME/default.nix   parts that hosts import; `profiles.core` every host has, if there are suites
#   users/NAME.nix, users/NAME/default.nix         the same for users
#   suites/default.nix, profiles/suites.nix        names → lists of them; a function of `lib`, `profiles`, `users` and `userProfiles`
#   modules/module-list.nix                        a list of modules for every host
#   overlays/NAME.nix, pkgs/default.nix            overlays over the packages
#
# Modules have the arguments `profiles`, `users` and `suites`. With suites, a live system has no profiles but the core's, unless `flk.live.disable` says else.
{ lib }:

let
  read = path: if builtins.pathExists path then builtins.readDir path else { };
  isNixFile = name: type: type != "directory" && lib.hasSuffix ".nix" name && name != "default.nix";

  # A profile is a module, a path and a set at once, since layouts use it as each: DevOS's has its path as `default`, in digga it is the path.
  profile = path: {
    default = path;
    outPath = toString path;
    __functor = _self: _arguments: { imports = [ path ]; };
    __functionArgs = { };
  };

  # The profiles of a directory: `{ ssh = profile …/ssh.nix; net = profile …/net // { dns = …; }; }`.
  tree = treeOf (name: type: isNixFile name type && name != "suites.nix");
  treeOf =
    isProfile: path:
    let
      one =
        name: type:
        if type == "directory" then
          lib.nameValuePair name (
            (lib.optionalAttrs (builtins.pathExists (path + "/${name}/default.nix")) (profile (path + "/${name}")))
            // treeOf isProfile (path + "/${name}")
          )
        else
          lib.nameValuePair (lib.removeSuffix ".nix" name) (profile (path + "/${name}"));
      kept = lib.filterAttrs (name: type: type == "directory" && name != "profiles" || isProfile name type) (
        read path
      );
    in
    lib.mapAttrs' one kept;

  # A profile, or its file.
  moduleOf = item: if builtins.isAttrs item && item ? default then item.default else item;
  below = set: removeAttrs set (lib.attrNames (profile null));
  modulesIn =
    set:
    if builtins.isAttrs set then
      lib.optional (set ? default) set.default ++ lib.concatMap modulesIn (lib.attrValues (below set))
    else
      [ set ];

  # What DevOS's own library gives its suites, by each of the names that it had: `lib.flk`, `lib.dev` and `lib.dev.os`.
  devosLib =
    let
      functions = {
        # Directories alone: files are no profiles in DevOS.
        mkProfileAttrs =
          path: treeOf (_: _: false) (/. + builtins.unsafeDiscardStringContext (toString path));
        profileMap = map moduleOf;
      };
    in
    lib
    // {
      flk = functions;
      dev = functions // {
        os = functions;
      };
    };

  # A set as a suite of its own is digga's and DevOS's of April 2021, `{ system = { base = [ … ]; }; user = …; }`: the hosts' are in `system`.
  systemSuites =
    suites: if builtins.isAttrs (suites.system or null) then suites.system else suites;

  callSuites =
    file: given: arguments:
    let
      wanted = builtins.functionArgs given;
      unknown = lib.attrNames (lib.filterAttrs (name: isOptional: !isOptional && !(arguments ? ${name})) wanted);
    in
    if !builtins.isFunction given then
      given
    else if unknown != [ ] then
      throw "${file} asks for ${lib.concatStringsSep ", " unknown}; suites have the arguments ${lib.concatStringsSep ", " (lib.attrNames arguments)}"
    else
      given (if wanted == { } then arguments else builtins.intersectAttrs wanted arguments);
in
{
  # The files of a directory as digga's `rakeLeaves` gives them: `{ ssh = …/ssh.nix; net = { dns = …/net/dns; }; }`.
  rakeLeaves =
    let
      rake =
        path:
        lib.mapAttrs' (
          name: type:
          lib.nameValuePair (lib.removeSuffix ".nix" name) (
            if type == "directory" && !builtins.pathExists (path + "/${name}/default.nix") then
              rake (path + "/${name}")
            else
              path + "/${name}"
          )
        ) (lib.filterAttrs (name: type: type == "directory" || isNixFile name type) (read path));
    in
    rake;

  # What the directories of the repository at `root` give every host.
  layout =
    {
      root,
      # Further arguments of modules, as digga has them.
      importables ? { },
      # Suites that are in no file, or null.
      suites ? null,
      # The inputs of the repository's flake.
      inputs ? { },
      system ? "x86_64-linux",
    }:
    let
      at = name: root + "/${name}";

      users = tree (at "users");
      found = tree (at "profiles");
      # digga's hosts look for the users there.
      profiles = {
        inherit users;
      }
      // found;
      core = modulesIn (found.core or { });
      allProfiles = modulesIn found;

      suitesFile = lib.findFirst builtins.pathExists null [
        (at "suites")
        (at "profiles/suites.nix")
      ];
      hasSuites = importables ? suites || suites != null || suitesFile != null;
      allSuites =
        if hasSuites then
          let
            arguments = {
              lib = devosLib;
              inherit profiles users;
              userProfiles = tree (at "users/profiles");
            };
            given =
              importables.suites or (
                if suites != null then
                  callSuites "`suites' of mkHosts" suites arguments
                else
                  callSuites (toString suitesFile) (import suitesFile) arguments
              );
          in
          lib.mapAttrs (_: suite: if builtins.isList suite then map moduleOf suite else suite) (systemSuites given)
          // {
            inherit allProfiles;
            allUsers = modulesIn users;
          }
        else
          { };

      # digga's overlays take the channels first.
      overlay =
        file:
        let
          given = import file;
          refuse =
            value:
            throw "${toString file} is no overlay, `final: prev: { }' or `channels: final: prev: { }': it gives a ${builtins.typeOf value}";
          checked = value: if builtins.isAttrs value then value else refuse value;
          channels =
            prev:
            {
              nixos = prev;
              nixpkgs = prev;
              latest = prev;
            }
            // lib.mapAttrs (_: input: input.legacyPackages.${system}) (
              lib.filterAttrs (_: input: input ? legacyPackages.${system}) inputs
            );
        in
        if !builtins.isFunction given then
          refuse given
        else
          final: prev:
          let
            plain = given final prev;
          in
          if builtins.functionArgs given != { } then
            checked (given (channels prev) final prev)
          else if builtins.isFunction plain then
            checked (given (channels prev) final prev)
          else
            checked plain;
      overlays =
        # DevOS's own packages are an overlay; a function of the packages alone is another layout's.
        lib.optional (builtins.pathExists (at "pkgs/default.nix")) (
          final: prev:
          let
            given = import (at "pkgs");
            isOverlay =
              builtins.isFunction given
              && builtins.functionArgs given == { }
              && builtins.isFunction (given prev);
          in
          lib.optionalAttrs isOverlay (given final prev)
        )
        ++ map (name: overlay (at "overlays/${name}")) (
          lib.attrNames (lib.filterAttrs isNixFile (read (at "overlays")))
        );
    in
    {
      specialArgs = {
        inherit profiles users;
      }
      // importables
      // {
        suites = allSuites;
      };

      modules =
        lib.optionals (builtins.pathExists (at "modules/module-list.nix")) (
          import (at "modules/module-list.nix")
        )
        ++ lib.optional (overlays != [ ]) {
          _file = "overlays";
          nixpkgs = { inherit overlays; };
        }
        ++ lib.optionals hasSuites (
          core
          ++ [
            {
              _file = "profiles";
              flk.live.disable = lib.mkDefault (lib.subtractLists core allProfiles);
            }
          ]
        );
    };
}
