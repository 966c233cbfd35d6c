# Calling functions with arguments from a set, and changing the arguments later.
{ lib }:
let
  inherit (builtins)
    attrNames
    filter
    intersectAttrs
    isAttrs
    listToAttrs
    mapAttrs
    unsafeGetAttrPos
    ;
  inherit (lib) functionArgs isFunction mirrorFunctionArgs;

  asFunction = value: if isFunction value then value else import value;

  missingArgumentMessage =
    name: arguments: known:
    let
      position = unsafeGetAttrPos name arguments;
      near = lib.strings.nearest name known;
    in
    "callPackage: function called without required argument `${name}'"
    + lib.optionalString (position != null) " at ${toString position.file}:${toString position.line}"
    + lib.optionalString (near != null) ", did you mean `${near}'?";
in
rec {
  overrideDerivation =
    package: f:
    extendDerivation true (
      {
        meta = package.meta or { };
        passthru = package.passthru or { };
      }
      // package.passthru or { }
    ) (derivation (package.drvAttrs // f package));

  # The result of `f`, with `override` to call it again with other arguments.
  makeOverridable =
    f:
    let
      like = mirrorFunctionArgs f;
      call =
        arguments:
        let
          result = f arguments;
          changed = new: arguments // (if isFunction new then new arguments else new);
          override = like (new: makeOverridable f (changed new));
          after = change: makeOverridable (like (arguments: change (f arguments))) arguments;
        in
        if isAttrs result && !(result ? __functor) then
          result
          // {
            inherit override;
            overrideDerivation = g: after (package: overrideDerivation package g);
          }
          // lib.optionalAttrs (result ? overrideAttrs) {
            overrideAttrs = g: after (package: package.overrideAttrs g);
          }
        else if isFunction result then
          (if isAttrs result then result else lib.setFunctionArgs result (functionArgs result))
          // {
            inherit override;
          }
        else
          result;
    in
    if isAttrs f then
      f
      // like call
      // lib.optionalAttrs (f ? override) { override = new: makeOverridable (f.override new); }
    else
      like call;

  # Calls a function, or the one in a file, with what it asks for of `scope`, and `arguments` over that.
  callPackageWith =
    scope: function: arguments:
    let
      f = asFunction function;
      wanted = functionArgs f;
      given = intersectAttrs wanted scope // arguments;
      missing = filter (name: !wanted.${name}) (attrNames (removeAttrs wanted (attrNames given)));
    in
    if missing == [ ] then
      makeOverridable f given
    else
      abort (missingArgumentMessage (builtins.head missing) wanted (attrNames (scope // arguments)));

  # As callPackageWith, for a function that gives a set of packages.
  callPackagesWith =
    scope: function: arguments:
    let
      f = asFunction function;
      given = intersectAttrs (functionArgs f) scope // arguments;
      packages = f given;
    in
    if lib.isDerivation packages then
      throw "callPackages: `${packages.name or "<unknown-name>"}' is a single package; use callPackage"
    else
      mapAttrs (name: _: makeOverridable (mirrorFunctionArgs f (new: (f new).${name})) given) packages;

  # A package with more attributes, on each of its outputs, for as long as `condition` holds.
  extendDerivation =
    condition: passthru: package:
    let
      names = package.outputs or [ "out" ];
      checked = output: {
        drvPath =
          assert condition;
          output.drvPath;
        outPath =
          assert condition;
          output.outPath;
      };
      outputs = listToAttrs (
        map (
          name:
          lib.nameValuePair name (
            common
            // {
              inherit (package.${name}) type outputName;
              outputSpecified = true;
            }
            // checked package.${name}
            // lib.optionalAttrs (passthru ? overrideAttrs) {
              overrideAttrs = f: (passthru.overrideAttrs f).${name};
            }
          )
        ) names
      );
      common =
        package // outputs // { all = map (name: outputs.${name}) names; } // passthru // checked package;
    in
    common;

  # A package set of its own, whose packages find each other before those of the set around it.
  makeScope =
    newScope: f:
    let
      self = {
        callPackage = self.newScope { };
      }
      // f self
      // {
        newScope = scope: newScope (self // scope);
        overrideScope = overlay: makeScope newScope (lib.extends overlay f);
        packages = f;
      };
    in
    self;

  hydraJob = package: package;
}
