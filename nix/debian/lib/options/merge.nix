# What types merge the definitions of an option with. A definition is `{ file; value; }`.
{ lib }:
let
  inherit (builtins)
    all
    concatLists
    concatStringsSep
    foldl'
    head
    isAttrs
    isBool
    isInt
    isList
    isString
    length
    tail
    ;
  inherit (lib.modules) messages;
  inherit (lib.options) showDefs showOption;
in
rec {
  getValues = map (definition: definition.value);
  getFiles = map (definition: definition.file);

  # Merges by what the values are, for options that declare no type.
  mergeDefaultOption =
    loc: definitions:
    let
      values = getValues definitions;
    in
    if length values == 1 then
      head values
    else if all lib.isFunction values then
      argument:
      mergeDefaultOption loc (
        map (definition: definition // { value = definition.value argument; }) definitions
      )
    else if all isList values then
      concatLists values
    else if all isAttrs values then
      foldl' (merged: value: merged // value) { } values
    else if all isBool values then
      builtins.any (value: value) values
    else if all isString values then
      concatStringsSep "" values
    else if all isInt values && all (value: value == head values) values then
      head values
    else
      throw "Cannot merge definitions of `${showOption loc}'. Definition values:${showDefs definitions}";

  mergeOneOption = mergeUniqueOption { message = ""; };

  mergeUniqueOption =
    {
      message,
      merge ? _loc: definitions: (head definitions).value,
    }:
    loc: definitions:
    if length definitions == 1 then
      merge loc definitions
    else
      throw (messages.duplicate loc message definitions);

  # Several definitions are one if they are equal.
  mergeEqualOption =
    loc: definitions:
    let
      first = head definitions;
      check =
        accepted: definition:
        if definition.value == first.value then
          accepted
        else
          throw (
            messages.conflicting loc [
              first
              definition
            ]
          );
    in
    if length definitions == 1 then first.value else foldl' check first.value (tail definitions);
}
