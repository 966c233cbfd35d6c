# The archive: the signed indices that flk.lock pins, and its files.
{
  lib,
  builder,
  lock,
}:

let
  pin =
    if builtins.pathExists lock then
      lib.importJSON lock
    else
      throw "${toString lock} is missing: `flk update` asks the mirror and writes it";

  # Fixed-output: flk downloads what is missing and adds it to the store under the same name before it builds.
  fetchFromMirror =
    {
      name,
      mirror,
      path,
      sha256,
      size,
    }:
    derivation {
      inherit name;
      system = "builtin";
      builder = "builtin:fetchurl";
      url = "flk-has-not-downloaded-this-file:${path}";
      outputHashMode = "flat";
      outputHashAlgo = "sha256";
      outputHash = sha256;
      executable = false;
      unpack = false;
      preferLocalBuild = true;
      flkMirror = mirror;
      flkPath = path;
      flkSize = toString size;
      flkSha256 = sha256;
    };

  # The pinned indices as the mirror has them.
  indices = map (archive: {
    path = fetchFromMirror {
      name = "index-${archive.suite}-${archive.component}.xz";
      inherit (archive) mirror;
      inherit (archive.index) path sha256 size;
    };
    inherit (archive) mirror component;
  }) pin.archives;

  index = builder.build {
    name = "debian-index-${pin.suite}.json";
    command = "index";
    parameters = { inherit indices; };
  };

  # Bound once: Nix before 2.21 would parse the index anew for each name of an `inherit (…)`.
  content = builtins.fromJSON (builtins.unsafeDiscardStringContext (builtins.readFile index));

  storeName = lib.stringAsChars (c: if builtins.match "[A-Za-z0-9+._?=-]" c == null then "-" else c);
in
{
  inherit pin index indices;

  # name → { version, mirror, path, size, sha256, depends, … }, and virtual name → names.
  inherit (content) packages provides;

  # A package's `.deb`.
  deb =
    package:
    fetchFromMirror {
      name = storeName (baseNameOf package.path);
      inherit (package)
        mirror
        path
        sha256
        size
        ;
    };
}
