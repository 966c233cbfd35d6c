# packages.flk of the flake flk: its program, by a derivation's output, since Nix 2.8 runs no other.
{ flk, system }:

let
  builder = import ./debian/pkgs/builder.nix { inherit flk system; };

  # A checkout of flk's sources has no programs, and Nix could make them only with a network.
  missing = throw "flk: there is no bin/ in this copy of flk's flake: `cargo build --release' makes the programs, and each of their verbs that asks Nix puts the flake with them into the store, where a repository's flake.lock names it";
in
if builtins.pathExists (flk + "/bin/flk") then
  builder.build {
    name = "flk";
    command = "tree";
    parameters.entries = [
      {
        path = "bin/flk";
        link = "${flk}/bin/flk";
      }
    ];
    attributes.meta.mainProgram = "flk";
  }
else
  {
    type = "derivation";
    name = "flk";
    drvPath = missing;
    outPath = missing;
  }
