# A host with something of all that `nix/extend.nix` looks at: its disks, its own firewall tables, units of the initrd, variants, a display manager.
{ lib, options, ... }:

let
  where = path: value: lib.optionalAttrs (lib.hasAttrByPath path options) (lib.setAttrByPath path value);
in
lib.mkMerge [
  {
    fileSystems."/" = {
      device = "/dev/mapper/root";
      fsType = "btrfs";
    };
    boot.initrd.luks.devices.root.device = "/dev/sda2";
    boot.loader.grub.device = "/dev/sda";
    networking.hostName = "sample";
    networking.useDHCP = true;
    users.users.admin = {
      isNormalUser = true;
      initialPassword = "admin";
    };
    services.avahi.enable = true;
    services.nginx.enable = true;
    services.xserver.enable = true;
    services.xserver.displayManager.gdm.enable = true;
    # Its assembly is slow and needs the tree's manual.
    documentation.nixos.enable = false;
    flk.live.disable = [ "nginx" ];
  }
  (where [ "specialisation" ] {
    quiet.configuration = { };
    other = {
      inheritParentConfig = false;
      configuration = {
        documentation.nixos.enable = false;
        fileSystems."/".device = "/dev/sda3";
        fileSystems."/".fsType = "ext4";
        boot.loader.grub.device = "/dev/sda";
      };
    };
  })
  (where [ "networking" "nftables" "tables" ] {
    own = {
      family = "inet";
      content = "";
    };
  })
  (where [ "boot" "initrd" "systemd" "services" ] {
    rollback = {
      wantedBy = [ "initrd.target" ];
      script = "true";
    };
  })
  (where [ "boot" "initrd" "systemd" "enable" ] true)
]
