# NixOS 20.09 as a flake, with `extendModules`, which it lacks: the same evaluation with more modules.
{
  description = "NixOS's own modules over Debian's binaries: flk's test bench";

  outputs =
    { self }:
    let
      lib = import ./lib;
      evaluate =
        arguments:
        let
          host = import ./nixos/lib/eval-config.nix (
            arguments
            // {
              modules = arguments.modules ++ [
                ./bench/module.nix
                (
                  { lib, pkgs, ... }:
                  {
                    # eval-config's own `pkgs` is not what the modules have.
                    options.bench.pkgs = lib.mkOption { default = pkgs; };
                  }
                )
              ];
            }
          );
        in
        host
        // {
          pkgs = host.config.bench.pkgs;
          extendModules =
            {
              modules ? [ ],
              specialArgs ? { },
              ...
            }:
            evaluate (
              arguments
              // {
                modules = arguments.modules ++ modules;
                specialArgs = arguments.specialArgs or { } // specialArgs;
              }
            );
        };
    in
    {
      lib = lib.extend (
        _: _: {
          nixosSystem =
            { modules, ... }@arguments:
            evaluate (
              arguments
              // {
                modules = modules ++ [ { system.nixos.versionSuffix = ".bench"; } ];
              }
            );
        }
      );
      legacyPackages.x86_64-linux = import ./. { system = "x86_64-linux"; };
    };
}
