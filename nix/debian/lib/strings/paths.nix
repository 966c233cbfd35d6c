# Store paths and search paths, as strings.
{ lib }:
let
  inherit (builtins)
    concatStringsSep
    filter
    match
    storeDir
    substring
    ;
in
rec {
  inherit storeDir;

  isStorePath =
    value:
    lib.isStringLike value
    && (
      let
        path = toString value;
      in
      substring 0 1 path == "/" && (dirOf path == storeDir || match "/[0-9a-z]{52}" path != null)
    );

  # "/a/bin:/b/bin" of "bin" and [ "/a" "/b" ].
  makeSearchPath =
    folder: paths:
    concatStringsSep ":" (map (path: path + "/${folder}") (filter (path: path != null) paths));
  makeSearchPathOutput =
    output: folder: packages:
    makeSearchPath folder (map (lib.getOutput output) packages);
  makeBinPath = makeSearchPathOutput "bin" "bin";
  makeLibraryPath = makeSearchPathOutput "lib" "lib";
  makeIncludePath = makeSearchPathOutput "dev" "include";

  # Without repeated slashes.
  normalizePath =
    path:
    builtins.concatStringsSep "" (
      map (part: if builtins.isList part then "/" else part) (builtins.split "/+" path)
    );
}
