# How the live system's modules define: over whatever a host says, `mkForce` included, and only options that are there.
{ lib, options }:

rec {
  # mkForce is 50.
  force = lib.mkOverride 40;

  # Under all that a host says, over an option's own default (1500).
  suggest = lib.mkOverride 1200;

  has = path: lib.hasAttrByPath path options;

  # A forced definition of an option that not every release or channel has.
  whereKnown = path: value: lib.optionalAttrs (has path) (lib.setAttrByPath path (force value));
}
