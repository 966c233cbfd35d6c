# The module system.
#
# A module is `{ imports; options; config; }`, a function to one, or a path of one. Evaluation goes in three steps: `load.nix`
# gathers modules through their imports; `merge.nix` walks declared options and definitions side by side and pairs them;
# `definitions.nix` makes one value of an option's definitions. `evaluate.nix` ties the knot, by which modules read the
# configuration that they are part of.
{ lib }:
import ./evaluate.nix { inherit lib; }
// import ./load.nix { inherit lib; }
// import ./merge.nix { inherit lib; }
// import ./definitions.nix { inherit lib; }
// import ./properties.nix { inherit lib; }
// import ./unknown.nix { inherit lib; }
// import ./alias.nix { inherit lib; }
// {
  messages = import ./messages.nix { inherit lib; };
}
