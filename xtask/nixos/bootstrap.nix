# Debian's packages in nixpkgs' layout: store paths of their own, ELF interpreter and RPATH in the store, `bin lib share etc`.
#
# `libraries` is one path with the shared libraries of every package that is used; each package is a path of its own whose
# programs look there. Debian's libraries depend on each other in circles (libc6 and libgcc-s1), store paths cannot.
{ lib }:

let
  flk = ./flk;
  system = "x86_64-linux";
  # flk's own library of functions: that of an old nixpkgs lacks some.
  flkLib = import (flk + "/nix/debian/lib");
  builder = import (flk + "/nix/debian/pkgs/builder.nix") { inherit flk system; };
  index = builtins.fromJSON (builtins.readFile ./packages.json);
  archive = {
    inherit (index) packages provides;
    pin.suite = "bookworm";
    inherit
      (import (flk + "/nix/debian/pkgs/archive.nix") {
        lib = flkLib;
        inherit builder;
        lock = throw "the bench has its index in packages.json";
      })
      deb
      ;
  };
  debian = import (flk + "/nix/debian/pkgs/debian.nix") {
    lib = flkLib;
    inherit builder archive;
    config = { };
  };
  inherit (debian) raws;

  table = import ./packages.nix;
  versionOf = name: lib.last (lib.splitString ":" (debian.lookUp name).version);
  kernelName = lib.head (lib.head (debian.lookUp "linux-image-amd64").depends);
  kernelVersion = lib.removePrefix "linux-image-" kernelName;

  # Packages that the maintainer scripts alone need, or that are programs and no libraries.
  ignored = [
    "debconf" "dpkg" "adduser" "init-system-helpers" "ucf" "install-info" "cdebconf" "perl-openssl-defaults"
    "tasksel" "gcc" "dash"
  ];
  closure = lib.filter (name: !lib.elem name ignored) (
    debian.closureOf (lib.unique (lib.concatMap (entry: entry.names) (lib.attrValues table)))
  );

  derive =
    name: environment: script:
    derivation (
      {
        inherit name system;
        builder = "${raws.bash-static}/usr/bin/bash-static";
        args = [ "-e" ./convert.sh ];
        outputs = [ "out" ];
        busybox = "${raws.busybox-static}/usr/bin/busybox";
        patchelf = "${raws.patchelf}/usr/bin/patchelf";
        loader = "${raws.libc6}/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2";
        loaderPath = lib.concatMapStringsSep ":" (raw: "${raws.${raw}}/usr/lib/x86_64-linux-gnu") [
          "libc6" "libstdc++6" "libgcc-s1"
        ];
        inherit script;
        preferLocalBuild = true;
      }
      // environment
    );

  libraries = derive "debian-libraries" {
    raws = map (name: raws.${name}) closure;
  } "libraries";

  # What nixpkgs' packages have besides their path.
  asPackage =
    pname: version: drv: more:
    let
      self =
        drv
        // {
          inherit pname version;
          name = "${pname}-${version}";
          type = "derivation";
          out = self;
          bin = self;
          dev = self;
          lib = self;
          man = self;
          doc = self;
          info = self;
          static = self;
          outputs = [ "out" ];
          outputName = "out";
          override = _: self;
          overrideAttrs = _: self;
          overrideDerivation = _: self;
          passthru = { };
          meta = {
            outputsToInstall = [ "out" ];
            platforms = lib.platforms.linux;
            description = pname;
          };
        }
        // more;
    in
    self;

  package =
    pname: entry:
    let
      version = versionOf (lib.head entry.names);
    in
    asPackage pname version (derive "${lib.strings.sanitizeDerivationName pname}-${lib.strings.sanitizeDerivationName version}" (
      {
        raws = map (name: raws.${name}) entry.names;
        inherit libraries;
        bash = if pname == "bash" then "" else packages.bash;
        perl = if entry.perl or false then packages.perl else "";
        post = entry.post or "";
      }
      // lib.mapAttrs (_: name: packages.${name}) (entry.uses or { })
    ) "package") (entry.more or { });

  packages = lib.mapAttrs package table;

  kernel = asPackage "linux" kernelVersion (derivation {
    name = "linux-${kernelVersion}";
    inherit system;
    builder = "${packages.bash}/bin/bash";
    args = [ "-e" ./kernel.sh ];
    raw = raws.${kernelName};
    version = kernelVersion;
    inherit (packages) coreutils kmod;
  }) {
    version = versionOf kernelName;
    modDirVersion = kernelVersion;
    kernelPatches = [ ];
    features = { };
    isHardened = false;
    isZen = false;
    isLibre = false;
  };
in
{
  inherit
    debian
    raws
    libraries
    packages
    kernel
    asPackage
    derive
    ;
}
