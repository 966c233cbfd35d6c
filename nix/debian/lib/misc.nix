# Names from older nixpkgs that repositories still use.
{ lib }:
let
  inherit (builtins)
    filter
    genericClosure
    getEnv
    intersectAttrs
    mapAttrs
    ;
in
rec {
  imap = lib.imap1;
  mapAttrsFlatten = lib.mapAttrsToList;
  replaceChars = builtins.replaceStrings;
  nvs = name: value: { ${name} = value; };
  setAttr =
    set: name: value:
    set // { ${name} = value; };
  maybeAttr =
    name: default: set:
    set.${name} or default;
  maybeEnv =
    name: default:
    let
      value = getEnv name;
    in
    if value == "" then default else value;

  # `f` decides about attributes that both sets have.
  mergeAttrsWithFunc =
    f: a: b:
    b // a // mapAttrs (name: value: f value b.${name}) (intersectAttrs b a);
  mergeAttrsConcatenateValues = mergeAttrsWithFunc (a: b: lib.toList a ++ lib.toList b);

  # Packages with all that they propagate, each once.
  closePropagation =
    packages:
    let
      nodes =
        list:
        map (package: {
          key = package.outPath;
          inherit package;
        }) (filter lib.isDerivation list);
      propagated =
        package: package.propagatedBuildInputs or [ ] ++ package.propagatedNativeBuildInputs or [ ];
    in
    map (node: node.package) (genericClosure {
      startSet = nodes packages;
      operator = node: nodes (propagated node.package);
    });
}
