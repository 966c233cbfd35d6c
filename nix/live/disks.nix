# The medium instead of the host's disks: nothing that the host mounts, opens or boots from is there on a live machine.
{
  config,
  lib,
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
in
{
  config = lib.mkMerge [
    (lib.optionalAttrs isNixOS { fileSystems = force mediumFileSystems; })
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
    (whereKnown [ "boot" "initrd" "clevis" "enable" ] false)
    (whereKnown [ "boot" "zfs" "extraPools" ] [ ])
    (whereKnown [ "boot" "resumeDevice" ] "")
    (whereKnown [ "boot" "growPartition" ] false)
    (whereKnown [ "boot" "loader" "external" "enable" ] false)
    (whereKnown [ "boot" "loader" "generic-extlinux-compatible" "enable" ] false)
    (whereKnown [ "boot" "loader" "initScript" "enable" ] false)
    (whereKnown [ "boot" "loader" "limine" "enable" ] false)
    (whereKnown [ "boot" "loader" "refind" "enable" ] false)
    (whereKnown [ "boot" "lanzaboote" "enable" ] false)
    (whereKnown [ "services" "lvm" "boot" "thin" "enable" ] false)
    # What would work on the medium's store, or replace the live system.
    (whereKnown [ "nix" "gc" "automatic" ] false)
    (whereKnown [ "nix" "optimise" "automatic" ] false)
    (whereKnown [ "system" "autoUpgrade" "enable" ] false)

    # The medium, as far as the host does not say what it is to be.
    {
      isoImage = {
        makeEfiBootable = suggest true;
        makeUsbBootable = suggest true;
        # An edition has its place in NixOS's own default.
        volumeID = lib.mkIf (config.isoImage.edition == "") (
          suggest (builtins.substring 0 32 "flk-${config.flk.host}")
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
