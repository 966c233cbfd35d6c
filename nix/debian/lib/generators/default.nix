# Nix values as the text of configuration files.
{ lib }:
import ./keyvalue.nix { inherit lib; }
// import ./pretty.nix { inherit lib; }
// import ./languages.nix { inherit lib; }
