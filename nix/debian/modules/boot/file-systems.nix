# fileSystems, swapDevices, zramSwap
{
  config,
  lib,
  pkgs,
  ...
}:

let
  text = import ../text.nix { inherit lib; };
  unitText = import ../systemd/unit-text.nix { inherit lib; };

  # NixOS's rule of what stage 1 mounts.
  earlyMountPoints = [
    "/"
    "/nix"
    "/nix/store"
    "/var"
    "/var/log"
    "/var/lib"
    "/var/lib/nixos"
    "/etc"
    "/usr"
  ];

  fileSystemType =
    { name, config, ... }:
    {
      options = {
        enable = lib.mkOption {
          type = lib.types.bool;
          default = true;
          description = "Whether it is mounted.";
        };
        mountPoint = lib.mkOption {
          type = lib.types.str;
          default = name;
          description = "Where it is mounted.";
        };
        device = lib.mkOption {
          type = lib.types.nullOr lib.types.str;
          default = null;
          description = "The device.";
        };
        label = lib.mkOption {
          type = lib.types.nullOr lib.types.str;
          default = null;
          description = "The device's label.";
        };
        fsType = lib.mkOption {
          type = lib.types.str;
          default = "auto";
          description = "The file system's type.";
        };
        options = lib.mkOption {
          type = lib.types.listOf lib.types.str;
          default = [ "defaults" ];
          description = "The mount options.";
        };
        depends = lib.mkOption {
          type = lib.types.listOf lib.types.str;
          default = [ ];
          description = "Mount points that come first.";
        };
        neededForBoot = lib.mkOption {
          type = lib.types.bool;
          default = false;
          description = "Whether stage 1 mounts it.";
        };
        noCheck = lib.mkOption {
          type = lib.types.bool;
          default = false;
          description = "Whether it is left unchecked.";
        };
        autoFormat = lib.mkOption {
          type = lib.types.bool;
          default = false;
          description = "Not on this channel: formatting at boot.";
        };
        autoResize = lib.mkOption {
          type = lib.types.bool;
          default = false;
          description = "Whether it grows with its device.";
        };
      };
      config.device = lib.mkIf (config.label != null) (lib.mkDefault "/dev/disk/by-label/${config.label}");
    };

  swapType.options = {
    device = lib.mkOption {
      type = lib.types.str;
      default = "";
      description = "The device or file.";
    };
    label = lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      default = null;
      description = "The device's label.";
    };
    size = lib.mkOption {
      type = lib.types.nullOr lib.types.ints.positive;
      default = null;
      description = "The file's size in MiB; it is made where it is missing.";
    };
    priority = lib.mkOption {
      type = lib.types.nullOr (lib.types.ints.between 0 32767);
      default = null;
      description = "Its priority, the higher the earlier (swapon(2)).";
    };
    options = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      default = [ "defaults" ];
      description = "Options of swapon.";
    };
    discardPolicy = lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      default = null;
      description = "Whether freed pages are discarded.";
    };
    randomEncryption = lib.mkOption {
      type = lib.types.raw;
      default = false;
      description = "Not on this channel: swap with a new key at each boot.";
    };
  };

  # In the order of mounting: a mount point after the folder that holds it and after what it depends on.
  ordered =
    let
      components = path: lib.length (lib.filter (part: part != "") (lib.splitString "/" path));
      isBefore =
        a: b:
        lib.elem a.mountPoint b.depends
        || (a.mountPoint == "/" && b.mountPoint != "/")
        || lib.hasPrefix "${a.mountPoint}/" b.mountPoint
        || b.device != null && lib.hasPrefix "${a.mountPoint}/" b.device && a.mountPoint != "/";
      sorted = lib.sort (
        a: b:
        components a.mountPoint < components b.mountPoint
        || components a.mountPoint == components b.mountPoint && a.mountPoint < b.mountPoint
      ) (lib.filter (fs: fs.enable) (lib.attrValues config.fileSystems));
      order = lib.toposort isBefore sorted;
    in
    order.result
      or (throw "fileSystems: these depend on each other in a circle: ${toString (map (fs: fs.mountPoint) (order.cycle or order.loops))}");

  needed = fs: fs.neededForBoot || lib.elem fs.mountPoint earlyMountPoints;

  # What stage 1 checks before it mounts it.
  isChecked = fs: !fs.noCheck && lib.elem fs.fsType [ "auto" "ext2" "ext3" "ext4" ];

  fstabLine =
    fs:
    "${text.fstab (toString fs.device)} ${text.fstab fs.mountPoint} ${text.fstab fs.fsType} ${
      lib.concatMapStringsSep "," text.fstab (fs.options ++ lib.optional fs.autoResize "x-systemd.growfs")
    } 0 ${
      if
        fs.noCheck
        || lib.elem fs.fsType [
          "tmpfs"
          "overlay"
          "squashfs"
          "iso9660"
          "none"
          "bind"
          "btrfs"
        ]
      then
        "0"
      else if fs.mountPoint == "/" then
        "1"
      else
        "2"
    }\n";

  # `//home/` → `/home`: how the kernel has it.
  plainPath = path: "/" + lib.concatStringsSep "/" (lib.filter (part: part != "" && part != ".") (lib.splitString "/" path));
  enabledNames = lib.attrNames (lib.filterAttrs (_: fs: fs.enable) config.fileSystems);

  swapDevice = swap: if swap.label != null then "/dev/disk/by-label/${swap.label}" else swap.device;
in
{
  options = {
    fileSystems = lib.mkOption {
      type = lib.types.attrsOf (lib.types.submodule fileSystemType);
      default = { };
      description = "File systems by mount point.";
    };

    swapDevices = lib.mkOption {
      type = lib.types.listOf (lib.types.submodule swapType);
      default = [ ];
      description = "Swap.";
    };

    zramSwap = {
      enable = lib.mkOption {
        type = lib.types.bool;
        default = false;
        description = "Whether there is swap in compressed memory.";
      };
      memoryPercent = lib.mkOption {
        type = lib.types.int;
        default = 50;
        description = "How much of the memory it may stand for, in percent.";
      };
      algorithm = lib.mkOption {
        type = lib.types.str;
        default = "zstd";
        description = "The compressor.";
      };
    };
  };

  config = {
    assertions = [
      {
        assertion = config.fileSystems ? "/";
        message = "fileSystems.\"/\" is not set: say which device holds the root file system, such as `fileSystems.\"/\" = { device = \"/dev/disk/by-label/nixos\"; fsType = \"ext4\"; };'";
      }
    ]
    ++ map (fs: {
      assertion = fs.device != null || lib.elem fs.fsType [ "tmpfs" "overlay" ];
      message = "fileSystems.\"${fs.mountPoint}\".device is not set";
    }) (lib.attrValues config.fileSystems)
    ++ lib.mapAttrsToList (name: fs: {
      assertion = lib.hasPrefix "/" fs.mountPoint;
      message = "fileSystems.${builtins.toJSON name}: the mount point ${builtins.toJSON fs.mountPoint} is not an absolute path";
    }) config.fileSystems
    ++ lib.mapAttrsToList (mountPoint: names: {
      assertion = lib.length names == 1;
      message = "fileSystems: ${lib.concatMapStringsSep " and " builtins.toJSON names} have one mount point, ${mountPoint}: change one of them";
    }) (lib.groupBy (name: plainPath config.fileSystems.${name}.mountPoint) enabledNames)
    ++ lib.mapAttrsToList (device: swaps: {
      assertion = lib.length swaps == 1;
      message = "swapDevices: ${toString (lib.length swaps)} entries have one device, ${device}: remove all but one";
    }) (lib.groupBy swapDevice config.swapDevices);

    environment.etc = lib.mkMerge [
      {
        fstab.text =
          lib.concatMapStrings fstabLine (
            map (fs: fs // { device = if fs.device == null then fs.fsType else fs.device; }) ordered
          )
          + lib.concatMapStrings (
            swap:
            "${text.fstab (swapDevice swap)} none swap ${
              lib.concatMapStringsSep "," text.fstab (
                swap.options ++ lib.optional (swap.priority != null) "pri=${toString swap.priority}"
              )
            } 0 0\n"
          ) config.swapDevices
          + lib.optionalString config.boot.tmp.useTmpfs "tmpfs /tmp tmpfs mode=1777,strictatime,nosuid,nodev,size=${toString config.boot.tmp.tmpfsSize} 0 0\n";
        mtab = {
          source = "/proc/mounts";
          mode = "direct-symlink";
        };
      }
      (lib.mkIf config.zramSwap.enable {
        "systemd/zram-generator.conf".text = "[zram0]\nzram-size = ram * ${toString config.zramSwap.memoryPercent} / 100\ncompression-algorithm = ${config.zramSwap.algorithm}\n";
      })
      # A device that comes later than systemd waits for it becomes swap all the same.
      (lib.listToAttrs (
        map (
          swap:
          let
            name = unitText.escapePath (swapDevice swap);
          in
          lib.nameValuePair "systemd/system/${name}.device.wants/${name}.swap" {
            source = "/run/systemd/generator/${name}.swap";
            mode = "direct-symlink";
          }
        ) (lib.filter (swap: lib.elem "nofail" swap.options && lib.hasPrefix "/dev/" (swapDevice swap)) config.swapDevices)
      ))
    ];
    environment.systemPackages = lib.optional config.zramSwap.enable pkgs.systemd-zram-generator;

    systemd.services = lib.listToAttrs (
      lib.imap1 (
        index: swap:
        lib.nameValuePair "make-swap-${toString index}" {
          description = "Make the swap file ${text.unitValue swap.device}";
          wantedBy = [ "swap.target" ];
          before = [ "${unitText.escapePath swap.device}.swap" ];
          unitConfig.DefaultDependencies = false;
          unitConfig.RequiresMountsFor = text.unitWord (dirOf swap.device);
          script = ''
            file=${lib.escapeShellArg swap.device}
            size=$(stat -c %s "$file" 2>/dev/null || echo 0)
            if [ "$size" != $((${toString swap.size} * 1024 * 1024)) ]; then
              rm -f "$file"
              fallocate -l ${toString swap.size}M "$file"
              chmod 0600 "$file"
              mkswap "$file"
            fi
          '';
          path = [ pkgs.util-linux ];
          serviceConfig.Type = "oneshot";
        }
      ) (lib.filter (swap: swap.size != null) config.swapDevices)
    );

    # Stage 2 binds the store read-only over itself, and nothing runs without it: it stays until the machine is off.
    systemd.mounts = lib.mkIf (!(config.fileSystems ? "/nix/store")) [
      {
        what = "/nix/store";
        where = "/nix/store";
        type = "none";
        options = "bind,ro";
        unitConfig.DefaultDependencies = false;
      }
    ];

    boot.initrd.supportedFilesystems = lib.listToAttrs (
      map (fs: lib.nameValuePair fs.fsType (lib.mkDefault true)) (
        lib.filter (fs: fs.fsType != "auto" && fs.fsType != "none") (lib.filter needed ordered)
      )
    );
    boot.supportedFilesystems = lib.listToAttrs (
      map (fs: lib.nameValuePair fs.fsType (lib.mkDefault true)) (
        lib.filter (fs: fs.fsType != "auto") ordered
      )
    );

    system.build.stage1FileSystems = map (fs: {
      inherit (fs) mountPoint fsType options;
      device = if fs.device == null then fs.fsType else fs.device;
      check = isChecked fs;
    }) (lib.filter needed ordered);
  };
}
