# A host → its live system's `image.json`: what `flk iso` evaluates.
{
  # The flake flk, as `builtins.fetchTree` gives it.
  flk,
  # The host's name in `nixosConfigurations`.
  name,
  # The repository's source: `{ path; narHash; }`, a store path that is already there, or what gives one.
  repository ? null,
  # The sources of the repository's inputs, by name, likewise.
  inputs ? { },
  # Settings of the live system, `flk.live.*`.
  settings ? { },
}:

let
  names = import ./names.nix;

  fetch =
    source: if builtins.isString source then source else "${builtins.fetchTree ({ type = "path"; } // source)}";

  # A module is disabled by its path; as text it would be one of NixOS's own.
  asPath = item: if builtins.isString item then /. + builtins.unsafeDiscardStringContext item else item;

  isoImage =
    { modulesPath, ... }:
    let
      file = modulesPath + "/installer/cd-dvd/iso-image.nix";
    in
    {
      imports = [
        (
          if builtins.pathExists file then
            file
          else
            throw "flk: the nixpkgs of the host ${name} has no nixos/modules/installer/cd-dvd/iso-image.nix, which NixOS makes images by: it is too old or was trimmed; use a whole one, NixOS 20.09 or newer"
        )
      ];
    };

  # By which options a user of the host may have a password, besides `hashedPassword`.
  passwords =
    user:
    builtins.filter (option: user ? ${option}) [
      "password"
      "initialPassword"
      "initialHashedPassword"
    ]
    ++ [ (if user ? hashedPasswordFile then "hashedPasswordFile" else "passwordFile") ];

  # What a dev shell is made of: nixpkgs' shells are none to be built, and before 21.05 do not say it by themselves; the built-in channel's are what
  # their `PATH` has.
  partsOf =
    shell:
    if shell ? inputDerivation then
      [ shell.inputDerivation ]
    else if shell ? shellTools then
      shell.shellTools
    else
      [ shell.stdenv ]
      ++ map (package: package.dev or package) (shell.nativeBuildInputs ++ shell.buildInputs);

  # Whether a host's packages are a nixpkgs as it is; what `nixpkgs.pkgs` was given may have overlays of its own.
  hasPackagesOf =
    host: nixpkgs:
    let
      inherit (host.config.nixpkgs) config overlays;
    in
    toString (host.pkgs.path or "") == toString nixpkgs
    && config == { }
    && overlays == [ ]
    && !(host.options.nixpkgs.pkgs.isDefined or false);

  # The repository's dev shell, where its hosts are given the flake; one that throws is no reason to have no ISO. (Nix lets nobody catch other errors,
  # such as a package that there is not: `flk.live.devShell = false` leaves the shell out.)
  devShell =
    host:
    let
      arguments = host._module.specialArgs or host.specialArgs or { };
      flake = arguments.self or arguments.inputs.self or { };
      inherit (host.pkgs.stdenv.hostPlatform) system;
      parts =
        if !(flake ? devShells.${system}.default) then
          [ ]
        else
          let
            shell = flake.devShells.${system}.default;
          in
          # One of `lib.devShell` is evaluated with the packages that are there already, where these are the same.
          if shell ? ofPackages && hasPackagesOf host shell.nixpkgs then
            partsOf (shell.ofPackages host.pkgs)
          else
            partsOf shell;
      tried = builtins.tryEval (builtins.deepSeq (map (part: part.outPath) parts) parts);
    in
    if tried.success then tried.value else [ ];

  # Variants that are not the host with changes are no live systems: they would have none of what makes one.
  isVariant = host: name: host.config.specialisation.${name}.inheritParentConfig or true;
  variants =
    host:
    let
      names = builtins.attrNames (host.config.specialisation or { });
      others = builtins.filter (name: !isVariant host name) names;
      inherit (host.pkgs) lib;
    in
    if others == [ ] then
      [ ]
    else
      map (definition: {
        specialisation = lib.mkOverride 40 (removeAttrs definition others);
      }) host.options.specialisation.definitions;

  # A host's own tables of packets may shut ssh and mDNS out.
  ownTables =
    host:
    let
      tables = removeAttrs (host.config.networking.nftables.tables or { }) [
        "nixos-fw"
        "nixos-fw-rpfilter"
        "nixos-nat"
      ];
      inherit (host.pkgs) lib;
    in
    if tables == { } then
      { }
    else
      { networking.nftables.tables = builtins.mapAttrs (_: _: { enable = lib.mkOverride 40 false; }) tables; };

  # A host's own services of systemd's initrd work on the machine's disks: one that rolls its root back with each start would do so to whatever disk has
  # that label. NixOS's are told from them by their files; what a host says of systemd's own starts nothing new.
  ownInitrdServices =
    host:
    let
      inherit (host.pkgs) lib;
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
      off = {
        enable = lib.mkOverride 40 false;
        # A unit that is off and required keeps from starting what requires it.
        wantedBy = lib.mkOverride 40 [ ];
        requiredBy = lib.mkOverride 40 [ ];
      };
      own = lib.filter runs (lib.subtractLists (namesIn parted.right) (namesIn parted.wrong));
    in
    if modulesPath == "" || own == [ ] then
      { }
    else
      { boot.initrd.systemd.services = lib.genAttrs own (_: off); };

  # The first console's login, which desktops' managers and their users turn off; it is systemd's own unit again.
  consoleOf =
    host:
    let
      inherit (host.pkgs) lib;
      services = host.config.systemd.services or { };
      # Before 22.11, what is on without a body would be an empty unit.
      isOff = name: services ? ${name} && !services.${name}.enable && services.${name} ? overrideStrategy;
    in
    {
      systemd.services = lib.genAttrs (lib.filter isOff [
        "autovt@tty1"
        "getty@tty1"
        "autovt@"
      ]) (_: {
        enable = lib.mkOverride 40 true;
        overrideStrategy = lib.mkOverride 40 "asDropin";
      });
    };

  # What the host's disks are made and mounted with: a system has it for what it mounts, and the live system mounts none of them.
  ofItsDisks =
    host:
    let
      boot = host.config.boot or { };
    in
    if boot ? supportedFilesystems then
      {
        # A set where each can be turned off, since 24.05.
        boot.supportedFilesystems =
          if builtins.isAttrs boot.supportedFilesystems then
            builtins.mapAttrs (_: host.pkgs.lib.mkDefault) boot.supportedFilesystems
          else
            boot.supportedFilesystems;
        environment.systemPackages = if boot.initrd.luks.devices or { } == { } then [ ] else [ host.pkgs.cryptsetup ];
      }
    else
      { };

  # The host's kernel as it is, with its patches: nixpkgs would put it together once more. A variant may say another.
  kernel =
    host:
    let
      packages = host.config.boot.kernelPackages or { };
    in
    if packages ? extend then
      {
        boot.kernelPackages = host.pkgs.lib.mkOverride (host.options.boot.kernelPackages.highestPrio - 1) (
          packages // { extend = _: packages; }
        );
      }
    else
      { };

  extend =
    host:
    let
      inherit (host) config;
      disabledModules = map asPath (
        builtins.filter (item: !builtins.isString item || builtins.substring 0 1 item == "/") (
          config.flk.live.disable or [ ]
        )
      );
    in
    if !names.isName name then
      throw "nixosConfigurations.${builtins.toJSON name}: ${names.reason name}; rename it to ${names.suggestion [ ] name}"
    else if !(host ? extendModules) then
      throw "flk: the host ${name} cannot be extended: its nixpkgs is older than 21.11; give its hosts by `flk.lib.mkHosts`, which makes up for that, or use a newer one"
    else
      host.extendModules {
        modules = variants host ++ [
          (kernel host)
          (ownTables host)
          (ownInitrdServices host)
          (consoleOf host)
          (ofItsDisks host)
          isoImage
          (flk + "/nix/live.nix")
          (flk + "/nix/image.nix")
          {
            _file = "flk iso";
            inherit disabledModules;
            # The host has been checked for definitions without an option. What is left here are those for modules that were left out.
            _module.check = host.pkgs.lib.mkOverride 40 false;
            # The packages are the host's own, evaluated once for both systems; those of modules that are left out are at hand all the same.
            _module.args.pkgs = host.pkgs.lib.mkOverride 40 host.pkgs;
            environment.systemPackages =
              if disabledModules == [ ] then [ ] else config.environment.systemPackages;
            flk = {
              source = "${flk}";
              host = name;
              hostToplevel = "${config.system.build.toplevel}";
              users = builtins.mapAttrs (_: passwords) config.users.users;
              repository = if repository == null then null else fetch repository;
              inputs = builtins.mapAttrs (_: fetch) inputs;
              devShell = if config.flk.live.devShell or true then devShell host else [ ];
              live = settings;
            };
          }
        ];
      };
in
{
  # The live system, evaluated.
  inherit extend;
  # The manifest.
  image = host: (extend host).config.system.build.flkImage;
  # The same, and what is checked before it is built: the ISO's name, and who may log in to the live system.
  described =
    host:
    let
      live = extend host;
    in
    {
      manifest = live.config.system.build.flkImage;
      fileName = live.config.image.fileName or (live.config.isoImage.isoName or null);
      logins = import ./live/logins.nix live;
    };
  # NixOS's own ISO of the live system.
  iso = host: (extend host).config.system.build.isoImage;
}
