# How the live system's modules define: over whatever a host says, `mkForce` included, and only options that are there.
{ lib, options }:

rec {
  # mkForce is 50.
  force = lib.mkOverride 40;

  # Under all that a host says, over an option's own default (1500).
  suggest = lib.mkOverride 1200;

  has = path: lib.hasAttrByPath path options;

  # One that was removed is still declared, so that its definition is an error: it is hidden, and has no description, as one that was renamed has.
  isKept =
    path:
    let
      option = lib.getAttrFromPath path options;
    in
    option.visible or true != false || option ? description;

  # A forced definition of an option that not every release or channel has. Whether it was removed must not decide which definitions there are: the
  # options themselves may depend on those.
  whereKnown =
    path: value: lib.optionalAttrs (has path) (lib.setAttrByPath path (lib.mkIf (isKept path) (force value)));
}
