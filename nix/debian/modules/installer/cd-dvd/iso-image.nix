# isoImage.*: a system that runs from a medium, under NixOS's option names
{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.isoImage;
  raws = pkgs.debian.raws;

  # The loaders' menu: title → arguments added to the kernel's.
  entries = [
    {
      title = "${cfg.prependToMenuLabel}${config.system.nixos.distroName} ${config.system.nixos.label}${cfg.appendToMenuLabel}";
      name = "live";
      arguments = "";
    }
    {
      title = "Copy to RAM, then the medium may be taken out";
      name = "copytoram";
      arguments = " copytoram";
    }
    {
      title = "Check this medium, then start it";
      name = "check";
      arguments = " rd.live.check";
    }
    {
      title = "Safe graphics (nomodeset)";
      name = "nomodeset";
      arguments = " nomodeset";
    }
  ];

  arguments = "init=${config.system.build.toplevel}/init ${toString config.boot.kernelParams}";
  timeout = if config.boot.loader.timeout == null then 0 else config.boot.loader.timeout;

  grubConfig = pkgs.writeText "grub.cfg" (
    ''
      set timeout=${if config.boot.loader.timeout == null then "-1" else toString timeout}
      set default=0
      search --no-floppy --set=root --label ${cfg.volumeID}
      if serial --unit=0 --speed=115200; then
        terminal_input console serial
        terminal_output console serial
      fi
    ''
    + lib.concatMapStrings (entry: ''
      menuentry "${entry.title}" --id ${entry.name} {
        linux /boot/bzImage ${arguments}${entry.arguments}
        initrd /boot/initrd
      }
    '') entries
    + ''
      menuentry "Firmware setup" --id firmware {
        fwsetup
      }
    ''
  );

  isolinuxConfig = pkgs.writeText "isolinux.cfg" (
    ''
      SERIAL 0 115200
      UI menu.c32
      MENU TITLE flk
      TIMEOUT ${toString (timeout * 10)}
      DEFAULT live
    ''
    + lib.concatMapStrings (entry: ''

      LABEL ${entry.name}
        MENU LABEL ${entry.title}
        LINUX /boot/bzImage
        INITRD /boot/initrd
        APPEND ${arguments}${entry.arguments}
    '') entries
  );

  # shim (Microsoft's signature) starts Debian's signed GRUB, which starts Debian's signed kernel: Secure Boot may be on.
  efiImage = pkgs.builder.build {
    name = "efi.img";
    command = "fat";
    parameters = {
      label = "EFIBOOT";
      files = [
        {
          source = "${raws.shim-signed}/usr/lib/shim/shimx64.efi.signed";
          target = "/EFI/BOOT/BOOTX64.EFI";
        }
        {
          source = "${raws.grub-efi-amd64-signed}/usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed";
          target = "/EFI/BOOT/grubx64.efi";
        }
        {
          source = "${raws.shim-helpers-amd64-signed}/usr/lib/shim/mmx64.efi.signed";
          target = "/EFI/BOOT/mmx64.efi";
        }
      ];
    };
  };

  syslinuxModules = "${raws.syslinux-common}/usr/lib/syslinux/modules/bios";
in
{
  imports = [
    (lib.mkRenamedOptionModule [ "isoImage" "isoName" ] [ "image" "fileName" ])
    (lib.mkRenamedOptionModule [ "isoImage" "isoBaseName" ] [ "image" "baseName" ])
  ];

  options = {
    image = {
      baseName = lib.mkOption {
        type = lib.types.str;
        default = config.networking.hostName;
        defaultText = "config.networking.hostName";
        description = "The image's file name without its extension.";
      };
      fileName = lib.mkOption {
        type = lib.types.str;
        default = "${config.image.baseName}.iso";
        defaultText = "baseName.iso";
        description = "The image's file name.";
      };
    };

    isoImage = {
      volumeID = lib.mkOption {
        type = lib.types.strMatching ".{1,32}";
        default = builtins.substring 0 32 "flk-${config.networking.hostName}";
        defaultText = "flk-HOST";
        description = "The volume's ID, at most 32 characters: stage 1 finds the medium by it.";
      };
      edition = lib.mkOption {
        type = lib.types.str;
        default = "";
        description = "Accepted for NixOS's sake.";
      };
      contents = lib.mkOption {
        type = lib.types.listOf lib.types.attrs;
        default = [ ];
        description = "Files and folders on the medium: `{ source; target; }`.";
      };
      storeContents = lib.mkOption {
        type = lib.types.listOf lib.types.package;
        default = [ ];
        description = "Store paths whose closures are on the medium.";
      };
      includeSystemBuildDependencies = lib.mkOption {
        type = lib.types.bool;
        default = false;
        description = "Not on this channel.";
      };
      squashfsCompression = lib.mkOption {
        type = lib.types.nullOr lib.types.str;
        default = "zstd -Xcompression-level 6";
        description = "The store image's compression, as mksquashfs has it; null: none.";
      };
      compressImage = lib.mkOption {
        type = lib.types.bool;
        default = false;
        description = "Not on this channel: the ISO as a zst file.";
      };
      makeBiosBootable = lib.mkOption {
        type = lib.types.bool;
        default = true;
        description = "Whether BIOS can boot it.";
      };
      makeEfiBootable = lib.mkOption {
        type = lib.types.bool;
        default = true;
        description = "Whether UEFI can boot it.";
      };
      makeUsbBootable = lib.mkOption {
        type = lib.types.bool;
        default = true;
        description = "Whether it boots as a disk.";
      };
      appendToMenuLabel = lib.mkOption {
        type = lib.types.str;
        default = " live";
        description = "What follows the system's name in the menu.";
      };
      prependToMenuLabel = lib.mkOption {
        type = lib.types.str;
        default = "";
        description = "What precedes the system's name in the menu.";
      };
      forceTextMode = lib.mkOption {
        type = lib.types.bool;
        default = true;
        description = "Accepted for NixOS's sake: the menu is text.";
      };
    };
  };

  config = {
    boot.loader.grub.enable = lib.mkImageMediaOverride false;
    boot.loader.systemd-boot.enable = lib.mkImageMediaOverride false;
    boot.loader.timeout = lib.mkImageMediaOverride 5;

    boot.kernelParams = [ "boot.shell_on_fail" ];
    boot.initrd.kernelModules = [ "loop" "overlay" "squashfs" "isofs" ];
    boot.initrd.availableKernelModules = [ "uas" "usb_storage" "sr_mod" ];

    swapDevices = lib.mkImageMediaOverride [ ];
    fileSystems = lib.mkImageMediaOverride {
      "/" = {
        device = "tmpfs";
        fsType = "tmpfs";
        options = [ "mode=0755" ];
      };
      "/iso" = {
        device = "/dev/disk/by-label/${cfg.volumeID}";
        fsType = "iso9660";
        options = [ "ro" ];
        neededForBoot = true;
        noCheck = true;
      };
      "/nix/.ro-store" = {
        device = "/iso/nix-store.squashfs";
        fsType = "squashfs";
        options = [
          "loop"
          "ro"
        ];
        neededForBoot = true;
      };
      "/nix/.rw-store" = {
        device = "tmpfs";
        fsType = "tmpfs";
        options = [ "mode=0755" ];
        neededForBoot = true;
      };
      "/nix/store" = {
        device = "overlay";
        fsType = "overlay";
        options = [
          "lowerdir=/nix/.ro-store"
          "upperdir=/nix/.rw-store/store"
          "workdir=/nix/.rw-store/work"
        ];
        depends = [
          "/nix/.ro-store"
          "/nix/.rw-store"
        ];
        neededForBoot = true;
      };
    };

    system.build.stage1FileSystems = lib.mkForce (
      map (fs: {
        mountPoint = fs.mountPoint;
        inherit (fs) fsType options device;
        medium = fs.mountPoint == "/iso";
      }) (map (point: config.fileSystems.${point}) [ "/" "/iso" "/nix/.ro-store" "/nix/.rw-store" "/nix/store" ])
    );

    isoImage.storeContents = [
      config.system.build.toplevel
      # What the repository's evaluation and `nix develop` need on the live machine.
      pkgs.archive.index
      pkgs.sandboxShell
      pkgs.flk
      # What an edited host's locales and initrd are made of, besides what is in the system itself.
      raws.locales
    ]
    ++ config.system.build.microcode
    ++ map (index: index.path) pkgs.archive.indices;

    isoImage.contents = [
      {
        source = config.boot.kernelPackages.kernel.file;
        target = "/boot/bzImage";
      }
      {
        source = "${config.system.build.initialRamdisk}";
        target = "/boot/initrd";
      }
      {
        source = "${pkgs.writeText "version.txt" "${config.system.nixos.label}\n"}";
        target = "/version.txt";
      }
    ]
    ++ lib.optionals cfg.makeBiosBootable [
      {
        source = "${raws.isolinux}/usr/lib/ISOLINUX/isolinux.bin";
        target = "/isolinux/isolinux.bin";
      }
      {
        source = "${isolinuxConfig}";
        target = "/isolinux/isolinux.cfg";
      }
    ]
    ++ lib.optionals cfg.makeBiosBootable (
      map
        (module: {
          source = "${syslinuxModules}/${module}";
          target = "/isolinux/${module}";
        })
        [
          "ldlinux.c32"
          "libutil.c32"
          "libcom32.c32"
          "menu.c32"
        ]
    )
    ++ lib.optionals cfg.makeEfiBootable [
      {
        source = "${efiImage}";
        target = "/boot/efi.img";
      }
      {
        source = "${grubConfig}";
        target = "/boot/grub/grub.cfg";
      }
      {
        # The file by which Debian's GRUB for media finds the medium.
        source = "${pkgs.writeText "disk-info" "flk ${config.system.nixos.label}\n"}";
        target = "/.disk/info";
      }
    ];

    system.build.isoBoot = {
      bios =
        if cfg.makeBiosBootable then
          {
            image = "/isolinux/isolinux.bin";
            mbr = if cfg.makeUsbBootable then "${raws.isolinux}/usr/lib/ISOLINUX/isohdpfx.bin" else null;
          }
        else
          null;
      efi = if cfg.makeEfiBootable then { image = "/boot/efi.img"; } else null;
    };

    # Nix knows what the medium carries.
    systemd.services.nix-path-registration = {
      description = "Register the medium's store paths";
      wantedBy = [ "multi-user.target" ];
      before = [ "nix-daemon.socket" "nix-daemon.service" "sshd.service" "getty.target" ];
      unitConfig.DefaultDependencies = false;
      after = [ "local-fs.target" ];
      unitConfig.ConditionPathExists = "/nix/store/nix-path-registration";
      script = ''
        /usr/bin/nix-store --load-db < /nix/store/nix-path-registration
        touch /etc/NIXOS
        /usr/bin/nix-env -p /nix/var/nix/profiles/system --set /run/current-system
      '';
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
      };
    };
  };
}
