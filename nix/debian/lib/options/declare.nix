# Declarations of options.
{ lib }:
let
  inherit (builtins) isList;
in
rec {
  isOption = value: value._type or null == "option";

  mkOption =
    {
      default ? null,
      defaultText ? null,
      example ? null,
      description ? null,
      relatedPackages ? null,
      type ? null,
      apply ? null,
      internal ? null,
      visible ? null,
      readOnly ? null,
    }@declaration:
    declaration // { _type = "option"; };

  mkEnableOption =
    what:
    mkOption {
      type = lib.types.bool;
      default = false;
      example = true;
      description = "Whether to enable ${what}.";
    };

  # `name`, `default` and `example` are attribute names in `pkgs`, or paths of such.
  mkPackageOption =
    pkgs: name:
    {
      nullable ? false,
      default ? name,
      example ? null,
      extraDescription ? "",
      pkgsText ? "pkgs",
    }:
    let
      path = lib.toList default;
      text = lib.showAttrPath path;
      shownName = if isList name then lib.last name else name;
      inPackages = what: lib.literalExpression "${pkgsText}.${what}";
    in
    mkOption (
      {
        type = if nullable then lib.types.nullOr lib.types.package else lib.types.package;
        description =
          "The ${shownName} package to use."
          + lib.optionalString (extraDescription != "") " ${extraDescription}";
      }
      // (
        if default != null then
          {
            default = lib.attrByPath path (throw "${text} cannot be found in ${pkgsText}") pkgs;
            defaultText = inPackages text;
          }
        else
          lib.optionalAttrs nullable { default = null; }
      )
      // lib.optionalAttrs (example != null) {
        example =
          if isList example then inPackages (lib.showAttrPath example) else lib.literalExpression example;
      }
    );

  mkPackageOptionMD = mkPackageOption;

  # Takes definitions of whatever type and drops them.
  mkSinkUndeclaredOptions =
    attributes:
    mkOption (
      {
        internal = true;
        visible = false;
        default = false;
        description = "Takes definitions that nothing reads.";
        type = lib.types.mkOptionType {
          name = "sink";
          merge = _loc: _definitions: false;
        };
        apply = _: throw "Option value is not readable because the option is not declared.";
      }
      // attributes
    );
}
