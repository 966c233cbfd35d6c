# nixos/modules/system/boot/{stage-1,initrd-network,unl0kr}.nix, systemd/{initrd,repart}.nix and system/etc/etc.nix, as far as a live system has an opinion.
{ config, lib, ... }:
let
  inherit (config.boot) initrd;
  inherit (config.system.etc) overlay;
  lines = lib.mkOption {
    type = lib.types.lines;
    default = "";
  };
  needsSystemd = name: enable: {
    assertion = enable -> initrd.systemd.enable;
    message = "${name} requires boot.initrd.systemd.enable";
  };
in
{
  imports = [ (lib.mkRemovedOptionModule [ "boot" "growPartition" ] "Use systemd-repart.") ];

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
        root = lib.mkOption {
          type = lib.types.enum [
            "fstab"
            "gpt-auto"
          ];
          default = "fstab";
        };
      };
    };
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
    {
      assertion = overlay.mutable || config.systemd.sysusers.enable;
      message = "!system.etc.overlay.mutable requires systemd.sysusers.enable";
    }
    {
      assertion = initrd.systemd.enable -> initrd.postMountCommands + initrd.postDeviceCommands + initrd.postResumeCommands == "";
      message = "systemd stage 1 does not support commands";
    }
  ];
}
