# boot.loader.*
{ config, lib, ... }:

let
  bool =
    default: description:
    lib.mkOption {
      type = lib.types.bool;
      inherit default description;
    };
  cfg = config.boot.loader;
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

  config.assertions = [
    {
      assertion = !(cfg.systemd-boot.enable && cfg.grub.enable);
      message = "boot.loader.systemd-boot.enable and boot.loader.grub.enable exclude each other: switch one off";
    }
    {
      assertion = !(cfg.generic-extlinux-compatible.enable || cfg.raspberryPi.enable);
      message = "boot.loader: the built-in channel knows systemd-boot and GRUB; use nixpkgs for this host";
    }
  ];
}
