# Units as text (systemd.unit(5), systemd.syntax(7)), and the folders that hold them.
{ lib }:

let
  value =
    value:
    if value == true then
      "true"
    else if value == false then
      "false"
    else
      toString value;

  # A list is one line for each element; null is left out.
  attributes =
    section:
    lib.concatStrings (
      lib.mapAttrsToList (
        name: setting:
        lib.concatMapStrings (element: lib.optionalString (element != null) "${name}=${value element}\n") (
          lib.toList setting
        )
      ) section
    );

  section = name: settings: lib.optionalString (settings != { }) "[${name}]\n${attributes settings}\n";

  # An unquoted value with specifiers and variables as they are.
  quoted = text: builtins.toJSON (lib.replaceStrings [ "%" ] [ "%%" ] (toString text));
in
{
  inherit attributes section;

  environment =
    variables:
    lib.concatStrings (
      lib.mapAttrsToList (
        name: setting: lib.optionalString (setting != null) "Environment=${quoted "${name}=${toString setting}"}\n"
      ) variables
    );

  # nixpkgs' `utils.escapeSystemdPath`: `/dev/disk/by-label/x` → `dev-disk-by\x2dlabel-x`.
  escapePath = lib.strings.escapeSystemdPath;
}
