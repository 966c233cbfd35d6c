# Path values, and subpaths: relative paths without `..`, as strings.
{ lib }:
let
  inherit (builtins)
    baseNameOf
    concatStringsSep
    dirOf
    filter
    isPath
    isString
    match
    split
    typeOf
    ;

  needPath =
    function: value:
    if isPath value then
      value
    else
      throw "lib.path.${function}: expected a path, but got a ${typeOf value}";
  needSubpath =
    function: value:
    if subpath.isValid value then
      value
    else
      throw "lib.path.${function}: not a subpath, which is relative, not empty and without `..': ${
        lib.generators.toPretty { } value
      }";

  # The names from the root to a path.
  namesOf = path: if path == dirOf path then [ ] else namesOf (dirOf path) ++ [ (baseNameOf path) ];

  join = names: "./${if names == [ ] then "." else concatStringsSep "/" names}";

  subpath = {
    isValid =
      value:
      isString value
      && value != ""
      && builtins.substring 0 1 value != "/"
      && match "(.*/)?\\.\\.(/.*)?" value == null;
    components =
      value:
      filter (part: isString part && part != "" && part != ".") (
        split "/+" (needSubpath "subpath.components" value)
      );
    normalise = value: join (subpath.components value);
    join = values: join (builtins.concatMap subpath.components values);
  };
in
{
  inherit subpath;
  append = path: below: needPath "append" path + "/${needSubpath "append" below}";
  hasPrefix =
    prefix: path:
    lib.lists.hasPrefix (namesOf (needPath "hasPrefix" prefix)) (namesOf (needPath "hasPrefix" path));
  removePrefix =
    prefix: path:
    join (
      lib.lists.removePrefix (namesOf (needPath "removePrefix" prefix)) (
        namesOf (needPath "removePrefix" path)
      )
    );
  splitRoot = path: {
    root = /.;
    subpath = join (namesOf (needPath "splitRoot" path));
  };
  hasStorePathPrefix = path: lib.hasPrefix "${builtins.storeDir}/" (toString path);
}
