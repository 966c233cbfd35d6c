# Types of options.
#
# A type says whether a value is one of it (`check`), how the definitions of one option become its value (`merge`), and how two
# declarations of one option become one type (`typeMerge`).
{ lib }:
import ./construct.nix { inherit lib; }
// import ./plain.nix { inherit lib; }
// import ./numbers.nix { inherit lib; }
// import ./text.nix { inherit lib; }
// import ./paths.nix { inherit lib; }
// import ./collections.nix { inherit lib; }
// import ./alternatives.nix { inherit lib; }
// import ./tagged.nix { inherit lib; }
// import ./submodules.nix { inherit lib; }
