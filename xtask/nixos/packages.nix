# nixpkgs' name = { Debian's names (the first gives the version); `perl`: it has programs in Perl; `post`: what its files need to be found
# where nixpkgs has them, in the shell of convert.sh; `more`: attributes; `uses`: packages whose paths `post` names }.
let
  names = names: { inherit names; };
in
{
  acl = names [ "acl" ];
  attr = names [ "attr" ];
  bash = {
    names = [ "bash" ];
    post = ''ln -s bash $out/bin/sh'';
    more.shellPath = "/bin/bash";
  };
  audit = {
    names = [ "auditd" ];
    post = ''rm -rf $out/etc $out/lib/systemd'';
  };
  bcache-tools = {
    names = [ "bcache-tools" ];
    # Its rules call programs that the initrd would need, with another name for each.
    post = ''
      rm -rf $out/lib/udev
      mkdir -p $out/lib/udev/rules.d
      for name in probe-bcache bcache-register; do [ -e $out/bin/$name ] || { printf '#!%s/bin/bash\n' $bash > $out/bin/$name; chmod 755 $out/bin/$name; }; done
      echo '# none here' > $out/lib/udev/rules.d/69-bcache.rules
    '';
  };
  bind = names [ "bind9-host" "bind9-dnsutils" ];
  bzip2 = names [ "bzip2" ];
  btrfs-progs = names [ "btrfs-progs" ];
  cc = {
    names = [
      "gcc-12" "cpp-12" "libgcc-12-dev" "libc6-dev" "linux-libc-dev" "binutils-x86-64-linux-gnu" "binutils-common" "binutils"
      "libcap-dev" "libcap-ng-dev" "libcrypt-dev"
    ];
    # Where gcc looks by itself is /usr; a wrapper says where things are.
    post = ''
      for raw in $raws; do
        for kind in usr/lib/x86_64-linux-gnu; do
          [ ! -d $raw/$kind ] || { mkdir -p $out/lib/x86_64-linux-gnu; cp -a $raw/$kind/. $out/lib/x86_64-linux-gnu/; chmod -R u+w $out/lib; }
        done
      done
      find $out/lib/x86_64-linux-gnu -name 'lib*.so.*' -exec rm -f {} +
      find $out/lib/x86_64-linux-gnu -maxdepth 1 -type l -name '*.so' | while IFS= read -r link; do
        target=$(readlink "$link"); ln -sfn "$libraries/lib/''${target##*/}" "$link"
      done
      for script in $out/lib/x86_64-linux-gnu/*.so; do
        [ -L $script ] || sed -i "s|/lib/x86_64-linux-gnu/\([^ ]*\.so\)|$libraries/lib/\1|g; s|/usr/lib/x86_64-linux-gnu/|$out/lib/x86_64-linux-gnu/|g; s|/lib64/|$libraries/lib/|g" $script
      done
      for tool in ar as ld nm objcopy objdump ranlib readelf size strip strings; do
        [ -e $out/bin/$tool ] || ln -s x86_64-linux-gnu-$tool $out/bin/$tool
      done
      for name in gcc cc; do
        rm -f $out/bin/$name
        cat > $out/bin/$name <<END
      #!$bash/bin/bash
      exec $out/bin/x86_64-linux-gnu-gcc-12 -B$out/lib/x86_64-linux-gnu -B$out/bin -isystem $out/include -isystem $out/include/x86_64-linux-gnu \
        -Wl,--no-as-needed -L$out/lib/x86_64-linux-gnu -L$libraries/lib -Wl,-rpath,$libraries/lib -Wl,--dynamic-linker,$libraries/lib/ld-linux-x86-64.so.2 "\$@"
      END
        chmod 755 $out/bin/$name
      done
      mkdir -p $out/nix-support
      echo 'export CC=gcc STRIP=strip AR=ar LD=ld RANLIB=ranlib NM=nm OBJCOPY=objcopy; export NIX_CC=$out' > $out/nix-support/setup-hook
      sed -i "s|\$out|$out|" $out/nix-support/setup-hook
    '';
  };
  cacert = {
    names = [ "ca-certificates" ];
    post = ''
      mkdir -p $out/etc/ssl/certs
      cat $out/share/ca-certificates/mozilla/*.crt > $out/etc/ssl/certs/ca-bundle.crt
    '';
  };
  coreutils = names [ "coreutils" ];
  cpio = names [ "cpio" ];
  cryptsetup = names [ "cryptsetup-bin" ];
  curl = names [ "curl" ];
  dbus = {
    names = [ "dbus-daemon" "dbus" "dbus-bin" "dbus-system-bus-common" "dbus-session-bus-common" "libpam-systemd" ];
    post = ''
      mkdir -p $out/libexec $out/share/xml/dbus-1
      mv $out/lib/dbus-1.0/dbus-daemon-launch-helper $out/libexec/
      sed -i "s|/usr/bin/|$out/bin/|g; s|--system |--config-file=/etc/dbus-1/system.conf |" $out/lib/systemd/system/*.service
      rm -rf $out/lib/systemd/system/*.wants $out/etc/dbus-1/system.d/org.freedesktop.systemd1.conf $out/etc/init.d $out/etc/default
    '';
  };
  diffutils = names [ "diffutils" ];
  dosfstools = names [ "dosfstools" ];
  e2fsprogs = names [ "e2fsprogs" "logsave" ];
  efibootmgr = names [ "efibootmgr" ];
  file = names [ "file" ];
  findutils = names [ "findutils" ];
  gawk = {
    names = [ "gawk" ];
    post = ''ln -sf gawk $out/bin/awk'';
  };
  git = {
    names = [ "git" ];
    perl = true;
    post = ''wrap git GIT_EXEC_PATH=$out/lib/git-core GIT_TEMPLATE_DIR=$out/share/git-core/templates'';
  };
  glibc = {
    # nixpkgs' glibc has libraries and programs in one path, or in `bin`.
    names = [ "libc-bin" "libc6" "nscd" "locales" ];
    post = ''
      rm -rf $out/lib $out/etc
      mkdir $out/lib
      for file in $libraries/lib/*.so*; do ln -s $file $out/lib/; done
      sed -i "s|^RTLDLIST=.*|RTLDLIST=$libraries/lib/ld-linux-x86-64.so.2|" $out/bin/ldd
      mkdir -p $out/share/i18n
    '';
  };
  gnugrep = names [ "grep" ];
  gnused = names [ "sed" ];
  gnutar = names [ "tar" ];
  gptfdisk = names [ "gdisk" ];
  grub2 = {
    names = [ "grub-common" "grub2-common" "grub-pc-bin" "grub-efi-amd64-bin" "unifont" ];
    post = ''
      rm -rf $out/etc $out/lib/systemd
      cp -f $out/share/grub/unicode.pf2 $out/unicode.tmp; mkdir -p $out/share/grub; mv $out/unicode.tmp $out/share/grub/unicode.pf2
      # Where modules are is compiled in.
      for program in grub-install grub-mkimage; do
        mv $out/bin/$program $out/bin/.$program
        cat > $out/bin/$program <<'END'
      target=i386-pc
      previous=
      for word; do
        case $word in --target=*|--format=*) target=''${word#*=} ;; esac
        case $previous in --target|-O|--format) target=$word ;; esac
        case $word in -d|--directory|--directory=*) exec -a "$0" @program@ "$@" ;; esac
        previous=$word
      done
      exec -a "$0" @program@ -d @out@/lib/grub/$target "$@"
      END
        sed -i "s|@program@|$out/bin/.$program|; s|@out@|$out|; 1i #!$bash/bin/bash" $out/bin/$program
        chmod 755 $out/bin/$program
      done
    '';
    more.grubTarget = "x86_64-efi";
  };
  gzip = names [ "gzip" ];
  iproute = names [ "iproute2" ];
  iptables = {
    names = [ "iptables" ];
    # Debian's alternatives.
    post = ''
      for name in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
        ln -sf xtables-legacy-multi $out/bin/$name
      done
      wrap xtables-legacy-multi XTABLES_LIBDIR=$libraries/lib/xtables
    '';
  };
  iputils = names [ "iputils-ping" "iputils-tracepath" "iputils-arping" ];
  iana-etc = names [ "netbase" ];
  jq = names [ "jq" ];
  kbd = {
    names = [ "kbd" "console-data" ];
    post = ''
      mkdir -p $out/share/keymaps $out/share/consolefonts
      find $out/share/keymaps -name '*.gz' -exec gunzip {} +
    '';
  };
  kexectools = names [ "kexec-tools" ];
  kmod = {
    names = [ "kmod" ];
    post = ''rm -rf $out/etc'';
  };
  less = names [ "less" ];
  libcap = {
    names = [ "libcap2-bin" ];
  };
  libfaketime = {
    names = [ "faketime" "libfaketime" ];
    post = ''
      cat > $out/bin/faketime <<END
      #!$bash/bin/bash
      when=\$1; shift
      LD_PRELOAD=$libraries/lib/faketime/libfaketime.so.1 FAKETIME="\$when" exec "\$@"
      END
      chmod 755 $out/bin/faketime
    '';
  };
  libressl-netcat = {
    names = [ "netcat-openbsd" ];
    post = ''ln -sf nc.openbsd $out/bin/nc'';
  };
  libxslt = names [ "xsltproc" ];
  lvm2 = {
    names = [ "lvm2" "dmsetup" "dmeventd" ];
    post = ''
      sed -i "s|/sbin/|$out/bin/|g; s|/usr/bin/systemd-run|/run/current-system/systemd/bin/systemd-run|g" $out/lib/udev/rules.d/*.rules
      rm -rf $out/lib/systemd $out/etc/init.d $out/share/initramfs-tools
    '';
  };
  man-db = names [ "man-db" ];
  mdadm = {
    names = [ "mdadm" ];
    post = ''
      rm -rf $out/etc $out/lib/systemd $out/share/initramfs-tools
      for file in $out/lib/udev/rules.d/*; do
        sed -i "s|\([^a-z]\)\(/usr\)\?/bin/|\1/run/current-system/sw/bin/|g; s|\([^a-z]\)/sbin/|\1$out/sbin/|g" $file
      done
    '';
  };
  mtools = {
    names = [ "mtools" ];
    post = ''wrap mtools GCONV_PATH=$libraries/lib/gconv'';
  };
  nano = names [ "nano" ];
  ncurses = names [ "ncurses-bin" "ncurses-base" ];
  nettools = names [ "net-tools" "hostname" ];
  nix = {
    names = [ "nix-bin" ];
    post = ''
      mkdir -p $out/lib/systemd/system $out/share/nix
      rm -rf $out/etc
    '';
  };
  openssh = {
    names = [ "openssh-server" "openssh-client" "openssh-sftp-server" ];
    post = ''rm -rf $out/etc $out/lib/systemd; mkdir -p $out/libexec; ln -s $out/lib/openssh/sftp-server $out/libexec/sftp-server; mkdir -p $out/etc/ssh; echo > $out/etc/ssh/moduli'';
  };
  pam = {
    names = [ "libpam-modules" "libpam-modules-bin" "libpam-runtime" ];
    perl = true;
    post = ''mkdir -p $out/lib; ln -s $libraries/lib/security $out/lib/security; rm -rf $out/etc'';
  };
  parted = names [ "parted" ];
  patch = names [ "patch" ];
  patchelf = names [ "patchelf" ];
  perl = {
    names = [
      "perl-base" "perl" "perl-modules-5.36"
      "libnet-dbus-perl" "libxml-twig-perl" "libxml-parser-perl" "libxml-libxml-perl" "libxml-sax-perl" "libxml-sax-base-perl"
      "libxml-namespacesupport-perl" "libfile-slurp-perl" "libjson-perl" "liblist-compare-perl"
    ];
    # @INC is compiled in.
    post = ''
      mv $out/bin/perl $out/bin/.perl
      { printf '#!%s/bin/bash\n' $bash
        printf 'export PERL5LIB=$PERL5LIB''${PERL5LIB:+:}%s/lib/perl-base:%s/lib/perl/5.36:%s/lib/perl5/5.36:%s/share/perl/5.36:%s/share/perl5\n' $libraries $libraries $libraries $out $out
        printf 'exec %s/bin/.perl "$@"\n' $out
      } > $out/bin/perl
      chmod 755 $out/bin/perl
      rm -rf $out/etc
    '';
    more.libPrefix = "lib/perl5/site_perl";
  };
  procps = {
    names = [ "procps" ];
    post = ''rm -rf $out/etc $out/lib/systemd'';
  };
  python3 = {
    names = [ "python3.11-minimal" "python3.11" "libpython3.11-minimal" "libpython3.11-stdlib" ];
    post = ''ln -sf python3.11 $out/bin/python3; wrap python3.11 PYTHONHOME=$out'';
    more.libPrefix = "python3.11";
  };
  refind = {
    names = [ "refind" ];
    post = ''rm -rf $out/etc; mkdir -p $out/share/refind; cp -f $out/share/refind/refind/*.efi $out/share/refind/ 2>/dev/null || true'';
  };
  rsync = {
    names = [ "rsync" ];
    post = ''rm -rf $out/etc $out/lib/systemd'';
  };
  shadow = {
    names = [ "passwd" "login" ];
    post = ''rm -rf $out/etc $out/lib/systemd'';
    more.shellPath = "/bin/nologin";
  };
  squashfsTools = names [ "squashfs-tools" ];
  strace = names [ "strace" ];
  sudo = {
    names = [ "sudo" ];
    post = ''rm -rf $out/etc $out/lib/systemd'';
  };
  syslinux = {
    names = [ "syslinux-common" "isolinux" ];
    post = ''
      mkdir -p $out/share/syslinux
      cp -f $out/lib/ISOLINUX/*.bin $out/lib/syslinux/mbr/*.bin $out/lib/syslinux/modules/bios/*.c32 $out/share/syslinux/
    '';
  };
  systemd = {
    names = [
      "systemd" "udev" "systemd-container" "systemd-coredump" "systemd-resolved" "systemd-timesyncd" "systemd-boot" "systemd-boot-efi" "libpam-systemd"
      "libnss-systemd" "libnss-myhostname" "libnss-mymachines" "libnss-resolve"
    ];
    # nixpkgs keeps systemd's own units out of systemd's way, under `example`.
    post = ''
      mkdir -p $out/example/systemd $out/example/tmpfiles.d $out/example/sysctl.d
      for raw in $raws; do
        for kind in tmpfiles.d sysctl.d; do
          for file in $raw/usr/lib/$kind/*; do [ ! -f $file ] || cp -f $file $out/example/$kind/; done
        done
      done
      mv $out/lib/systemd/system $out/lib/systemd/user $out/example/systemd/
      rm -rf $out/lib/sysctl.d $out/lib/tmpfiles.d $out/etc $out/lib/modprobe.d $out/lib/modules-load.d $out/share/initramfs-tools
      for name in home journal-nocow static-nodes-permissions systemd systemd-nologin systemd-nspawn systemd-tmp tmp var x11; do
        [ -e $out/example/tmpfiles.d/$name.conf ] || echo '# not of Debian' > $out/example/tmpfiles.d/$name.conf
      done
      for name in 50-coredump 50-default; do
        [ -e $out/example/sysctl.d/$name.conf ] || echo '# not of Debian' > $out/example/sysctl.d/$name.conf
      done
      find $out/example/systemd $out/lib/udev/rules.d $out/share/dbus-1 $out/lib/systemd -type f ! -perm -100 \( -name '*.service' -o -name '*.rules' -o -name '*.socket' -o -name '*.mount' -o -name '*.conf' \) | while IFS= read -r file; do
        sed -i "s|\([^a-zA-Z0-9._]\)/usr/bin/|\1/bin/|g; s|\([^a-zA-Z0-9._]\)/lib/systemd/systemd|\1$out/lib/systemd/systemd|g" $file
        for program in systemctl journalctl udevadm loginctl systemd-tmpfiles systemd-nspawn systemd-sysusers systemd-hwdb systemd-machine-id-setup systemd-tty-ask-password-agent systemd-ask-password systemd-run systemd-firstboot systemd-notify networkctl bootctl systemd-sysext; do
          # Some are named without a directory.
          sed -i "s|\([^a-zA-Z0-9._]\)/s\?bin/$program\b|\1$out/bin/$program|g; s|^\(Exec[A-Za-z]*=[-+!@:]*\)$program\( \|\$\)|\1$out/bin/$program\2|" $file
        done
        sed -i "s|\([^a-zA-Z0-9._]\)\(/usr\)\?/s\?bin/\(kmod\|agetty\|mount\|umount\|setfacl\|kill\|sulogin\|plymouth\|sh\|cat\|rm\|modprobe\|swapon\|swapoff\|sysctl\|echo\)\b|\1/run/current-system/sw/bin/\3|g" $file
      done
      # A link would be copied into the initrd as one.
      rm $out/lib/systemd/systemd-udevd; cp $out/bin/udevadm $out/lib/systemd/systemd-udevd
      # What Debian does without.
      for name in systemd-vconsole-setup systemd-journal-catalog-update systemd-update-done; do
        [ -e $out/example/systemd/system/$name.service ] || printf '[Unit]\nDescription=Stand-in for %s\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/run/current-system/sw/bin/true\n' $name > $out/example/systemd/system/$name.service
      done
      # Debian's additions.
      find $out/example -type d -name '*.service.d' -o -type d -name '*.socket.d' | while IFS= read -r directory; do rm -rf $directory; done
      mv $out/lib/udev/rules.d $out/lib/udev/rules.tmp && mkdir $out/lib/udev/rules.d && cp $out/lib/udev/rules.tmp/* $out/lib/udev/rules.d/ && rm -rf $out/lib/udev/rules.tmp
      rm -f $out/lib/udev/rules.d/{73-special-net-names,90-console-setup,80-debian-compat,60-ubuntu*}.rules
    '';
    more = { kbd = null; interfaceVersion = 2; };
  };
  thin-provisioning-tools = names [ "thin-provisioning-tools" ];
  time = names [ "time" ];
  tzdata = names [ "tzdata" ];
  utillinux = {
    names = [ "util-linux" "mount" "fdisk" "bsdutils" "bsdextrautils" "util-linux-extra" "eject" "uuid-runtime" "rfkill" ];
    post = ''rm -rf $out/etc $out/lib/systemd'';
  };
  which = {
    names = [ "debianutils" ];
    post = ''ln -sf which.debianutils $out/bin/which'';
  };
  xauth = names [ "xauth" ];
  xorriso = names [ "xorriso" ];
  xz = {
    names = [ "xz-utils" ];
    post = ''for name in unxz xzcat; do [ -e $out/bin/$name ] || ln -s xz $out/bin/$name; done'';
  };
  zstd = names [ "zstd" ];
  busybox = {
    names = [ "busybox" ];
    post = ''
      for name in $($out/bin/busybox --list); do [ -e $out/bin/$name ] || ln -s busybox $out/bin/$name; done
      rm -rf $out/etc
    '';
  };
}
