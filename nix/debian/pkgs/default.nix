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
  # nixpkgs' builders of what has a source: the error says which package, and where it is.
  fromSource =
    builder: arguments:
    let
      given = if lib.isFunction arguments then arguments { } else arguments;
      names = lib.filter (name: given ? ${name}) [
        "pname"
        "name"
      ];
      position = builtins.unsafeGetAttrPos (lib.head names) given;
      place = lib.optionalString (names != [ ] && position != null) " (${toString position.file}:${toString position.line})";
      what = if names == [ ] then "a derivation" else "`${given.${lib.head names}}'${place}";
    in
    throw "The built-in channel builds nothing from source, so `${builder}' has nothing to make ${what} with. Write it by `pkgs.runCommand', `pkgs.writeShellApplication' or the like, or take nixpkgs for this host: `flk init --channel nixpkgs`.";
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
        mkDerivation = fromSource "stdenv.mkDerivation";
      };
      stdenvNoCC = self.stdenv;
      rustPlatform.buildRustPackage = fromSource "rustPlatform.buildRustPackage";
    }
    // lib.genAttrs [
      "buildDotnetModule"
      "buildGoModule"
      "buildGoPackage"
      "buildNpmPackage"
      "mkYarnPackage"
    ] fromSource
    // {
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
