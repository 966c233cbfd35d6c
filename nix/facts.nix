# What an installation has to know of a host before anything of it is built (ARCHITECTURE.md, "The facts of a host"), by NixOS's option names.
host:
let
  inherit (host) config;
  inherit (config) system;
  loader = config.boot.loader;
  isDebian = system.build ? stage2Users;

  grubDevices = builtins.filter (device: device != "") (
    [ (loader.grub.device or "") ] ++ loader.grub.devices or [ ]
  );
  unique = builtins.foldl' (list: item: if builtins.elem item list then list else list ++ [ item ]) [ ];

  bySystemdBoot = loader.systemd-boot.enable or false;
  byGrub = loader.grub.enable or false;
  grubGoesToDisks = builtins.any (device: device != "nodev") grubDevices;

  # Whatever a plan says of it is a guess until it is built.
  place = path: builtins.unsafeDiscardStringContext (toString path);
  kernel = config.boot.kernelPackages.kernel;
in
{
  version = 1;
  label = "${system.nixos.distroName or "NixOS"} ${system.nixos.label} (Linux ${kernel.version or "?"})";
  stateDirectory = if isDebian then "/var/lib/flk" else null;
  fileSystems = map (fs: {
    inherit (fs)
      device
      mountPoint
      fsType
      options
      ;
  }) (builtins.filter (fs: fs.enable or true) (builtins.attrValues config.fileSystems));
  swapDevices = map (swap: {
    # NixOS has no value for a label that is not given, and makes the device of one that is.
    device =
      if isDebian && swap.label != null then "/dev/disk/by-label/${swap.label}" else swap.device;
    options = swap.options or [ ];
  }) config.swapDevices;
  bootLoader = {
    kind =
      if bySystemdBoot then
        "systemd-boot"
      else if byGrub && (isDebian || grubGoesToDisks) then
        "grub"
      else if byGrub || !isDebian then
        "unknown"
      else
        "none";
    efiSysMountPoint =
      if bySystemdBoot || (byGrub && loader.grub.efiSupport or false) then
        loader.efi.efiSysMountPoint
      else
        null;
    devices = unique grubDevices;
  };
  bootFiles =
    if isDebian then
      [
        (place kernel.file)
        (place system.build.initialRamdisk)
      ]
    else
      [
        "${place system.build.kernel}/${system.boot.loader.kernelFile}"
        "${place system.build.initialRamdisk}/${system.boot.loader.initrdFile}"
      ];
}
