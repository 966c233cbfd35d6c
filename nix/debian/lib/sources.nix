# Folders of source code, less what does not belong to it.
{ lib }:
let
  inherit (builtins)
    any
    baseNameOf
    elem
    hasContext
    match
    ;

  versionControl = [
    ".git"
    ".svn"
    "CVS"
    ".hg"
    ".jj"
    ".pijul"
    "_darcs"
  ];

  # A folder, or one that has been filtered already.
  asSource =
    source:
    if source ? _isLibCleanSourceWith then
      source
    else
      {
        origSrc = source;
        filter = _: _: true;
        name = "source";
      };
in
rec {
  inherit (builtins) filterSource;

  # Leaves out version control, editors' and compilers' files, links to build results, and what is neither file nor folder.
  cleanSourceFilter =
    path: type:
    let
      name = baseNameOf path;
    in
    !(
      name == ".git"
      || type == "directory" && elem name versionControl
      || lib.hasSuffix "~" name
      || match "\\.sw[a-z]|\\..*\\.sw[a-z]" name != null
      || lib.hasSuffix ".o" name
      || lib.hasSuffix ".so" name
      || type == "symlink" && lib.hasPrefix "result" name
      || type == "unknown"
    );
  cleanSource =
    src:
    cleanSourceWith {
      inherit src;
      filter = cleanSourceFilter;
    };

  # Filters add up.
  cleanSourceWith =
    {
      src,
      filter ? _path: _type: true,
      name ? null,
    }:
    let
      source = asSource src;
      self = {
        _isLibCleanSourceWith = true;
        inherit (source) origSrc;
        filter = path: type: filter path type && source.filter path type;
        name = if name == null then source.name else name;
        outPath = builtins.path {
          inherit (self) filter name;
          path = source.origSrc;
        };
      };
    in
    self;
  canCleanSource = src: src ? _isLibCleanSourceWith || !hasContext (toString src);
  pathHasContext = hasContext;

  # Keeps what matches one of the regular expressions, by path within the folder.
  sourceByRegex =
    src: patterns:
    let
      root = "${toString (asSource src).origSrc}/";
    in
    cleanSourceWith {
      inherit src;
      filter =
        path: _: any (pattern: match pattern (lib.removePrefix root (toString path)) != null) patterns;
    };
  sourceFilesBySuffices =
    src: suffixes:
    cleanSourceWith {
      inherit src;
      filter =
        path: type: type == "directory" || any (suffix: lib.hasSuffix suffix (baseNameOf path)) suffixes;
    };

  revOrTag =
    rev: tag:
    if tag != null then
      tag
    else if rev != null then
      rev
    else
      "HEAD";
}
