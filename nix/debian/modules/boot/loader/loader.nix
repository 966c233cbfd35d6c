# boot.loader.*
{
  config,
  lib,
  pkgs,
  ...
}:

let
  bool =
    default: description:
    lib.mkOption {
      type = lib.types.bool;
      inherit default description;
    };
  cfg = config.boot.loader;
  raws = pkgs.debian.raws;

  kind =
    if cfg.systemd-boot.enable then
      "systemd-boot"
    else if cfg.grub.enable then
      "grub"
    else
      "none";

  grubDevices = lib.unique (lib.optional (cfg.grub.device != "") cfg.grub.device ++ cfg.grub.devices);
in
{
  options.boot.loader = {
    timeout = lib.mkOption {
      type = lib.types.nullOr lib.types.int;
      default = 5;
      description = "Seconds that the boot menu waits; null: for ever.";
    };
    efi = {
      canTouchEfiVariables = bool false "Whether the installation may write the firmware's boot entries.";
      efiSysMountPoint = lib.mkOption {
        type = lib.types.str;
        default = "/boot";
        description = "Where the EFI system partition is mounted.";
      };
    };
    systemd-boot = {
      enable = bool false "Whether systemd-boot starts the machine (UEFI).";
      editor = bool true "Whether the kernel's arguments can be edited at boot.";
      configurationLimit = lib.mkOption {
        type = lib.types.nullOr lib.types.int;
        default = null;
        description = "The number of generations in the menu; null: all.";
      };
      consoleMode = lib.mkOption {
        type = lib.types.str;
        default = "keep";
        description = "The console's resolution.";
      };
      graceful = bool false "Whether a firmware that refuses variables is no error.";
      memtest86.enable = bool false "Accepted for NixOS's sake.";
    };
    grub = {
      enable = bool (!cfg.systemd-boot.enable) "Whether GRUB starts the machine.";
      device = lib.mkOption {
        type = lib.types.str;
        default = "";
        description = "The disk whose boot sector GRUB goes to; `nodev`: none.";
      };
      devices = lib.mkOption {
        type = lib.types.listOf lib.types.str;
        default = [ ];
        description = "The disks whose boot sectors GRUB goes to.";
      };
      version = lib.mkOption {
        type = lib.types.int;
        default = 2;
        description = "Accepted for NixOS's sake.";
      };
      efiSupport = bool false "Whether GRUB is installed for UEFI.";
      efiInstallAsRemovable = bool false "Whether GRUB goes to the path that firmware tries by itself.";
      useOSProber = bool false "Whether other systems are looked for.";
      enableCryptodisk = bool false "Whether GRUB opens encrypted disks.";
      zfsSupport = bool false "Accepted for NixOS's sake.";
      memtest86.enable = bool false "Accepted for NixOS's sake.";
      configurationLimit = lib.mkOption {
        type = lib.types.int;
        default = 100;
        description = "The number of generations in the menu.";
      };
      configurationName = lib.mkOption {
        type = lib.types.str;
        default = "";
        description = "The configuration's name in the menu.";
      };
      extraConfig = lib.mkOption {
        type = lib.types.lines;
        default = "";
        description = "Lines of grub.cfg.";
      };
      splashImage = lib.mkOption {
        type = lib.types.nullOr lib.types.path;
        default = null;
        description = "A picture behind the menu.";
      };
      gfxmodeEfi = lib.mkOption {
        type = lib.types.str;
        default = "auto";
        description = "The resolution under UEFI.";
      };
    };
    generic-extlinux-compatible.enable = bool false "Not on this channel.";
    raspberryPi.enable = bool false "Not on this channel.";
  };

  # bootloader.json, version 1 (ARCHITECTURE.md).
  config.system.build.bootLoader = {
    version = 1;
    inherit kind;
    inherit (cfg) timeout;
    configurationLimit =
      if kind == "grub" then cfg.grub.configurationLimit else cfg.systemd-boot.configurationLimit;
    inherit (cfg.efi) efiSysMountPoint canTouchEfiVariables;
    systemdBoot =
      if kind == "systemd-boot" then
        {
          program = "${raws.systemd-boot-efi}/usr/lib/systemd/boot/efi/systemd-bootx64.efi";
          inherit (cfg.systemd-boot) editor consoleMode;
        }
      else
        null;
    grub =
      if kind == "grub" then
        {
          devices = grubDevices;
          packages = lib.optionals (lib.any (device: device != "nodev") grubDevices) (
            map (name: "${raws.${name}}") (
              lib.sort lib.lessThan (
                pkgs.debian.closureOf [
                  "grub2-common"
                  "grub-pc-bin"
                ]
              )
            )
          );
          inherit (cfg.grub) extraConfig;
        }
      else
        null;
  };

  config.assertions = [
    {
      assertion = !(cfg.systemd-boot.enable && cfg.grub.enable);
      message = "boot.loader.systemd-boot.enable and boot.loader.grub.enable exclude each other: switch one off";
    }
    {
      assertion = !(cfg.generic-extlinux-compatible.enable || cfg.raspberryPi.enable);
      message = "boot.loader: the built-in channel knows systemd-boot and GRUB; use nixpkgs for this host";
    }
    {
      assertion = !(cfg.grub.enable && cfg.grub.efiSupport);
      message = "boot.loader.grub.efiSupport: the built-in channel's GRUB is for BIOS; for UEFI set boot.loader.systemd-boot.enable";
    }
  ];
}
