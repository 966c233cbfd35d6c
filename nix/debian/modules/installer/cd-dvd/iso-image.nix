# isoImage.*: a system that runs from a medium, under NixOS's option names
{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.isoImage;
  names = import ../../../../names.nix;
  raws = pkgs.debian.raws;

  # The loaders' menu: what each entry is called and starts. `called` tells a variant from the others.
  systemEntry =
    {
      name,
      system,
      called ? system.isoImage.configurationName,
    }:
    {
      inherit name;
      title = lib.concatStrings [
        system.isoImage.prependToMenuLabel
        "${system.system.nixos.distroName} ${system.system.nixos.label}"
        system.isoImage.appendToMenuLabel
        (lib.optionalString (called != null) " ${called}")
      ];
      files = bootFiles system;
      arguments = "init=${system.system.build.toplevel}/init ${toString system.boot.kernelParams}";
    };
  live = systemEntry {
    name = "live";
    system = config;
  };
  withArgument =
    name: title: argument:
    live
    // {
      inherit name title;
      arguments = "${live.arguments} ${argument}";
    };
  variantEntry =
    name: variant:
    systemEntry {
      name = "live-${name}";
      system = variant;
      called =
        if variant.isoImage.configurationName == cfg.configurationName then
          "(${name})"
        else
          variant.isoImage.configurationName;
    };
  variants = lib.filterAttrs (_: variant: variant.isoImage.showConfiguration) (
    lib.mapAttrs (_: variant: variant.configuration) config.specialisation
  );
  entries =
    lib.optional cfg.showConfiguration live
    ++ lib.mapAttrsToList variantEntry variants
    ++ [
      (withArgument "copytoram" "Copy to RAM, then the medium may be taken out" "copytoram")
      (withArgument "check" "Check this medium, then start it" "rd.live.check")
      (withArgument "nomodeset" "Safe graphics (nomodeset)" "nomodeset")
    ];

  text = import ../../text.nix { inherit lib; };

  # Where a system's kernel and initrd are on the medium; a variant whose are the same has no others.
  sources = system: {
    kernel = system.boot.kernelPackages.kernel.file;
    initrd = "${system.system.build.initialRamdisk}";
  };
  bootFiles =
    system:
    let
      own = sources system;
      base = sources config;
      place =
        kind: name:
        if own.${kind} == base.${kind} then
          "/boot/${name}"
        else
          # By its store path, so that variants share what they have in common.
          "/boot/${builtins.unsafeDiscardStringContext (builtins.substring 11 32 "${own.${kind}}")}-${name}";
    in
    {
      kernel = {
        source = own.kernel;
        target = place "kernel" "bzImage";
      };
      initrd = {
        source = own.initrd;
        target = place "initrd" "initrd";
      };
    };

  timeout = if config.boot.loader.timeout == null then 0 else config.boot.loader.timeout;

  grubConfig = pkgs.writeText "grub.cfg" (
    ''
      set timeout=${if config.boot.loader.timeout == null then "-1" else toString timeout}
      set default=0
      search --no-floppy --set=root --label ${text.grubWord cfg.volumeID}
      if serial --unit=0 --speed=115200; then
        terminal_input console serial
        terminal_output console serial
      fi
    ''
    + lib.concatMapStrings (entry: ''
      menuentry ${text.grubWord entry.title} --id ${text.grubWord entry.name} {
        linux ${entry.files.kernel.target} ${text.grubArguments entry.arguments}
        initrd ${entry.files.initrd.target}
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
      DEFAULT ${(lib.head entries).name}
    ''
    + lib.concatMapStrings (entry: ''

      LABEL ${entry.name}
        MENU LABEL ${text.isolinuxLabel entry.title}
        LINUX ${entry.files.kernel.target}
        INITRD ${entry.files.initrd.target}
        APPEND ${text.oneLine entry.arguments}
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
        # What udev leaves as it is in /dev/disk/by-label.
        type = lib.types.strMatching "[A-Za-z0-9#+.:=@_-]{1,32}" // {
          description = "volume ID (1 to 32 of A to Z, a to z, 0 to 9 and # + - . : = @ _)";
        };
        default = names.volumeId config.networking.hostName;
        defaultText = "flk-HOST";
        example = "RESCUE";
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
      configurationName = lib.mkOption {
        type = lib.types.nullOr lib.types.str;
        default = null;
        description = "What this configuration is called in the menu; a specialisation without one has its own name.";
      };
      showConfiguration = lib.mkOption {
        type = lib.types.bool;
        default = true;
        description = "Whether this configuration, or only its specialisations, is in the menu.";
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

    isoImage.contents =
      lib.unique (lib.concatMap (entry: lib.attrValues entry.files) entries)
      ++ [
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
