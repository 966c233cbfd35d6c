# Files and folders at evaluation time.
{ lib }:
let
  inherit (builtins)
    attrNames
    baseNameOf
    concatMap
    dirOf
    filter
    pathExists
    readDir
    ;
in
rec {
  inherit baseNameOf dirOf readDir;
  inherit (builtins) hashFile isPath;

  # "directory", "regular", "symlink" or "unknown".
  pathType =
    path:
    if toString path == "/" then
      "directory"
    else
      let
        path' = builtins.toPath path;
        siblings = readDir (dirOf path');
      in
      siblings.${baseNameOf path'} or (throw "pathType: ${toString path} does not exist");
  readFileType = builtins.readFileType or pathType;
  pathIsDirectory = path: pathExists path && readFileType path == "directory";
  pathIsRegularFile = path: pathExists path && readFileType path == "regular";

  # All files below a folder, as paths.
  listFilesRecursive =
    folder:
    let
      entries = readDir folder;
      below =
        name:
        if entries.${name} == "directory" then
          listFilesRecursive (folder + "/${name}")
        else
          [ (folder + "/${name}") ];
    in
    concatMap below (attrNames entries);

  # The nearest folder upwards in which names match `pattern`: `{ path; matches; }`, or null.
  locateDominatingFile =
    pattern: file:
    let
      search =
        path:
        let
          matches = filter (found: found != null) (map (builtins.match pattern) (attrNames (readDir path)));
        in
        if matches != [ ] then
          { inherit path matches; }
        else if toString path == "/" then
          null
        else
          search (dirOf path);
    in
    search (if pathIsDirectory file then file else dirOf file);

  # A package for each `NAME.nix` and each folder with a `package.nix`; other folders become sets.
  packagesFromDirectoryRecursive =
    {
      callPackage,
      directory,
      newScope ? null,
    }@arguments:
    let
      entries = readDir directory;
      packages =
        arguments:
        lib.concatMapAttrs (
          name: type:
          let
            path = directory + "/${name}";
          in
          if type == "directory" then
            { ${name} = packagesFromDirectoryRecursive (arguments // { directory = path; }); }
          else if type != "regular" then
            throw "packagesFromDirectoryRecursive: ${toString path} is neither a file nor a folder"
          else
            lib.optionalAttrs (lib.hasSuffix ".nix" name) {
              ${lib.removeSuffix ".nix" name} = arguments.callPackage path { };
            }
        ) entries;
    in
    if entries ? "package.nix" then
      callPackage (directory + "/package.nix") { }
    else if newScope != null then
      lib.recurseIntoAttrs (
        lib.makeScope newScope (self: packages (arguments // { inherit (self) callPackage newScope; }))
      )
    else
      packages arguments;

  resolveDefaultNix =
    path:
    if pathIsDirectory path then
      path + "/default.nix"
    else if builtins.isString path && lib.hasSuffix "/" path then
      "${path}default.nix"
    else
      path;
}
