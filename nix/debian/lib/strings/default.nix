# Strings.
{ lib }:
import ./text.nix { inherit lib; }
// import ./escape.nix { inherit lib; }
// import ./convert.nix { inherit lib; }
// import ./paths.nix { inherit lib; }
// import ./distance.nix { inherit lib; }
// import ./flags.nix { inherit lib; }
