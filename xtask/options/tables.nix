# What no evaluation tells of flk's Nix files: which options they read, and why they may define members of an option.
{
  # Each option that flk reads: which of Nix's types its value may have, and whether flk does without it.
  reads =
    let
      needs = types: {
        inherit types;
        hasDefault = false;
      };
      asks = types: {
        inherit types;
        hasDefault = true;
      };
      number = [ "int" "null" ];
    in
    {
      # nix/facts.nix
      "assertions" = needs [ "list" ];
      "boot.kernelPackages.kernel" = needs [ "set" ];
      "boot.loader.efi.efiSysMountPoint" = needs [ "string" ];
      "boot.loader.grub.device" = asks [ "string" ];
      "boot.loader.grub.devices" = asks [ "list" ];
      "boot.loader.grub.efiSupport" = asks [ "bool" ];
      "boot.loader.grub.enable" = asks [ "bool" ];
      "boot.loader.systemd-boot.enable" = asks [ "bool" ];
      "fileSystems" = needs [ "set" ];
      "swapDevices" = needs [ "list" ];
      "system.boot.loader.initrdFile" = needs [ "string" ];
      "system.boot.loader.kernelFile" = needs [ "string" ];
      "system.build.initialRamdisk" = needs [ "set" ];
      "system.build.kernel" = needs [ "set" ];
      "system.nixos.distroName" = asks [ "string" ];
      "system.nixos.label" = needs [ "string" ];
      # nix/image.nix
      "image.fileName" = asks [ "string" ];
      "isoImage.contents" = needs [ "list" ];
      "isoImage.isoName" = needs [ "string" ];
      "isoImage.makeBiosBootable" = asks [ "bool" ];
      "isoImage.makeEfiBootable" = needs [ "bool" ];
      "isoImage.makeUsbBootable" = needs [ "bool" ];
      "isoImage.squashfsCompression" = asks [ "string" "null" ];
      "isoImage.storeContents" = needs [ "list" ];
      "isoImage.volumeID" = needs [ "string" ];
      "system.build.toplevel" = needs [ "set" ];
      # nix/extend.nix and nix/live/
      "boot.initrd.luks.devices" = asks [ "set" "list" ];
      "boot.initrd.systemd.services" = asks [ "set" ];
      "boot.loader.timeout" = needs number;
      "boot.supportedFilesystems" = asks [ "set" "list" ];
      "environment.corePackages" = asks [ "list" ];
      "environment.systemPackages" = needs [ "list" ];
      "isoImage.edition" = needs [ "string" ];
      "lib.isoFileSystems" = asks [ "set" ];
      "networking.nftables.rulesetFile" = asks [ "path" "set" "string" "null" ];
      "networking.nftables.tables" = asks [ "set" ];
      "nixpkgs.config" = needs [ "set" ];
      "nixpkgs.overlays" = needs [ "list" ];
      "sops.age.keyFile" = asks [ "path" "string" "null" ];
      "specialisation" = asks [ "set" ];
      "system.build.isoImage" = needs [ "set" ];
      "systemd.services" = asks [ "set" ];
      "users.users" = needs [ "set" ];
    };

  # Each definition of a member of an `attrsOf submodule`. It has to be whole without any other module: what flk changes of others' members is no
  # definition by name (nix/live/members.nix). `*` is any name.
  members =
    let
      made = reason: {
        isMade = true;
        inherit reason;
      };
    in
    {
      "fileSystems.*" = made "the medium's file systems, instead of all that the host has";
      "nix.registry.*" = made "the repository's inputs and flk, each with its whole target";
      "specialisation.*" = made "the host's own definitions of its variants once more, without those that do not inherit the host";
      "systemd.network.networks.bootstrap-link-local" = made "the one network unit, instead of all that the host has";
      "systemd.services.flk-hold-alias" = made "flk's own unit";
      "systemd.services.flk-prepare" = made "flk's own unit";
      "systemd.targets.getty" = made "systemd's own unit, which is there without a definition";
      "systemd.units.*" = made "units of `flk.live.disable`, masked also where a package alone has them";
      "users.groups.wheel" = made "the group of those who may log in, which every NixOS has";
      "users.users.nixos" = made "the user that the operator logs in as";
    };
}
