# Options: declaring them, merging plain values, showing them in messages and in documentation.
{ lib }:
import ./declare.nix { inherit lib; }
// import ./merge.nix { inherit lib; }
// import ./show.nix { inherit lib; }
// import ./document.nix { inherit lib; }
