# Names of hosts, nix/names.nix.
{ lib, is, ... }:
let
  names = import ../../../names.nix;
  inherit (lib) all concatMap stringLength;

  characters = lib.attrNames (removeAttrs (import ../strings/ascii.nix) [ "\n" ]) ++ [
    "ä"
    "ß"
    "é"
    "日"
    "🐧"
  ];
  # Each character at each place of a name, alone and doubled.
  odd = concatMap (c: [
    c
    "${c}a"
    "a${c}"
    "a${c}b"
    "${c}${c}"
    "a${c}${c}b"
  ]) characters;
  long = map (length: lib.concatStrings (lib.genList (_: "x") length)) [ 1 27 28 29 62 63 64 255 ];
  every = odd ++ long ++ map (name: "${name}-_") long;
  valid = lib.filter names.isName every;

  faultOf = name: names.fault { inherit name; names = [ name ]; file = "hosts/${name}.nix"; };
  hostName = name: names.hostName { inherit name; names = [ name ]; file = "hosts/${name}.nix"; };
  isFine = name: (builtins.tryEval (hostName name)).success;
in
{
  isName = [
    # A name that is none is refused, and what is advised instead is valid in every place.
    (is (lib.filter (name: (faultOf name == null) != names.isName name) every) [ ])
    (is (lib.filter (name: !names.isLabel (names.suggestion [ ] name)) every) [ ])
    (is (lib.filter (name: isFine name != names.isLabel name) every) [ ])
    (is (lib.filter (name: names.isLabel name && !names.isName name) every) [ ])
    (is (map names.isLabel [ "NixOS" "a" "42" "a-b" "a_b" "a.b" "a-" "-a" "" "Localhost" ]) [ true true true true false false false false false false ])
  ];
  volumeId = [
    (is (lib.filter (name: builtins.match "[A-Za-z0-9._-]{5,32}" (names.volumeId name) == null) valid) [ ])
    (is (names.volumeId "NixOS") "flk-NixOS")
    # Names with a long beginning in common have different IDs.
    (is (
      let
        ids = map (name: names.volumeId "a-machine-of-the-second-floor-${name}") [ "1" "2" "3" ];
      in
      lib.unique ids == ids && all (id: stringLength id == 32) ids
    ) true)
  ];
  suggestion = [
    (is (map (names.suggestion [ ]) [ "file server" "büro" "my_host" "日本" " a " "localhost" ]) [ "file-server" "buero" "my-host" "host" "a" "host" ])
    (is (names.suggestion [ "My-Host" "my-host-2" ] "my_host") "my-host-3")
  ];
  fault = [
    (is (names.fault { name = "file server"; names = [ "file server" ]; file = "hosts/file server.nix"; }) "hosts/file server.nix: `file server' is not a valid host name: one has letters (A to Z), digits and hyphens; rename it to hosts/file-server.nix")
    (is (names.fault { name = "a b"; names = [ "a b" ]; file = "hosts/a b"; }) "hosts/a b: `a b' is not a valid host name: one has letters (A to Z), digits and hyphens; rename it to hosts/a-b")
    (is (names.fault { name = "web"; names = [ "Web" "web" ]; file = "hosts/web.nix"; }) "hosts/web.nix: `web' and `Web' are one name to DNS, which ignores case; rename one of the two")
    (is (names.fault { name = "web.example.org"; names = [ "web.example.org" "web" ]; file = "hosts/web.example.org.nix"; }) null)
  ];
  isHidden = [
    (is (map names.isHidden [ ".nix" ".#NixOS.nix" "NixOS.nix" ]) [ true true false ])
  ];
}
