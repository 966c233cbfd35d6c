# Folders that a repository of hosts may have besides `hosts/`, in DevOS's shape; each is optional.
#
#   profiles/NAME.nix, profiles/NAME/default.nix   parts that hosts import; `profiles.core` every host has, if there are suites
#   users/NAME.nix, users/NAME/default.nix         the same for users
#   suites/default.nix                             a function of `lib`, `profiles` and `users`: names → lists of them
#   modules/module-list.nix                        a list of modules for every host
#   overlays/NAME.nix                              overlays over the packages
#
# Modules have the arguments `profiles`, `users` and `suites`. With suites, a live system has no profiles but the core's, unless `flk.live.disable` says else.
{ root, lib }:

let
  at = name: root + "/${name}";
  folder = name: if builtins.pathExists (at name) then builtins.readDir (at name) else { };
  isNixFile = name: type: type != "directory" && lib.hasSuffix ".nix" name && name != "default.nix";

  # `{ ssh.default = …/ssh.nix; net.default = …/net; net.dns.default = …/net/dns; }`
  tree =
    path:
    let
      one =
        name: type:
        if type == "directory" then
          lib.nameValuePair name (
            (lib.optionalAttrs (builtins.pathExists (at "${path}/${name}/default.nix")) {
              default = at "${path}/${name}";
            })
            // tree "${path}/${name}"
          )
        else
          lib.nameValuePair (lib.removeSuffix ".nix" name) { default = at "${path}/${name}"; };
      kept = lib.filterAttrs (name: type: type == "directory" && name != "profiles" || isNixFile name type) (
        folder path
      );
    in
    lib.mapAttrs' one kept;

  profiles = tree "profiles";
  users = tree "users";

  # A profile, or its file.
  moduleOf = item: if builtins.isAttrs item && item ? default then item.default else item;
  modulesIn =
    set: lib.optional (set ? default) set.default ++ lib.concatMap modulesIn (lib.attrValues (removeAttrs set [ "default" ]));

  hasSuites = builtins.pathExists (at "suites");
  suites =
    if hasSuites then
      let
        given = import (at "suites");
        arguments = {
          inherit lib profiles users;
        };
      in
      lib.mapAttrs (_: map moduleOf) (
        if builtins.isFunction given then given (builtins.intersectAttrs (builtins.functionArgs given) arguments) else given
      )
      // {
        allProfiles = modulesIn profiles;
        allUsers = modulesIn users;
      }
    else
      { };

  core = modulesIn (profiles.core or { });
  overlays = map (name: import (at "overlays/${name}")) (lib.attrNames (lib.filterAttrs isNixFile (folder "overlays")));
in
{
  specialArgs = {
    inherit profiles suites users;
  };

  modules =
    lib.optionals (builtins.pathExists (at "modules/module-list.nix")) (import (at "modules/module-list.nix"))
    ++ lib.optional (overlays != [ ]) {
      _file = "overlays";
      nixpkgs.overlays = overlays;
    }
    ++ lib.optionals hasSuites (
      core
      ++ [
        {
          _file = "profiles";
          flk.live.disable = lib.mkDefault (lib.subtractLists core (modulesIn profiles));
        }
      ]
    );
}
