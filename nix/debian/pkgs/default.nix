# The package set: Debian's packages by their own names, nixpkgs' names for the usual ones, and nixpkgs' builders.
{
  lib,
  flk,
  builder,
  archive,
  config ? { },
  overlays ? [ ],
}:

let
  system = "x86_64-linux";
  debian = import ./debian.nix {
    inherit
      lib
      builder
      archive
      config
      ;
  };
  packages = self: debian.packages // import ./aliases.nix { inherit lib self debian; };
  builders =
    self:
    import ./trivial.nix {
      inherit
        lib
        builder
        debian
        system
        self
        ;
    };
  base =
    self:
    packages self
    // builders self
    // {
      inherit lib config system;
      # What the channel's modules need besides packages.
      inherit builder archive debian;
      pkgs = self;
      stdenv = {
        inherit system;
        hostPlatform = lib.systems.elaborate system;
        buildPlatform = lib.systems.elaborate system;
        isLinux = true;
        isDarwin = false;
        isx86_64 = true;
        isAarch64 = false;
        cc = throw "the built-in channel builds nothing from source: it has no `stdenv.cc`";
        mkDerivation = throw "the built-in channel builds nothing from source: it has no `stdenv.mkDerivation`; use `pkgs.runCommand`, or nixpkgs for this host";
      };
      flk = (builders self).linkFarm "flk" [
        {
          name = "bin/flk";
          path = "${flk}/bin/flk";
        }
      ];
      callPackage = lib.callPackageWith self;
      inherit (self.stdenv) hostPlatform;
    };
in
lib.fix (lib.foldl' (lib.flip lib.extends) base overlays)
