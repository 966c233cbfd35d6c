# Parts of version numbers.
{ lib }:
let
  inherit (builtins) concatStringsSep elemAt;
in
rec {
  inherit (builtins) compareVersions splitVersion;
  major = version: elemAt (splitVersion version) 0;
  minor = version: elemAt (splitVersion version) 1;
  patch = version: elemAt (splitVersion version) 2;
  majorMinor = version: concatStringsSep "." (lib.take 2 (splitVersion version));

  # Exactly `count` parts, filled up with zeros: pad 3 "1.2-rc" is "1.2.0-rc".
  pad =
    count: version:
    let
      number = builtins.head (lib.splitString "-" version);
    in
    concatStringsSep "." (lib.take count (splitVersion number ++ lib.replicate count "0"))
    + lib.removePrefix number version;
}
