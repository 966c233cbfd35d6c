# In place of pkgs/stdenv/default.nix: one stage, whose stdenv has Debian's tools.
{
  lib,
  localSystem,
  crossSystem,
  config,
  overlays,
  crossOverlays ? [ ],
}:

let
  bench = import ./bootstrap.nix { inherit lib; };
  p = bench.packages;
  cc = bench.asPackage "gcc" "12" p.cc {
    isGNU = true;
    isClang = false;
    targetPrefix = "";
    libc = p.glibc;
    cc = p.cc;
    bintools = p.cc // { bintools = p.cc; isGNU = true; libc = p.glibc; };
    langC = true;
    langCC = false;
  };
in
[
  (_: { __raw = true; })
  (_: {
    inherit config;
    overlays = [ (import ./overlay.nix bench) ] ++ overlays;
    stdenv = import ../pkgs/stdenv/generic {
      name = "stdenv-debian";
      inherit config cc;
      buildPlatform = localSystem;
      hostPlatform = localSystem;
      targetPlatform = localSystem;
      shell = "${p.bash}/bin/bash";
      initialPath = with p; [
        coreutils findutils diffutils gnused gnugrep gawk gnutar gzip bzip2 xz bash patch patchelf which
      ];
      # bash 5.2 reads nothing with `-N 0`.
      setupScript = builtins.toFile "setup.sh" (
        lib.replaceStrings [ "if IFS='' read -r -N 0 $1; then" ] [ "if IFS='' read -r -d '' \"$1\"; then" ] (
          builtins.readFile ../pkgs/stdenv/generic/setup.sh
        )
      );
      fetchurlBoot = throw "the bench fetches nothing";
      extraNativeBuildInputs = [ p.patchelf ];
      extraAttrs = { shellPackage = p.bash; };
    };
  })
]
