# The initrd
{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.boot.initrd;

  # A file system's type → the modules with which stage 1 mounts it.
  modulesFor = {
    iso9660 = [ "isofs" "nls_utf8" "nls_iso8859_1" "cdrom" "sr_mod" "loop" ];
    squashfs = [ "squashfs" "loop" ];
    overlay = [ "overlay" ];
    vfat = [ "vfat" "nls_cp437" "nls_iso8859_1" "nls_ascii" "nls_utf8" ];
    ext2 = [ "ext4" ];
    ext3 = [ "ext4" ];
    ext4 = [ "ext4" "crc32c_generic" ];
    tmpfs = [ ];
    auto = [ "ext4" ];
  };

  fileSystemModules = lib.concatMap (type: modulesFor.${type} or [ type ]) (
    lib.attrNames (lib.filterAttrs (_: enabled: enabled) cfg.supportedFilesystems)
  );

  isChecked = lib.any (fs: fs.check or false) config.system.build.stage1FileSystems;

  busybox = "${pkgs.debian.raws.busybox-static}/usr/bin/busybox";
in
{
  # Stage 2 lays /etc over the system's.
  config.boot.initrd.kernelModules = [ "overlay" ];

  config.system.build = {
    stage1 = {
      version = 1;
      inherit (config.networking) hostName;
      inherit (cfg) kernelModules;
      fileSystems = config.system.build.stage1FileSystems;
    };

    initialRamdisk = pkgs.builder.build {
      name = "initrd-${config.boot.kernelPackages.kernel.version}";
      command = "initrd";
      parameters = {
        init = pkgs.builder.init;
        kernelModules = config.system.build.kernelModules;
        modules = lib.unique cfg.kernelModules;
        modulesIfPresent = lib.unique (cfg.availableKernelModules ++ fileSystemModules);
        stage1 = config.system.build.stage1;
        # The shell that stage 1 offers on a failure.
        extraFiles = [
          {
            source = busybox;
            target = "/bin/busybox";
          }
        ]
        ++ lib.optional isChecked {
          source = "${pkgs.debian.raws.e2fsck-static}/usr/sbin/e2fsck.static";
          target = "/bin/e2fsck";
        };
        prepend = map toString config.system.build.microcode ++ cfg.prepend;
      };
    };
  };
}
