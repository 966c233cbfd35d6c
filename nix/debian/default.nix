# The built-in channel: NixOS's modules as far as hosts use them, on Debian's packages.
{ flk, lib }:

rec {
  # The package set. `lock` is the path of flk.lock, `config` what `nixpkgs.config` says.
  pkgs =
    {
      lock,
      config ? { },
      overlays ? [ ],
    }:
    import ./pkgs {
      inherit
        flk
        lib
        lock
        config
        overlays
        ;
    };

  # nixpkgs' `lib.nixosSystem`.
  nixosSystem =
    { lock }:
    {
      modules,
      system ? "x86_64-linux",
      specialArgs ? { },
      prefix ? [ ],
    }:
    let
      # Laid over what `extendModules` gives, so that an extended system is a whole system again.
      wrap =
        evaluated:
        evaluated
        // {
          inherit lib;
          inherit (evaluated._module.args) pkgs;
          extendModules = args: wrap (evaluated.extendModules args);
        };
    in
    if system != "x86_64-linux" then
      throw "the built-in channel has packages for x86_64-linux, not for ${system}: use a nixpkgs flake for this host"
    else
      wrap (
        lib.evalModules {
          inherit prefix;
          class = "nixos";
          specialArgs = {
            modulesPath = toString ./modules;
          }
          // specialArgs;
          modules = import ./modules/module-list.nix ++ [
            {
              _file = ./default.nix;
              _module.args.channel = { inherit flk lock pkgs; };
            }
          ]
          ++ modules;
        }
      );
}
