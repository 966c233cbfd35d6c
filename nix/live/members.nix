# What the live system changes of the members of NixOS's sets: users, services, tables of packets. Each change is a part of the set's type, merged
# into every member that the live system has anyway, so it adds no member. A definition by a name would bring that member into being where the live
# system turns its module off: a user of which nothing is left but its password, which NixOS refuses.
#
# `host` is the evaluated host: which of these options there are must be known before the live system's own options are.
{ host }:

{
  config,
  lib,
  ...
}:

let
  inherit
    (import ./override.nix {
      inherit lib;
      inherit (host) options;
    })
    force
    has
    suggest
    ;

  disabled = import ./disabled.nix { inherit lib; } config.flk.live.disable;

  # Merges a module into each member of a set of submodules, where the host's NixOS has that set. Only types of one kind merge: `attrsOf`, or `loaOf`
  # before 21.05.
  each =
    path: module:
    lib.optionalAttrs (has path) (
      let
        kind = (lib.getAttrFromPath path host.options).type.name;
      in
      lib.setAttrByPath path (lib.mkOption { type = lib.types.${kind} (lib.types.submodule module); })
    );

  # Nobody logs in with a password.
  user =
    { config, options, ... }:
    let
      inherit (config) isNormalUser uid;
      passwords = lib.filter (option: options ? ${option}) [
        "password"
        "initialPassword"
        "initialHashedPassword"
      ]
      ++ [ (if options ? hashedPasswordFile then "hashedPasswordFile" else "passwordFile") ];
    in
    {
      config = lib.mkMerge [
        { hashedPassword = force "!"; }
        (lib.genAttrs passwords (_: force null))
        # What a host adds to the user of a service (`users.users.nginx.extraGroups`) stays when the module that makes the user is left out.
        (lib.mkIf (!isNormalUser && uid == null) {
          isSystemUser = suggest true;
          group = suggest "nogroup";
        })
      ];
    };

  service =
    { name, ... }:
    {
      config = lib.mkMerge [
        # A disabled unit's timer (`startAt`) goes with it, but only by the service's own option.
        (lib.mkIf (lib.elem "${name}.service" disabled.units) { enable = force false; })
        # Nobody waits for a network that may never come.
        (lib.mkIf (name == "systemd-networkd-wait-online") { enable = force false; })
        (lib.optionalAttrs (consolesOff != [ ]) (
          lib.mkIf (lib.elem name consolesOff) {
            enable = force true;
            overrideStrategy = force "asDropin";
          }
        ))
      ];
    };

  # A host's own resolv.conf, beside that of systemd-resolved, which is on here.
  etcFile =
    { name, ... }:
    {
      config = lib.mkIf (name == "resolv.conf") {
        enable = force true;
        mode = force "symlink";
        source = force "/run/systemd/resolve/stub-resolv.conf";
      };
    };

  # The first console's login, which desktops' managers and their users turn off; it is systemd's own unit again.
  consolesOff =
    let
      services = host.config.systemd.services or { };
      # Before 22.11, what is on without a body would be an empty unit.
      isOff = name: services ? ${name} && !services.${name}.enable && services.${name} ? overrideStrategy;
    in
    lib.filter isOff [
      "autovt@tty1"
      "getty@tty1"
      "autovt@"
    ];

  # A host's own tables of packets may shut ssh and mDNS out; these are NixOS's.
  table =
    { name, ... }:
    {
      config = lib.mkIf (
        !lib.elem name [
          "nixos-fw"
          "nixos-fw-rpfilter"
          "nixos-nat"
        ]
      ) { enable = force false; };
    };

  # A host's own services of systemd's initrd work on the machine's disks: one that rolls its root back with each start would do so to whatever disk has
  # that label. NixOS's are told from them by their files; what a host says of systemd's own starts nothing new.
  initrdService =
    { name, ... }:
    {
      config = lib.mkIf (lib.elem name ownInitrdServices) {
        enable = force false;
        # A unit that is off and required keeps from starting what requires it.
        wantedBy = force [ ];
        requiredBy = force [ ];
      };
    };

  ownInitrdServices =
    let
      modulesPath = toString ((host._module.specialArgs or host.specialArgs or { }).modulesPath or "");
      definitions = host.options.boot.initrd.systemd.services.definitionsWithLocations or [ ];
      parted = lib.partition (definition: lib.hasPrefix "${modulesPath}/" (toString definition.file)) definitions;
      namesIn = lib.concatMap (definition: builtins.attrNames definition.value);
      runs =
        name:
        let
          unit = host.config.boot.initrd.systemd.services.${name};
        in
        !(lib.hasPrefix "systemd-" name)
        && (unit.script or "" != "" || lib.any (lib.hasPrefix "Exec") (builtins.attrNames (unit.serviceConfig or { })));
    in
    if modulesPath == "" then
      [ ]
    else
      lib.filter runs (lib.subtractLists (namesIn parted.right) (namesIn parted.wrong));
in
{
  _file = ./members.nix;

  options = lib.foldl' lib.recursiveUpdate { } [
    (each [ "users" "users" ] user)
    (each [ "systemd" "services" ] service)
    # NixOS alone: the built-in channel makes the file in another mode.
    (lib.optionalAttrs (has [ "system" "nssModules" ]) (each [ "environment" "etc" ] etcFile))
    (each [ "networking" "nftables" "tables" ] table)
    (each [ "boot" "initrd" "systemd" "services" ] initrdService)
  ];
}
