# nixos/modules/system/boot/{stage-1,initrd-network,unl0kr,zswap}.nix, systemd/{initrd,repart}.nix, system/etc/etc.nix and
# tasks/filesystems/{bcachefs,btrfs}.nix, as far as a live system has an opinion.
{
  config,
  lib,
  modulesPath,
  options,
  ...
}:
let
  inherit (config.boot) initrd;
  isLive = options.flk ? hostToplevel;
  inherit (config.system.etc) overlay;
  lines = lib.mkOption {
    type = lib.types.lines;
    default = "";
  };
  names = lib.mkOption {
    type = lib.types.listOf lib.types.str;
    default = [ ];
  };
  started = lib.attrNames (lib.filterAttrs (_: unit: unit.enable && unit.wantedBy ++ unit.requiredBy != [ ]) initrd.systemd.services);
  needsSystemd = name: enable: {
    assertion = enable -> initrd.systemd.enable;
    message = "${name} requires boot.initrd.systemd.enable";
  };
  scrub = kind: {
    enable = lib.mkEnableOption "regular scrubs of ${kind}";
    fileSystems = lib.mkOption {
      type = lib.types.listOf lib.types.path;
      default = lib.attrNames (lib.filterAttrs (_: fs: fs.fsType == kind) config.fileSystems);
    };
  };
  needsFileSystem = kind: {
    assertion = config.services.${kind}.autoScrub.enable -> config.services.${kind}.autoScrub.fileSystems != [ ];
    message = "services.${kind}.autoScrub needs at least one ${kind} file system";
  };
in
{
  imports = [
    (lib.mkRemovedOptionModule [ "boot" "growPartition" ] "Use systemd-repart.")
    {
      _file = "${modulesPath}/system/boot/systemd/initrd.nix";
      # udev is systemd's own, and none of NixOS's definitions.
      boot.initrd.systemd.services.initrd-nixos-activation.requiredBy = [ "initrd.target" ];
    }
  ];

  options = {
    boot.initrd = {
      postDeviceCommands = lines;
      postResumeCommands = lines;
      postMountCommands = lines;
      network.enable = lib.mkEnableOption "the network in the initrd";
      network.ssh.enable = lib.mkEnableOption "ssh in the initrd";
      unl0kr.enable = lib.mkEnableOption "unl0kr";
      systemd = {
        network.enable = lib.mkEnableOption "networkd in the initrd";
        repart.enable = lib.mkEnableOption "systemd-repart in the initrd";
        services = lib.mkOption {
          type = lib.types.attrsOf (
            lib.types.submodule {
              options = {
                enable = lib.mkOption {
                  type = lib.types.bool;
                  default = true;
                };
                wantedBy = names;
                requiredBy = names;
                script = lines;
              };
            }
          );
          default = { };
        };
        root = lib.mkOption {
          type = lib.types.enum [
            "fstab"
            "gpt-auto"
          ];
          default = "fstab";
        };
      };
    };
    boot.zswap.enable = lib.mkEnableOption "zswap";
    environment.persistence = lib.mkOption {
      type = lib.types.attrsOf lib.types.attrs;
      default = { };
      description = "Impermanence's.";
    };
    services.btrfs.autoScrub = scrub "btrfs";
    services.bcachefs.autoScrub = scrub "bcachefs";
    systemd.repart.enable = lib.mkEnableOption "systemd-repart";
    system.etc.overlay.enable = lib.mkEnableOption "an overlay for /etc";
    system.etc.overlay.mutable = lib.mkOption {
      type = lib.types.bool;
      default = true;
    };
  };

  config.assertions = [
    (needsSystemd "boot.initrd.systemd.repart" initrd.systemd.repart.enable)
    (needsSystemd "boot.initrd.unl0kr" initrd.unl0kr.enable)
    (needsSystemd "system.etc.overlay" overlay.enable)
    (needsFileSystem "btrfs")
    (needsFileSystem "bcachefs")
    {
      assertion = isLive -> config.environment.persistence == { };
      message = "environment.persistence is for the host's disks";
    }
    {
      assertion = isLive -> config.boot.supportedFilesystems.btrfs or false;
      message = "the live system has nothing to make the host's btrfs with";
    }
    {
      assertion = config.boot.zswap.enable -> config.swapDevices != [ ];
      message = "Zswap requires at least one physical swap device";
    }
    {
      assertion = overlay.mutable || config.systemd.sysusers.enable;
      message = "!system.etc.overlay.mutable requires systemd.sysusers.enable";
    }
    {
      assertion = initrd.systemd.enable -> initrd.postMountCommands + initrd.postDeviceCommands + initrd.postResumeCommands == "";
      message = "systemd stage 1 does not support commands";
    }
    {
      assertion =
        started == [ "initrd-nixos-activation" ] ++ lib.optional (!isLive) "rollback" ++ [ "systemd-udevd" ];
      message = "the initrd starts ${toString started}";
    }
  ];
}
