{
  description = "flk: from a host file to a running machine";

  # No inputs: flk puts this flake, with its three static binaries in `bin/`, into the Nix store by itself.
  outputs =
    { self }:
    let
      system = "x86_64-linux";
      packages.flk = import ./nix/package.nix {
        flk = self;
        inherit system;
      };
    in
    {
      packages.${system} = packages // {
        default = packages.flk;
      };

      # By a derivation's output: Nix 2.8 takes no other program.
      apps.${system} = rec {
        default = flk;
        flk = {
          type = "app";
          program = "${packages.flk}/bin/flk";
        };
      };

      lib = import ./nix/lib.nix { flk = self; };

      nixosModules = {
        # The options `flk.live.*`, for the hosts of a flake that does not use `lib.mkHosts`.
        default.imports = [ ./nix/live/options.nix ];
        live.imports = [ ./nix/live.nix ];
        image.imports = [ ./nix/image.nix ];
      };

      templates = rec {
        default = debian;
        debian = {
          path = ./template/debian;
          description = "A repository of hosts on flk's built-in channel: Debian's packages, nothing but a mirror needed";
        };
        nixpkgs = {
          path = ./template/nixpkgs;
          description = "A repository of hosts on NixOS";
        };
      };
    };
}
