# What NixOS 20.09's modules would have otherwise, and Debian's programs do not take or the bench does not have. Each is a concession:
# README.md says why.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (pkgs.bench) packages libraries;
in
{
  config = {
    documentation.enable = lib.mkDefault false;
    documentation.nixos.enable = lib.mkOverride 900 false;
    fonts.fontconfig.enable = lib.mkDefault false;
    xdg.autostart.enable = lib.mkDefault false;
    xdg.icons.enable = lib.mkDefault false;
    xdg.menus.enable = lib.mkDefault false;
    xdg.mime.enable = lib.mkDefault false;
    xdg.sounds.enable = lib.mkDefault false;
    security.polkit.enable = lib.mkDefault false;
    programs.command-not-found.enable = lib.mkDefault false;
    programs.ssh.setXAuthLocation = lib.mkDefault false;
    security.rngd.enable = lib.mkDefault false;
    services.udisks2.enable = lib.mkDefault false;
    security.hideProcessInformation = lib.mkDefault false;

    # What nixpkgs' busybox and udevd have or do, and Debian's do not.
    boot.initrd.extraUtilsCommands = ''
      copy_bin_and_libs ${packages.procps}/bin/pgrep
      copy_bin_and_libs ${packages.kbd}/bin/kbd_mode
      copy_bin_and_libs ${packages.utillinux}/bin/fsck
    '';
    boot.initrd.preDeviceCommands = ''
      ln -sfn /proc/self/fd /dev/fd
      for number in 0:stdin 1:stdout 2:stderr; do ln -sfn /proc/self/fd/''${number%:*} /dev/''${number#*:}; done
    '';

    # What Debian compiled in.
    system.activationScripts.debian = lib.stringAfter [ "specialfs" ] ''
      mkdir -p /lib /lib/x86_64-linux-gnu /usr/lib /usr/libexec /usr/sbin /usr/share /sbin
      ln -sfn ${packages.systemd}/lib/systemd /lib/systemd
      ln -sfn ${packages.systemd}/lib/systemd /usr/lib/systemd
      ln -sfn ${packages.systemd}/lib/udev /lib/udev
      ln -sfn ${packages.systemd}/lib/udev /usr/lib/udev
      ln -sfn /run/booted-system/kernel-modules/lib/modules /lib/modules
      ln -sfn ${libraries}/lib/security /lib/x86_64-linux-gnu/security
      ln -sfn ${packages.sudo}/libexec/sudo /usr/libexec/sudo
      ln -sfn ${packages.openssh}/lib/openssh /usr/lib/openssh
      ln -sfn ${packages.tzdata}/share/zoneinfo /usr/share/zoneinfo
      ln -sfn ${packages.grub2}/lib/grub /usr/lib/grub
      for program in mount umount sulogin; do ln -sfn ${packages.utillinux}/bin/$program /bin/$program; done
      for program in fsck swapon swapoff mkswap agetty sulogin; do ln -sfn ${packages.utillinux}/bin/$program /sbin/$program; done
      ln -sfn ${packages.pam}/bin/unix_chkpwd /sbin/unix_chkpwd
      ln -sfn ${packages.kmod}/bin/modprobe /sbin/modprobe
      mkdir -p -m 0755 /run/sshd
    '';
  };
}
