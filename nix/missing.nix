# Which packages of those that a host's files ask for there are not, and what may be meant: what `flk` evaluates where a host lacks one.
{
  lib,
  # The host's packages.
  pkgs,
  # Of each name that is asked for, the attribute paths that it may mean.
  names,
}:

let
  # The part of a path up to what is missing, or null.
  missingOf =
    path:
    let
      walk =
        set: depth:
        let
          name = lib.elemAt path depth;
          tried = builtins.tryEval set.${name};
        in
        if !(builtins.isAttrs set) || depth == lib.length path then
          null
        else if !(set ? ${name}) then
          lib.take (depth + 1) path
        else if !tried.success || !(builtins.isAttrs tried.value) then
          null
        else
          walk tried.value (depth + 1);
    in
    walk pkgs 0;

  check =
    paths:
    let
      missing = map missingOf paths;
      first = lib.head missing;
    in
    if lib.elem null missing then null else first;

  near =
    path:
    let
      name = lib.last path;
      set = lib.attrByPath (lib.init path) { } pkgs;
      length = builtins.stringLength name;
      isLike =
        other:
        let
          otherLength = builtins.stringLength other;
        in
        builtins.substring 0 1 other == builtins.substring 0 1 name
        && otherLength >= length - 2
        && otherLength <= length + 2
        && lib.strings.levenshteinAtMost (lib.max 1 (lib.min 2 (length / 3))) name other;
      beside = lib.sortOn (lib.strings.levenshtein name) (lib.filter isLike (builtins.attrNames set));
    in
    lib.take 5 (
      if !(pkgs ? debian.nearest) then
        beside
      else if lib.length path == 1 then
        pkgs.debian.nearest name
      else
        lib.unique (beside ++ lib.optional (pkgs.debian.packages ? ${name}) name ++ pkgs.debian.nearest name)
    );

  missing = map check names;
in
{
  inherit missing;
  near = map (path: if path == null then [ ] else near path) missing;
}
