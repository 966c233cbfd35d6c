# hosts/*.nix → nixosConfigurations, and what else a repository's flake calls.
{ flk }:

let
  lib = import ./debian/lib;
  debian = import ./debian { inherit flk lib; };

  # The host files of a folder: every `NAME.nix` but `default.nix`.
  hostFiles =
    folder:
    let
      isHost = name: type: type != "directory" && lib.hasSuffix ".nix" name && name != "default.nix";
    in
    lib.mapAttrs' (name: _: lib.nameValuePair (lib.removeSuffix ".nix" name) (folder + "/${name}")) (
      lib.filterAttrs isHost (builtins.readDir folder)
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

  # nixpkgs' `lib.nixosSystem` on the built-in channel; `lock` is the path of its pin.
  nixosSystem = { lock, ... }@arguments: debian.nixosSystem { inherit lock; } (removeAttrs arguments [ "lock" ]);

  # Arguments:
  #   self         the repository's flake
  #   hosts        the folder of the host files
  #   nixpkgs      a nixpkgs flake; without it the built-in channel
  #   lock         the built-in channel's pin
  #   system       the hosts' platform
  #   modules      modules for every host
  #   specialArgs  further arguments of every module
  mkHosts =
    {
      self,
      inputs ? { },
      hosts ? self + "/hosts",
      nixpkgs ? null,
      lock ? self + "/flk.lock",
      system ? "x86_64-linux",
      modules ? [ ],
      specialArgs ? { },
    }:
    let
      evalHost = if nixpkgs == null then debian.nixosSystem { inherit lock; } else nixpkgs.lib.nixosSystem;
    in
    lib.mapAttrs (
      name: file:
      extendable evalHost {
        inherit system;
        specialArgs = {
          inherit self inputs;
        }
        // specialArgs;
        modules = modules ++ [
          ./live/options.nix
          file
          # The default of `networking.hostName` is the file's stem, also where it is no valid host name by itself.
          (
            { lib, ... }:
            {
              _file = "flk";
              networking.hostName = lib.mkDefault name;
            }
          )
        ];
      }
    ) (hostFiles hosts);

  # The shell of `nix develop`: flk and Nix at hand, built from nothing but what the ISO carries.
  devShell =
    {
      self,
      lock ? self + "/flk.lock",
      packages ? (_pkgs: [ ]),
    }:
    let
      pkgs = debian.packageSets lock { };
    in
    pkgs.mkShell {
      name = "flk";
      packages = [ pkgs.flk ] ++ packages pkgs;
    };
}
