# The medium instead of the host's disks: nothing that the host mounts, opens or boots from is there on a live machine.
{
  config,
  lib,
  modulesPath,
  options,
  ...
}:

let
  inherit (import ./override.nix { inherit lib options; })
    force
    has
    suggest
    whereKnown
    ;
  names = import ../names.nix;

  # Only NixOS has it; the built-in channel's medium brings file systems that no host overrides.
  isNixOS = has [ "system" "nssModules" ];

  # Since 21.05, `iso-image.nix` says what the medium mounts; before, as then.
  mediumFileSystems =
    config.lib.isoFileSystems or {
      "/" = {
        fsType = "tmpfs";
        options = [ "mode=0755" ];
      };
      "/iso" = {
        device = "/dev/root";
        neededForBoot = true;
        noCheck = true;
      };
      "/nix/.ro-store" = {
        fsType = "squashfs";
        device = "/iso/nix-store.squashfs";
        options = [ "loop" ];
        neededForBoot = true;
      };
      "/nix/.rw-store" = {
        fsType = "tmpfs";
        options = [ "mode=0755" ];
        neededForBoot = true;
      };
      "/nix/store" = {
        fsType = "overlay";
        device = "overlay";
        options = [
          "lowerdir=/nix/.ro-store"
          "upperdir=/nix/.rw-store/store"
          "workdir=/nix/.rw-store/work"
        ];
      };
    };

  # NixOS's medium was mounted by its own script alone, until 2025: with systemd in the initrd it would find no root. No option tells.
  ofScriptAlone =
    let
      text = builtins.readFile (modulesPath + "/installer/cd-dvd/iso-image.nix");
    in
    isNixOS && has [ "boot" "initrd" "systemd" "enable" ] && builtins.length (builtins.split "initrd[.]systemd" text) == 1;
in
{
  config = lib.mkMerge [
    (lib.optionalAttrs isNixOS { fileSystems = force mediumFileSystems; })
    (lib.optionalAttrs ofScriptAlone (
      lib.mkMerge [
        (whereKnown [ "boot" "initrd" "systemd" "enable" ] false)
        # They need systemd there.
        (whereKnown [ "system" "etc" "overlay" "enable" ] false)
        (whereKnown [ "boot" "initrd" "nix-store-veritysetup" "enable" ] false)
        (whereKnown [ "boot" "initrd" "systemd" "dmVerity" "enable" ] false)
        (whereKnown [ "boot" "plymouth" "tpm2-totp" "enable" ] false)
      ]
    ))
    {
      swapDevices = force [ ];
      boot.loader.grub.enable = force false;
      boot.loader.systemd-boot.enable = force false;
      boot.loader.timeout = force 5;
    }
    (whereKnown [ "boot" "initrd" "luks" "devices" ] { })
    (whereKnown [ "boot" "initrd" "secrets" ] { })
    # An initrd that waits at an ssh prompt for a passphrase.
    (whereKnown [ "boot" "initrd" "network" "enable" ] false)
    (whereKnown [ "boot" "initrd" "network" "ssh" "enable" ] false)
    (whereKnown [ "boot" "initrd" "network" "ifstate" "enable" ] false)
    (whereKnown [ "boot" "initrd" "systemd" "network" "enable" ] false)
    (whereKnown [ "boot" "initrd" "unl0kr" "enable" ] false)
    (whereKnown [ "boot" "initrd" "clevis" "enable" ] false)
    (whereKnown [ "boot" "iscsi-initiator" "name" ] null)
    (whereKnown [ "boot" "zfs" "extraPools" ] [ ])
    (whereKnown [ "boot" "resumeDevice" ] "")
    # Since 2023, systemd finds a hibernated NixOS by a variable of the firmware, and would resume that instead of starting the medium.
    (lib.optionalAttrs (isNixOS && has [ "boot" "initrd" "systemd" "enable" ]) { boot.kernelParams = [ "noresume" ]; })
    (whereKnown [ "boot" "growPartition" ] false)
    # The disks of a machine that this is started on are not to be written before somebody says so.
    (whereKnown [ "boot" "initrd" "systemd" "repart" "enable" ] false)
    (whereKnown [ "systemd" "repart" "enable" ] false)
    (whereKnown [ "zramSwap" "writebackDevice" ] null)
    (whereKnown [ "services" "beesd" "filesystems" ] { })
    (whereKnown [ "services" "drbd" "enable" ] false)
    # NixOS refuses them without such a file system, and without swap.
    (whereKnown [ "services" "btrfs" "autoScrub" "enable" ] false)
    (whereKnown [ "services" "bcachefs" "autoScrub" "enable" ] false)
    (whereKnown [ "boot" "zswap" "enable" ] false)
    # They would keep the stick that the medium is on from being read, and the disks from being mounted.
    (whereKnown [ "services" "usbguard" "enable" ] false)
    (whereKnown [ "security" "lockKernelModules" ] false)
    # Other people's modules, for what lies on the host's disks: impermanence, preservation and disko, which has this for installers.
    (whereKnown [ "environment" "persistence" ] { })
    (whereKnown [ "preservation" "enable" ] false)
    (whereKnown [ "disko" "enableConfig" ] false)
    # A host's own lines, such as those that roll its root back.
    (whereKnown [ "boot" "initrd" "postDeviceCommands" ] "")
    (whereKnown [ "boot" "initrd" "postResumeCommands" ] "")
    (whereKnown [ "boot" "initrd" "postMountCommands" ] "")
    (whereKnown [ "boot" "initrd" "systemd" "root" ] "fstab")
    # /etc has the machine's identity written to it.
    (whereKnown [ "system" "etc" "overlay" "mutable" ] true)
    (whereKnown [ "boot" "loader" "external" "enable" ] false)
    (whereKnown [ "boot" "loader" "generic-extlinux-compatible" "enable" ] false)
    (whereKnown [ "boot" "loader" "initScript" "enable" ] false)
    (whereKnown [ "boot" "loader" "limine" "enable" ] false)
    (whereKnown [ "boot" "loader" "refind" "enable" ] false)
    (whereKnown [ "boot" "lanzaboote" "enable" ] false)
    (whereKnown [ "services" "lvm" "boot" "thin" "enable" ] false)
    # A host that is a container or a virtual machine's guest has no kernel, no initrd or no boot loader of its own; its live system has.
    (whereKnown [ "boot" "isContainer" ] false)
    (whereKnown [ "boot" "kernel" "enable" ] true)
    (whereKnown [ "boot" "initrd" "enable" ] true)
    (whereKnown [ "microvm" "guest" "enable" ] false)
    (whereKnown [ "wsl" "enable" ] false)
    # What would work on the medium's store, or replace the live system.
    (whereKnown [ "nix" "gc" "automatic" ] false)
    (whereKnown [ "nix" "optimise" "automatic" ] false)
    (whereKnown [ "system" "autoUpgrade" "enable" ] false)
    (whereKnown [ "systemd" "sysupdate" "enable" ] false)
    (whereKnown [ "services" "comin" "enable" ] false)
    (whereKnown [ "services" "self-deploy" "enable" ] false)

    # The medium, as far as the host does not say what it is to be.
    {
      isoImage = {
        makeEfiBootable = suggest true;
        makeUsbBootable = suggest true;
        # An edition has its place in NixOS's own default.
        volumeID = lib.mkIf (config.isoImage.edition == "") (
          suggest (names.volumeId config.flk.host)
        );
      };
    }
    (lib.optionalAttrs (has [ "isoImage" "squashfsCompression" ]) {
      isoImage.squashfsCompression = suggest "zstd -Xcompression-level 6";
    })
    (
      if has [ "image" "baseName" ] then
        { image.baseName = suggest config.flk.host; }
      else
        { isoImage.isoBaseName = suggest config.flk.host; }
    )
  ];
}
