# Values of the kernel's configuration, for `structuredExtraConfig`.
{ lib }:
let
  answer = tristate: {
    inherit tristate;
    optional = false;
  };
in
{
  yes = answer "y";
  no = answer "n";
  module = answer "m";
  unset = answer null;
  freeform = freeform: {
    inherit freeform;
    optional = false;
  };
  option = value: value // { optional = true; };
  whenHelpers =
    version:
    let
      atLeast = lib.versionAtLeast version;
      older = lib.versionOlder version;
    in
    {
      whenAtLeast = wanted: lib.mkIf (atLeast wanted);
      whenOlder = wanted: lib.mkIf (older wanted);
      whenBetween = lowest: highest: lib.mkIf (atLeast lowest && older highest);
    };
}
