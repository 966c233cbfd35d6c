# boot.kernel*, boot.initrd.*, boot.extraModprobeConfig, boot.blacklistedKernelModules, hardware.*
{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.boot;
  names =
    default: description:
    lib.mkOption {
      type = lib.types.listOf lib.types.str;
      inherit default description;
    };

  # The drivers by which media and disks are found, as far as stage 1 needs them.
  storageModules = [
    # controllers
    "ahci" "ata_piix" "ata_generic" "nvme" "sd_mod" "sr_mod" "cdrom" "vmd"
    # USB and card readers
    "xhci_pci" "xhci_hcd" "ehci_pci" "ehci_hcd" "ohci_pci" "ohci_hcd" "uhci_hcd" "usb_storage" "uas" "usbhid" "hid_generic"
    "sdhci_pci" "sdhci_acpi" "mmc_block" "rtsx_pci_sdmmc" "rtsx_usb_sdmmc"
    # machines in machines
    "virtio_pci" "virtio_blk" "virtio_scsi" "virtio_net" "virtio_mmio" "hv_storvsc" "hv_vmbus" "hv_netvsc" "hyperv_keyboard" "vmw_pvscsi"
    "xen_blkfront" "mptspi" "megaraid_sas" "mpt3sas" "mpi3mr" "aacraid" "hpsa" "smartpqi"
    # keyboards, for the rescue shell
    "atkbd" "i8042"
  ];
in
{
  imports = [
    (lib.mkRenamedOptionModule [ "boot" "cleanTmpDir" ] [ "boot" "tmp" "cleanOnBoot" ])
    (lib.mkRenamedOptionModule [ "boot" "tmpOnTmpfs" ] [ "boot" "tmp" "useTmpfs" ])
  ];

  options = {
    boot = {
      kernelPackages = lib.mkOption {
        type = lib.types.raw;
        default = pkgs.linuxPackages;
        defaultText = "pkgs.linuxPackages";
        description = "The kernel. This channel has one: Debian's.";
      };
      kernelParams = names [ ] "Arguments on the kernel's command line.";
      kernelModules = names [ ] "Modules that are loaded at boot.";
      extraModulePackages = lib.mkOption {
        type = lib.types.listOf lib.types.package;
        default = [ ];
        description = "Not on this channel: modules from outside the kernel.";
      };
      blacklistedKernelModules = names [ ] "Modules that are not loaded by themselves.";
      extraModprobeConfig = lib.mkOption {
        type = lib.types.lines;
        default = "";
        description = "Lines of modprobe.d(5).";
      };
      consoleLogLevel = lib.mkOption {
        type = lib.types.int;
        default = 4;
        description = "Messages below this level go to the console.";
      };
      kernel.sysctl = lib.mkOption {
        type = lib.types.attrsOf (
          lib.types.nullOr (
            lib.types.oneOf [
              lib.types.bool
              lib.types.int
              lib.types.str
            ]
          )
        );
        default = { };
        description = "Kernel settings (sysctl.d(5)).";
      };
      supportedFilesystems = lib.mkOption {
        type = lib.types.coercedTo (lib.types.listOf lib.types.str) (
          list: lib.genAttrs list (_: true)
        ) (lib.types.attrsOf lib.types.bool);
        default = { };
        description = "File systems whose tools are at hand.";
      };
      tmp = {
        useTmpfs = lib.mkOption {
          type = lib.types.bool;
          default = false;
          description = "Whether /tmp is in memory.";
        };
        cleanOnBoot = lib.mkOption {
          type = lib.types.bool;
          default = false;
          description = "Whether /tmp is emptied at boot.";
        };
        tmpfsSize = lib.mkOption {
          type = lib.types.either lib.types.str lib.types.ints.positive;
          default = "50%";
          description = "The size of /tmp in memory.";
        };
      };
      initrd = {
        enable = lib.mkOption {
          type = lib.types.bool;
          default = true;
          description = "Whether there is an initrd. On this channel there is.";
        };
        availableKernelModules = names [ ] "Modules that stage 1 may load where the hardware asks for them.";
        kernelModules = names [ ] "Modules that stage 1 loads in any case.";
        includeDefaultModules = lib.mkOption {
          type = lib.types.bool;
          default = true;
          description = "Whether the usual storage drivers are among them.";
        };
        supportedFilesystems = lib.mkOption {
          type = lib.types.coercedTo (lib.types.listOf lib.types.str) (
            list: lib.genAttrs list (_: true)
          ) (lib.types.attrsOf lib.types.bool);
          default = { };
          description = "File systems that stage 1 can mount.";
        };
        systemd.enable = lib.mkOption {
          type = lib.types.bool;
          default = false;
          description = "Accepted for NixOS's sake: stage 1 is flk's own.";
        };
        verbose = lib.mkOption {
          type = lib.types.bool;
          default = true;
          description = "Accepted for NixOS's sake.";
        };
        compressor = lib.mkOption {
          type = lib.types.raw;
          default = "zstd";
          description = "Accepted for NixOS's sake: it is zstd.";
        };
        luks.devices = lib.mkOption {
          type = lib.types.attrsOf lib.types.attrs;
          default = { };
          description = "Not on this channel yet: encrypted disks that stage 1 opens.";
        };
        prepend = lib.mkOption {
          type = lib.types.listOf lib.types.str;
          default = [ ];
          description = "Archives in front of the initrd.";
        };
      };
    };

    hardware = {
      enableRedistributableFirmware = lib.mkOption {
        type = lib.types.bool;
        default = config.hardware.enableAllFirmware;
        description = "Whether Debian's non-free firmware is there.";
      };
      enableAllFirmware = lib.mkOption {
        type = lib.types.bool;
        default = false;
        description = "Whether all firmware is there.";
      };
      firmware = lib.mkOption {
        type = lib.types.listOf lib.types.package;
        default = [ ];
        description = "Packages of firmware.";
      };
      cpu.intel.updateMicrocode = lib.mkOption {
        type = lib.types.bool;
        default = config.hardware.enableRedistributableFirmware;
        description = "Whether Intel's microcode is loaded.";
      };
      cpu.amd.updateMicrocode = lib.mkOption {
        type = lib.types.bool;
        default = config.hardware.enableRedistributableFirmware;
        description = "Whether AMD's microcode is loaded.";
      };
      bluetooth.enable = lib.mkOption {
        type = lib.types.bool;
        default = false;
        description = "Whether Bluetooth is there.";
      };
      graphics.enable = lib.mkOption {
        type = lib.types.bool;
        default = false;
        description = "Whether Mesa's drivers are there.";
      };
      opengl.enable = lib.mkOption {
        type = lib.types.bool;
        default = false;
        description = "The old name of `hardware.graphics.enable`.";
      };
    };

    powerManagement = {
      enable = lib.mkOption {
        type = lib.types.bool;
        default = true;
        description = "Accepted for NixOS's sake.";
      };
      cpuFreqGovernor = lib.mkOption {
        type = lib.types.nullOr lib.types.str;
        default = null;
        description = "The CPU's frequency governor.";
      };
    };
  };

  config = {
    boot.kernelParams = [ "loglevel=${toString cfg.consoleLogLevel}" ];

    boot.initrd.availableKernelModules = lib.mkIf cfg.initrd.includeDefaultModules storageModules;

    boot.kernel.sysctl = {
      "net.ipv4.ping_group_range" = lib.mkDefault "0 2147483647";
      "kernel.printk" = lib.mkDefault "${toString cfg.consoleLogLevel} 4 1 7";
    };

    hardware.firmware = lib.mkIf config.hardware.enableRedistributableFirmware (
      with pkgs;
      [
        firmware-linux-nonfree
        firmware-misc-nonfree
        firmware-iwlwifi
        firmware-realtek
        firmware-atheros
        firmware-brcm80211
        firmware-bnx2
        firmware-amd-graphics
        firmware-mediatek
      ]
    );

    environment.systemPackages =
      config.hardware.firmware
      ++ [ pkgs.kmod pkgs.util-linux pkgs.e2fsprogs pkgs.dosfstools ]
      ++ lib.optional config.hardware.bluetooth.enable pkgs.bluez
      ++ lib.optionals (config.hardware.graphics.enable || config.hardware.opengl.enable) [ pkgs.libgl1-mesa-dri pkgs.libegl-mesa0 ]
      ++ lib.concatMap (
        name:
        {
          btrfs = [ pkgs.btrfs-progs ];
          xfs = [ pkgs.xfsprogs ];
          f2fs = [ pkgs.f2fs-tools ];
          ntfs = [ pkgs.ntfs3g ];
          exfat = [ pkgs.exfatprogs ];
          nfs = [ pkgs.nfs-common ];
          nfs4 = [ pkgs.nfs-common ];
          cifs = [ pkgs.cifs-utils ];
          bcachefs = [ ];
        }
        .${name} or [ ]
      ) (lib.attrNames (lib.filterAttrs (_: enabled: enabled) cfg.supportedFilesystems));

    environment.etc = {
      "modules-load.d/flk.conf".text = lib.concatMapStrings (name: "${name}\n") (lib.unique cfg.kernelModules);
      "modprobe.d/flk.conf".text =
        lib.concatMapStrings (name: "blacklist ${name}\n") cfg.blacklistedKernelModules
        + cfg.extraModprobeConfig;
      "sysctl.d/60-flk.conf".text = lib.concatStrings (
        lib.mapAttrsToList (
          name: value:
          lib.optionalString (value != null) "${name}=${
            if lib.isBool value then (if value then "1" else "0") else toString value
          }\n"
        ) cfg.kernel.sysctl
      );
    };

    systemd.services = {
      systemd-sysctl.restartTriggers = [ config.environment.etc."sysctl.d/60-flk.conf".source ];
      systemd-modules-load.restartTriggers = [ config.environment.etc."modules-load.d/flk.conf".source ];
      bluetooth = lib.mkIf config.hardware.bluetooth.enable { wantedBy = [ "bluetooth.target" ]; };
      cpufreq = lib.mkIf (config.powerManagement.cpuFreqGovernor != null) {
        description = "CPU frequency governor";
        wantedBy = [ "multi-user.target" ];
        script = ''
          for governor in /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor; do
            [ -e "$governor" ] && echo ${config.powerManagement.cpuFreqGovernor} > "$governor"
          done
        '';
        serviceConfig.Type = "oneshot";
      };
      # Debian's own follows boot.tmp.
      tmp-clean = lib.mkIf cfg.tmp.cleanOnBoot {
        description = "Empty /tmp";
        wantedBy = [ "local-fs.target" ];
        after = [ "local-fs-pre.target" ];
        before = [ "sysinit.target" ];
        unitConfig.DefaultDependencies = false;
        script = "rm -rf /tmp/* /tmp/.[!.]*";
        serviceConfig.Type = "oneshot";
      };
    };

    # Debian 13 mounts /tmp as tmpfs by itself.
    systemd.maskedUnits = lib.mkIf (!cfg.tmp.useTmpfs) [ "tmp.mount" ];

    assertions = [
      {
        assertion = cfg.extraModulePackages == [ ];
        message = "boot.extraModulePackages: the built-in channel builds no kernel modules; use nixpkgs for this host";
      }
      {
        assertion = cfg.initrd.luks.devices == { };
        message = "boot.initrd.luks.devices: the built-in channel's stage 1 does not open encrypted disks; use nixpkgs for this host";
      }
    ];

    system.build = {
      kernelModules = pkgs.builder.build {
        name = "kernel-modules-${cfg.kernelPackages.kernel.version}";
        command = "kernel-modules";
        parameters = {
          kernels = [ "${cfg.kernelPackages.kernel}" ];
          tools = map (name: pkgs.debian.raws.${name}) (pkgs.debian.closureOf [ "kmod" "liblzma5" "libzstd1" ]);
        };
      };

      microcode =
        let
          packages =
            lib.optional config.hardware.cpu.intel.updateMicrocode pkgs.debian.raws.intel-microcode
            ++ lib.optional config.hardware.cpu.amd.updateMicrocode pkgs.debian.raws.amd64-microcode;
        in
        lib.optional (packages != [ ]) (
          pkgs.builder.build {
            name = "microcode";
            command = "microcode";
            parameters = { inherit packages; };
          }
        );
    };
  };
}
