# Numbers.
{ lib }:
let
  inherit (builtins) isFloat isInt toJSON;
  inherit (lib.options) mergeEqualOption;
  inherit (lib.types) addCheck mkOptionType;

  bounds = lowest: highest: "${toJSON lowest} and ${toJSON highest} (both inclusive)";

  between =
    what: name: description: type: lowest: highest:
    assert lib.assertMsg (lowest <= highest) "${what}: lowest must be smaller than highest";
    addCheck type (value: value >= lowest && value <= highest)
    // {
      inherit name;
      description = "${description} between ${bounds lowest highest}";
    };

  from =
    name: description: type: check:
    addCheck type check
    // {
      inherit name description;
      descriptionClass = "nonRestrictiveClause";
    };

  sized =
    name: description: lowest: highest:
    ints.between lowest highest
    // {
      inherit name;
      description = "${description}; between ${bounds lowest highest}";
    };
  unsigned =
    bits: values:
    sized "unsignedInt${toString bits}" "${toString bits} bit unsigned integer" 0 (values - 1);
  signed =
    bits: values:
    sized "signedInt${toString bits}" "${toString bits} bit signed integer" (-values / 2) (
      values / 2 - 1
    );

  int = mkOptionType {
    name = "int";
    description = "signed integer";
    descriptionClass = "noun";
    check = isInt;
    merge = mergeEqualOption;
  };

  float = mkOptionType {
    name = "float";
    description = "floating point number";
    descriptionClass = "noun";
    check = isFloat;
    merge = mergeEqualOption;
  };

  number = lib.types.either int float;

  ints = {
    between = between "ints.between" "intBetween" "integer" int;
    unsigned = from "unsignedInt" "unsigned integer, meaning >=0" int (value: value >= 0);
    positive = from "positiveInt" "positive integer, meaning >0" int (value: value > 0);
    u8 = unsigned 8 256;
    u16 = unsigned 16 65536;
    u32 = unsigned 32 4294967296;
    s8 = signed 8 256;
    s16 = signed 16 65536;
    s32 = signed 32 4294967296;
  };
in
{
  inherit
    int
    float
    number
    ints
    ;
  port = ints.u16;
  numbers = {
    between = between "numbers.between" "numberBetween" "integer or floating point number" number;
    nonnegative =
      from "numberNonnegative" "nonnegative integer or floating point number, meaning >=0" number
        (value: value >= 0);
    positive = from "numberPositive" "positive integer or floating point number, meaning >0" number (
      value: value > 0
    );
  };
}
