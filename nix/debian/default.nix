# The built-in channel: NixOS's modules as far as hosts use them, on Debian's packages.
{ flk, lib }:

let
  builder = import ./pkgs/builder.nix {
    inherit flk;
    system = "x86_64-linux";
  };
in
rec {
  # The package sets of the archive that `lock`, the path of flk.lock, pins: a function of `nixpkgs.config` and
  # `nixpkgs.overlays`. The archive's index is read once for all of them, and the plain set is one for all hosts.
  packageSets =
    lock:
    let
      archive = import ./pkgs/archive.nix { inherit lib builder lock; };
      set =
        arguments:
        import ./pkgs (
          arguments
          // {
            inherit
              lib
              flk
              builder
              archive
              ;
          }
        );
      plain = set { };
    in
    {
      config ? { },
      overlays ? [ ],
    }:
    if config == { } && overlays == [ ] then plain else set { inherit config overlays; };

  # nixpkgs' `lib.nixosSystem`.
  nixosSystem =
    { lock }:
    let
      pkgs = packageSets lock;
    in
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
          # Those within submodules as well, all in one error.
          config =
            if evaluated.unknownOptions == [ ] then
              evaluated.config
            else
              throw (
                lib.modules.unknownOptionsMessage {
                  unknown = evaluated.unknownOptions;
                  hint = evaluated._module.unknownOptionsHint;
                }
              );
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
              _module.args.channel = { inherit pkgs; };
            }
          ]
          ++ modules;
        }
      );
}
