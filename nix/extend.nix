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
      disabledModules =
        (import ./live/disabled.nix { inherit (host.pkgs) lib; } (
          config.flk.live.disable or [ ] ++ settings.disable or [ ]
        )).modules;
    in
    if !names.isName name then
      throw "nixosConfigurations.${builtins.toJSON name}: ${names.reason name}; rename it to ${names.suggestion [ ] name}"
    else if !(host ? extendModules) then
      throw "flk: the host ${name} cannot be extended: its nixpkgs is older than 21.11; give its hosts by `flk.lib.mkHosts`, which makes up for that, or use a newer one"
    else
      host.extendModules {
        modules = variants host ++ [
          (kernel host)
          (import ./live/members.nix { inherit host; })
          (import ./live/kernel-modules.nix { inherit host; })
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
              repository = if repository == null then null else fetch repository;
              inputs = builtins.mapAttrs (_: fetch) inputs;
              devShell = if settings.devShell or (config.flk.live.devShell or true) then devShell host else [ ];
              live = settings;
            };
          }
        ];
      };

  described =
    host:
    let
      live = extend host;
    in
    {
      manifest = import ./live/assertions.nix { inherit name host live; } live.config.system.build.flkImage;
      fileName = live.config.image.fileName or (live.config.isoImage.isoName or null);
      logins = import ./live/logins.nix live;
    };
in
{
  # The live system, evaluated.
  inherit extend;
  # The manifest.
  image = host: (described host).manifest;
  # The same, and what is checked before it is built: the ISO's name, and who may log in to the live system.
  inherit described;
  # NixOS's own ISO of the live system.
  iso = host: (extend host).config.system.build.isoImage;
}
