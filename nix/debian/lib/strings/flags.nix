# Command-line flags of configure, CMake and Meson.
{ lib }:
let
  inherit (builtins) elem isBool isString;
in
rec {
  enableFeature =
    flag: feature:
    assert isBool flag;
    assert isString feature;
    "--${if flag then "enable" else "disable"}-${feature}";
  enableFeatureAs =
    flag: feature: value:
    enableFeature flag feature + lib.optionalString flag "=${value}";
  withFeature =
    flag: feature:
    assert isBool flag;
    assert isString feature;
    "--${if flag then "with" else "without"}-${feature}";
  withFeatureAs =
    flag: feature: value:
    withFeature flag feature + lib.optionalString flag "=${value}";

  cmakeOptionType =
    type: feature: value:
    assert elem (lib.toUpper type) [
      "BOOL"
      "FILEPATH"
      "PATH"
      "STRING"
      "INTERNAL"
      "LIST"
    ];
    assert isString feature && isString value;
    "-D${feature}:${lib.toUpper type}=${value}";
  cmakeBool =
    condition: flag:
    assert isBool flag;
    cmakeOptionType "bool" condition (if flag then "TRUE" else "FALSE");
  cmakeFeature = cmakeOptionType "string";

  mesonOption =
    feature: value:
    assert isString feature && isString value;
    "-D${feature}=${value}";
  mesonBool =
    feature: flag:
    assert isBool flag;
    mesonOption feature (lib.boolToString flag);
  mesonEnable =
    feature: flag:
    assert isBool flag;
    mesonOption feature (if flag then "enabled" else "disabled");
}
