# Recursion through a fixed point, and overlays on it.
{ lib }:
rec {
  fix =
    f:
    let
      self = f self;
    in
    self;

  # As `fix`, and the result remembers the function that it comes from.
  fix' =
    f:
    let
      self = f self // {
        __unfix__ = f;
      };
    in
    self;

  # Applies `f` until the value stays the same.
  converge =
    f: value:
    let
      next = f value;
    in
    if next == value then value else converge f next;

  # An overlay has the form `final: prev: { … }`.
  extends =
    overlay: f: final:
    let
      prev = f final;
    in
    prev // overlay final prev;

  composeExtensions =
    first: second: final: prev:
    let
      changes = first final prev;
    in
    changes // second final (prev // changes);

  composeManyExtensions = lib.foldr composeExtensions (_final: _prev: { });

  makeExtensible = makeExtensibleWithCustomName "extend";

  makeExtensibleWithCustomName =
    name: f:
    fix' (
      self:
      f self
      // {
        ${name} = overlay: makeExtensibleWithCustomName name (extends overlay f);
      }
    );

  # Turns a set, `prev: { … }` or `final: prev: { … }` into an overlay.
  toExtension =
    value:
    if lib.isFunction value then
      final: prev:
      let
        changes = value prev;
      in
      if lib.isFunction changes then value final prev else changes
    else
      _final: _prev: value;
}
