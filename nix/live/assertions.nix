# Assertions that the host meets and its live system does not: one error that says where each comes from and how to leave that out.
{
  # The host's name in the repository, the evaluated host and its evaluated live system.
  name,
  host,
  live,
}:

let
  inherit (host.pkgs) lib;
  modulesPath = toString ((host._module.specialArgs or host.specialArgs or { }).modulesPath or "");

  failedOf = builtins.filter (assertion: !assertion.assertion);

  # Before NixOS 21.05, the definitions of an option do not say their files.
  definitions = live.options.assertions.definitionsWithLocations or [
    {
      file = "<unknown-file>";
      value = live.config.assertions;
    }
  ];
  failed = lib.concatMap (
    definition:
    map (assertion: {
      inherit (assertion) message;
      file = toString definition.file;
    }) (failedOf definition.value)
  ) definitions;

  # A module's file as `flk.live.disable` takes it: NixOS's own below its `nixos/modules`.
  isOfNixOS = file: modulesPath != "" && lib.hasPrefix "${modulesPath}/" file;
  asText = file: if isOfNixOS file then lib.removePrefix "${modulesPath}/" file else file;
  item =
    file:
    let
      # A store path's name is no more than its first two components say.
      inRepository = builtins.match "/nix/store/[^/]+-source/(.+)" file;
    in
    if isOfNixOS file then
      ''"${asText file}"''
    else if inRepository != null then
      "./${lib.head inRepository}"
    else
      file;

  # What a system can be without: of NixOS's modules, those of services and programs. Without those of users or of the network there is no system.
  canBeLeftOut =
    file:
    builtins.substring 0 1 file == "/"
    && (
      !isOfNixOS file
      || lib.any (directory: lib.hasPrefix "${directory}/" (asText file)) [
        "hardware"
        "programs"
        "services"
        "virtualisation"
      ]
    );

  # flk's own have the hint in their text.
  isFlk = file: lib.hasInfix "/nix/live" file || file == "flk iso";
  ofHost = lib.filter (failure: !isFlk failure.file) failed;
  files = lib.filter canBeLeftOut (lib.unique (map (failure: failure.file) ofHost));

  text = lib.concatMapStrings (failure: "\n- ${failure.message}\n  (${asText failure.file})") ofHost;
  list = "live.disable = [ ${toString (map item files)} ];";
  hint = lib.optionalString (files != [ ]) (
    "\nTo leave these modules out of the live system, add to the outputs of flake.nix: flk.${name}.${list}"
    + "\nWhere the host has flk's options, it can say so itself: flk.${list}"
  );
in
# The host's own failed assertions are reported by the host's own evaluation.
value:
if
  failedOf (live.config.assertions or [ ]) != [ ] && failedOf (host.config.assertions or [ ]) == [ ] && ofHost != [ ]
then
  throw "flk: the live system of ${name} does not meet assertions that the host meets:${text}${hint}"
else
  value
