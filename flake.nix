{
  description = "flk: from a host file to a running machine";

  # No inputs: flk puts this flake, with its three static binaries in `bin/`, into the Nix store by itself.
  outputs =
    { self }:
    let
      system = "x86_64-linux";
      builder = import ./nix/debian/pkgs/builder.nix {
        flk = self;
        inherit system;
      };
      packages.flk = builder.build {
        name = "flk";
        command = "tree";
        parameters.entries = [
          {
            path = "bin/flk";
            link = "${self}/bin/flk";
          }
        ];
        attributes.meta.mainProgram = "flk";
      };
    in
    {
      packages.${system} = packages // {
        default = packages.flk;
      };

      apps.${system} = rec {
        default = flk;
        flk = {
          type = "app";
          program = "${self}/bin/flk";
        };
      };

      lib = import ./nix/lib.nix { flk = self; };

      nixosModules = {
        live = ./nix/live.nix;
        image = ./nix/image.nix;
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
