# Derivations as values.
{ lib }:
{
  optionalDrvAttr = condition: value: if condition then value else null;

  # A package whose attributes but the store path are known without evaluating `derivation`.
  lazyDerivation =
    {
      derivation,
      meta ? null,
      passthru ? { },
      outputs ? [ "out" ],
    }@arguments:
    let
      checked =
        if !lib.isDerivation derivation then
          throw "lazyDerivation: input must be a derivation."
        else if derivation.outputs != outputs then
          throw "lazyDerivation: ${
            derivation.name or "the derivation"
          } has the outputs ${toString derivation.outputs}, not ${toString outputs}"
        else
          derivation;
    in
    {
      type = "derivation";
      inherit (checked)
        outPath
        outputName
        drvPath
        name
        system
        ;
      inherit outputs;
      meta = arguments.meta or checked.meta;
    }
    // lib.genAttrs outputs (output: checked.${output})
    // passthru;

  # Warns when the package is used, not when it is looked at.
  warnOnInstantiate =
    message: package:
    let
      used = removeAttrs package [
        "meta"
        "name"
        "type"
        "outputName"
      ];
    in
    package // builtins.mapAttrs (_: lib.warn message) used;
}
