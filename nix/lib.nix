# hosts/*.nix → nixosConfigurations, and what else a repository's flake calls.
{ flk }:

let
  lib = import ./debian/lib;
  debian = import ./debian { inherit flk lib; };
  names = import ./names.nix;

  # The host files of a directory: every `NAME.nix`, and `NAME/default.nix` where there is no such file. What nixos-generate-config
  # writes beside a host, `default.nix`, and what is hidden, such as an editor's lock, are none.
  hostFiles =
    folder:
    let
      entries = builtins.readDir folder;
      isHost =
        name: type:
        if names.isHidden name then
          false
        else if type == "directory" then
          !(entries ? "${name}.nix") && builtins.pathExists (folder + "/${name}/default.nix")
        else
          lib.hasSuffix ".nix" name
          && !lib.elem name [
            "default.nix"
            "hardware-configuration.nix"
          ];
    in
    lib.mapAttrs' (name: _: lib.nameValuePair (lib.removeSuffix ".nix" name) (folder + "/${name}")) (
      lib.filterAttrs isHost entries
    );

  # `extendModules` for a nixpkgs that has none (before 21.11). There, `host.pkgs` is not what the modules have, so they give it out.
  extendable =
    evalHost: arguments:
    let
      host = evalHost (arguments // { modules = arguments.modules ++ [ ./live/packages.nix ]; });
      evaluated = evalHost arguments;
    in
    if evaluated ? extendModules then
      evaluated
    else
      host
      // {
        pkgs = host.config.flk.pkgs;
        inherit (arguments) specialArgs;
        extendModules =
          {
            modules ? [ ],
            specialArgs ? { },
            ...
          }:
          extendable evalHost (
            arguments
            // {
              modules = arguments.modules ++ modules;
              specialArgs = arguments.specialArgs // specialArgs;
            }
          );
      };
in
{
  inherit lib;
  inherit (import ./devos.nix { inherit lib; }) rakeLeaves;

  # nixpkgs' `lib.nixosSystem` on the built-in channel; `lock` is the path of its pin.
  nixosSystem = { lock, ... }@arguments: debian.nixosSystem { inherit lock; } (removeAttrs arguments [ "lock" ]);

  # Arguments:
  #   self         the repository's flake
  #   root         the repository's folder; a flake in a folder of its repository gives `./.`
  #   hosts        the folder of the host files
  #   nixpkgs      a nixpkgs flake; without it the built-in channel
  #   lock         the built-in channel's pin
  #   system       the hosts' platform
  #   modules      modules for every host
  #   specialArgs  further arguments of every module
  #   importables  the same under digga's name; `suites` among them are the repository's suites
  #   suites       the repository's suites where no file has them: a set, or a function of `profiles` and `users`
  # Folders that a repository may have, as in DevOS, are in nix/devos.nix.
  mkHosts =
    {
      self,
      inputs ? { },
      root ? self,
      hosts ? root + "/hosts",
      nixpkgs ? null,
      lock ? root + "/flk.lock",
      system ? "x86_64-linux",
      modules ? [ ],
      specialArgs ? { },
      importables ? { },
      suites ? null,
    }:
    let
      evalHost = if nixpkgs == null then debian.nixosSystem { inherit lock; } else nixpkgs.lib.nixosSystem;
      devos = (import ./devos.nix { lib = if nixpkgs == null then lib else nixpkgs.lib; }).layout {
        inherit
          root
          importables
          suites
          inputs
          system
          ;
      };
      files = hostFiles hosts;
      # What names.nix says of a host's name.
      named = name: file: {
        inherit name;
        names = lib.attrNames files;
        file = lib.removePrefix "${toString root}/" (lib.removeSuffix "/default.nix" (toString file));
      };
      mkHost =
        name: file:
        let
          fault = names.fault (named name file);
          host = extendable evalHost {
            inherit system;
            specialArgs = devos.specialArgs // {
              inherit self inputs;
            }
            // specialArgs;
            modules = devos.modules ++ modules ++ [
              ./live/options.nix
              file
              # The default of `networking.hostName` is the file's stem; a stem that is no DNS label is an error only where the host sets none.
              (
                { lib, ... }:
                {
                  _file = "flk";
                  networking.hostName = lib.mkDefault (names.hostName (named name file));
                  # What `nix build` made in DevOS: the live system by NixOS's own tools, squashed anew each time.
                  system.build.iso =
                    if nixpkgs == null then
                      throw "system.build.iso: `flk iso ${name}` makes the ISO; Nix alone has nothing here that could"
                    else
                      (import ./extend.nix {
                        inherit flk name;
                        repository = "${self}";
                      }).iso
                        host;
                }
              )
            ];
          };
        in
        if fault != null then throw fault else host;
    in
    if !builtins.pathExists hosts then
      throw "flk.lib.mkHosts: there is no folder ${toString hosts}; a flake that is in a folder of its repository gives `root = ./.;', since Nix before 2.15 does not say which"
    else
      lib.mapAttrs mkHost files;

  # The shell of `nix develop`: flk and Nix at hand, built from nothing but what the ISO carries. Arguments as those of `mkHosts`, and
  #   packages     what else is in it, a function of the packages
  devShell =
    {
      self,
      root ? self,
      nixpkgs ? null,
      system ? "x86_64-linux",
      lock ? root + "/flk.lock",
      packages ? (_pkgs: [ ]),
    }:
    let
      ofPackages =
        pkgs:
        pkgs.mkShell (
          if nixpkgs == null then
            {
              name = "flk";
              packages = [ pkgs.flk ] ++ packages pkgs;
            }
          else
            {
              name = "flk";
              # Before 21.05, `mkShell` had no `packages`.
              nativeBuildInputs = packages pkgs;
              shellHook = "PATH=${flk}/bin:$PATH";
            }
        );
    in
    if nixpkgs == null then
      ofPackages (debian.packageSets lock { })
    else
      # nix/extend.nix has the host's packages at hand, which are the same unless the host changes them.
      ofPackages nixpkgs.legacyPackages.${system}
      // {
        inherit nixpkgs ofPackages;
      };
}
