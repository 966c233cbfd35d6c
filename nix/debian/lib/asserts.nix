# Assertions with messages.
{ lib }:
let
  inherit (builtins) all elem filter;
  show = lib.generators.toPretty { };
in
rec {
  # For use as `assert assertMsg condition "…"; value`.
  assertMsg = condition: message: condition || throw message;
  assertOneOf =
    name: value: valid:
    assertMsg (elem value valid) "${name} must be one of ${show valid}, but is: ${show value}";
  assertEachOneOf =
    name: values: valid:
    assertMsg (all (
      value: elem value valid
    ) values) "each element in ${name} must be one of ${show valid}, but is: ${show values}";

  # `value`, after the warnings, if all of `[ { assertion; message; } … ]` hold.
  checkAssertWarn =
    assertions: warnings: value:
    let
      failed = filter (item: !item.assertion) assertions;
    in
    if failed == [ ] then
      lib.showWarnings warnings value
    else
      throw "\nFailed assertions:\n${lib.concatMapStringsSep "\n" (item: "- ${item.message}") failed}";
}
