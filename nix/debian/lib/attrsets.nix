# Attribute sets.
{ lib }:
let
  inherit (builtins)
    attrNames
    attrValues
    catAttrs
    concatMap
    elemAt
    filter
    foldl'
    head
    isAttrs
    isList
    length
    listToAttrs
    mapAttrs
    removeAttrs
    tail
    zipAttrsWith
    ;
in
rec {
  inherit
    attrNames
    attrValues
    catAttrs
    isAttrs
    listToAttrs
    mapAttrs
    removeAttrs
    zipAttrsWith
    ;
  inherit (builtins) getAttr hasAttr intersectAttrs;

  # Paths of attribute names.

  attrByPath =
    path: default: set:
    let
      depth = length path;
      walk =
        index: value:
        if index == depth then
          value
        else
          let
            name = elemAt path index;
          in
          if value ? ${name} then walk (index + 1) value.${name} else default;
    in
    walk 0 set;

  hasAttrByPath =
    path: set:
    let
      depth = length path;
      walk =
        index: value:
        index == depth
        || (
          let
            name = elemAt path index;
          in
          value ? ${name} && walk (index + 1) value.${name}
        );
    in
    walk 0 set;

  # The longest start of `path` that leads to something in `set`.
  longestValidPathPrefix =
    path: set:
    let
      depth = length path;
      walk =
        index: value:
        if index < depth && value ? ${elemAt path index} then
          walk (index + 1) value.${elemAt path index}
        else
          index;
    in
    lib.take (walk 0 set) path;

  setAttrByPath = path: value: lib.foldr (name: inner: { ${name} = inner; }) value path;

  getAttrFromPath = path: attrByPath path (throw "cannot find attribute `${showAttrPath path}'");

  showAttrPath =
    path:
    if path == [ ] then
      "<root attribute path>"
    else
      lib.concatMapStringsSep "." lib.strings.escapeNixIdentifier path;

  # Applies `[ { path; update; } … ]` in order; a path that does not exist yet is created, its `update` gets an error as argument.
  updateManyAttrsByPath =
    let
      apply =
        prefix: hasValue: value: updates:
        let
          groups = lib.partition (u: u.path == [ ]) updates;
          below = lib.groupBy (u: head u.path) groups.wrong;
          nested = mapAttrs (
            name: list:
            apply (prefix ++ [ name ]) (value ? ${name}) value.${name} (
              map (u: {
                path = tail u.path;
                inherit (u) update;
              }) list
            )
          ) below;
          base =
            if groups.wrong == [ ] then
              if hasValue then
                value
              else
                throw "updateManyAttrsByPath: path `${showAttrPath prefix}' does not exist"
            else if !hasValue then
              nested
            else if isAttrs value then
              value // nested
            else
              throw "updateManyAttrsByPath: path `${showAttrPath prefix}' is no attribute set, so nothing below it can be updated";
        in
        foldl' (acc: u: u.update acc) base groups.right;
    in
    updates: set: apply [ ] true set updates;

  # Choosing.

  attrVals = names: set: map (name: set.${name}) names;
  getAttrs = names: set: lib.genAttrs names (name: set.${name});
  filterAttrs = keep: set: removeAttrs set (filter (name: !keep name set.${name}) (attrNames set));
  filterAttrsRecursive =
    keep: set:
    mapAttrs (_: value: if isAttrs value then filterAttrsRecursive keep value else value) (
      filterAttrs keep set
    );
  optionalAttrs = condition: set: if condition then set else { };
  collect =
    wanted: value:
    if wanted value then
      [ value ]
    else if isAttrs value then
      concatMap (collect wanted) (attrValues value)
    else
      [ ];
  matchAttrs =
    pattern: set:
    assert isAttrs pattern;
    lib.all (
      name:
      set ? ${name}
      && (
        if isAttrs pattern.${name} then
          isAttrs set.${name} && matchAttrs pattern.${name} set.${name}
        else
          pattern.${name} == set.${name}
      )
    ) (attrNames pattern);

  # Making.

  nameValuePair = name: value: { inherit name value; };
  genAttrs = names: f: genAttrs' names (name: nameValuePair name (f name));
  genAttrs' = items: f: listToAttrs (map f items);
  cartesianProduct =
    sets:
    foldl' (
      products: name:
      concatMap (product: map (value: product // { ${name} = value; }) sets.${name}) products
    ) [ { } ] (attrNames sets);
  cartesianProductOfSets = cartesianProduct;
  mapCartesianProduct = f: sets: map f (cartesianProduct sets);

  # Mapping and folding.

  mapAttrs' = f: set: listToAttrs (mapAttrsToList f set);
  mapAttrsToList = f: set: attrValues (mapAttrs f set);
  attrsToList = mapAttrsToList nameValuePair;
  concatMapAttrs = f: set: mergeAttrsList (mapAttrsToList f set);
  mapAttrsRecursive = mapAttrsRecursiveCond (_: true);
  mapAttrsRecursiveCond =
    descend: f: set:
    let
      walk =
        path:
        mapAttrs (
          name: value:
          let
            here = path ++ [ name ];
          in
          if isAttrs value && descend value then walk here value else f here value
        );
    in
    walk [ ] set;
  mapAttrsToListRecursive = mapAttrsToListRecursiveCond (_: _: true);
  mapAttrsToListRecursiveCond =
    descend: f: set:
    let
      walk =
        path: value:
        if isAttrs value && (path == [ ] || descend path value) then
          concatMap (name: walk (path ++ [ name ]) value.${name}) (attrNames value)
        else
          [ (f path value) ];
    in
    walk [ ] set;
  foldlAttrs =
    f: start: set:
    foldl' (acc: name: f acc name set.${name}) start (attrNames set);
  foldAttrs =
    f: start: sets:
    zipAttrsWith (_: values: lib.foldr f start values) sets;

  # Merging.

  zipAttrs = zipAttrsWith (_: values: values);
  zip = zipAttrsWith;
  zipAttrsWithNames =
    names: f: sets:
    genAttrs names (name: f name (catAttrs name sets));

  # Merges by halves, so that a long list of sets costs n log n.
  mergeAttrsList =
    sets:
    let
      merge =
        from: to:
        if to - from == 1 then
          elemAt sets from
        else if to - from == 2 then
          elemAt sets from // elemAt sets (from + 1)
        else
          let
            middle = (from + to) / 2;
          in
          merge from middle // merge middle to;
    in
    if sets == [ ] then { } else merge 0 (length sets);

  recursiveUpdateUntil =
    stop: left: right:
    let
      merge =
        path:
        zipAttrsWith (
          name: values:
          let
            here = path ++ [ name ];
          in
          if length values == 1 then
            head values
          else if stop here (elemAt values 1) (head values) then
            head values
          else
            merge here values
        );
    in
    merge [ ] [ right left ];
  recursiveUpdate = recursiveUpdateUntil (
    _: left: right:
    !(isAttrs left && isAttrs right)
  );
  overrideExisting = old: new: mapAttrs (name: value: new.${name} or value) old;
  unionOfDisjoint =
    left: right:
    let
      common = attrNames (builtins.intersectAttrs left right);
      clash = mapAttrs (
        name: _:
        throw "unionOfDisjoint: both sets have `${name}'; in common are: ${lib.concatStringsSep ", " common}"
      ) (builtins.intersectAttrs left right);
    in
    left // right // clash;

  # Packages.

  isDerivation = value: value.type or null == "derivation";

  # A store path as if it were a package.
  toDerivation =
    path:
    let
      storePath =
        if builtins.isPath path || builtins.hasContext (toString path) then
          builtins.path {
            inherit path;
            name = lib.strings.sanitizeDerivationName (baseNameOf path);
          }
        else
          builtins.storePath path;
      self = {
        type = "derivation";
        name = builtins.unsafeDiscardStringContext (
          lib.strings.sanitizeDerivationName (builtins.substring 33 (-1) (baseNameOf path))
        );
        outPath = if builtins.isString path && builtins.hasContext path then path else storePath;
        outputs = [ "out" ];
        outputName = "out";
        out = self;
      };
    in
    self;

  getOutput =
    output: package:
    if !package ? outputSpecified || !package.outputSpecified then
      package.${output} or package.out or package
    else
      package;
  getFirstOutput =
    candidates: package:
    let
      present = filter (name: package ? ${name}) candidates;
    in
    if package.outputSpecified or false || present == [ ] then package else package.${head present};
  getBin = getOutput "bin";
  getLib = getOutput "lib";
  getStatic = getFirstOutput [
    "static"
    "lib"
    "out"
  ];
  getDev = getOutput "dev";
  getInclude = getFirstOutput [
    "include"
    "dev"
    "out"
  ];
  getMan = getOutput "man";
  chooseDevOutputs = map getDev;
  recurseIntoAttrs = set: set // { recurseForDerivations = true; };
  dontRecurseIntoAttrs = set: set // { recurseForDerivations = false; };
}
