# nixpkgs' names for the usual packages, where Debian's name differs or one nixpkgs package is several of Debian's.
{
  lib,
  self,
  debian,
}:

let
  # nixpkgs' name = Debian's names (the first gives the version), and the main program where it is not the name.
  table = {
    age = [ "age" ];
    alsa-utils = [ "alsa-utils" ];
    alsaUtils = [ "alsa-utils" ];
    ansible = [ "ansible" ];
    bashInteractive = [ "bash" ];
    bash-completion = [ "bash-completion" ];
    bat = [ "bat" ];
    bind = [ "bind9-dnsutils" "bind9-host" ];
    binutils = [ "binutils" "binutils-x86-64-linux-gnu" "binutils-common" ];
    btrfs-progs = [ "btrfs-progs" ];
    btrfsProgs = [ "btrfs-progs" ];
    cacert = [ "ca-certificates" ];
    chromium = [ "chromium" ];
    coreutils = [ "coreutils" ];
    cryptsetup = [ "cryptsetup-bin" "cryptsetup" ];
    curl = [ "curl" ];
    dbus = [ "dbus" "dbus-daemon" "dbus-bin" "dbus-system-bus-common" "dbus-session-bus-common" ];
    diffutils = [ "diffutils" ];
    dig = [ "bind9-dnsutils" ];
    dnsutils = [ "bind9-dnsutils" ];
    docker = [ "docker.io" "docker-cli" ];
    dosfstools = [ "dosfstools" ];
    e2fsprogs = [ "e2fsprogs" ];
    efibootmgr = [ "efibootmgr" ];
    fd = [ "fd-find" ];
    file = [ "file" ];
    findutils = [ "findutils" ];
    firefox = [ "firefox-esr" ];
    gawk = [ "gawk" ];
    gcc = [ "gcc" "cpp" ];
    git = [ "git" ];
    gitFull = [ "git" "git-svn" "git-email" "gitk" ];
    gitMinimal = [ "git" ];
    gnugrep = [ "grep" ];
    gnumake = [ "make" ];
    gnupg = [ "gpg" "gpg-agent" "gpgv" "gpgconf" "dirmngr" ];
    gnused = [ "sed" ];
    gnutar = [ "tar" ];
    go = [ "golang-go" ];
    gptfdisk = [ "gdisk" ];
    grub2 = [ "grub-common" "grub2-common" "grub-pc-bin" ];
    grub2_efi = [ "grub-common" "grub2-common" "grub-efi-amd64-bin" ];
    host = [ "bind9-host" ];
    htop = [ "htop" ];
    imagemagick = [ "imagemagick" ];
    inetutils = [ "inetutils-ping" "inetutils-telnet" "inetutils-traceroute" ];
    iproute = [ "iproute2" ];
    iproute2 = [ "iproute2" ];
    iptables = [ "iptables" ];
    iputils = [ "iputils-ping" "iputils-tracepath" "iputils-arping" ];
    jdk = [ "default-jdk" ];
    jq = [ "jq" ];
    kbd = [ "kbd" "console-data" ];
    kmod = [ "kmod" ];
    lm_sensors = [ "lm-sensors" ];
    ltrace = [ "ltrace" ];
    lvm2 = [ "lvm2" "dmsetup" ];
    man = [ "man-db" ];
    man-db = [ "man-db" ];
    man-pages = [ "manpages" ];
    moreutils = [ "moreutils" ];
    mtr = [ "mtr-tiny" ];
    ncdu = [ "ncdu" ];
    neovim = [ "neovim" ];
    netcat = [ "netcat-openbsd" ];
    netcat-gnu = [ "netcat-traditional" ];
    nettools = [ "net-tools" ];
    nfs-utils = [ "nfs-common" ];
    nginx = [ "nginx" "nginx-common" ];
    nix = [ "nix-bin" ];
    nixUnstable = [ "nix-bin" ];
    nixFlakes = [ "nix-bin" ];
    nodejs = [ "nodejs" ];
    ntfs3g = [ "ntfs-3g" ];
    openssh = [ "openssh-client" "openssh-server" "openssh-sftp-server" ];
    openssl = [ "openssl" ];
    parted = [ "parted" ];
    pciutils = [ "pciutils" ];
    perl = [ "perl" "perl-base" ];
    ping = [ "iputils-ping" ];
    pinentry = [ "pinentry-curses" ];
    pinentry-curses = [ "pinentry-curses" ];
    postgresql = [ "postgresql" ];
    procps = [ "procps" ];
    psmisc = [ "psmisc" ];
    python3 = [ "python3" "python3-minimal" "python3.13-minimal" "python3.13" ];
    python = [ "python3" "python3-minimal" "python3.13-minimal" "python3.13" ];
    ripgrep = [ "ripgrep" ];
    rsync = [ "rsync" ];
    shadow = [ "passwd" "login" "login.defs" ];
    smartmontools = [ "smartmontools" ];
    sqlite = [ "sqlite3" ];
    squashfsTools = [ "squashfs-tools" ];
    squashfs-tools = [ "squashfs-tools" ];
    sshfs = [ "sshfs" ];
    sshfs-fuse = [ "sshfs" ];
    strace = [ "strace" ];
    sudo = [ "sudo" ];
    systemd = [ "systemd" "udev" "libsystemd0" "libsystemd-shared" ];
    telnet = [ "inetutils-telnet" ];
    tmux = [ "tmux" ];
    tree = [ "tree" ];
    unzip = [ "unzip" ];
    usbutils = [ "usbutils" ];
    util-linux = [ "util-linux" "mount" "fdisk" "bsdutils" "bsdextrautils" "eject" "rfkill" "uuid-runtime" ];
    utillinux = [ "util-linux" "mount" "fdisk" "bsdutils" "bsdextrautils" "eject" "rfkill" "uuid-runtime" ];
    vim = [ "vim" "vim-common" "vim-runtime" ];
    vim_configurable = [ "vim" "vim-common" "vim-runtime" ];
    wget = [ "wget" ];
    which = [ "debianutils" ];
    whois = [ "whois" ];
    wireguard-tools = [ "wireguard-tools" ];
    wireguard = [ "wireguard-tools" ];
    wpa_supplicant = [ "wpasupplicant" ];
    xfsprogs = [ "xfsprogs" ];
    xxd = [ "xxd" ];
    xz = [ "xz-utils" ];
    yubikey-manager = [ "yubikey-manager" ];
    zip = [ "zip" ];
    zsh = [ "zsh" "zsh-common" ];
    zstd = [ "zstd" ];
  };

  mainPrograms = {
    bashInteractive = "bash";
    gitFull = "git";
    gitMinimal = "git";
    gnugrep = "grep";
    gnused = "sed";
    gnutar = "tar";
    gnumake = "make";
    gnupg = "gpg";
    gptfdisk = "gdisk";
    neovim = "nvim";
    netcat = "nc";
    openssh = "ssh";
    ripgrep = "rg";
    xfsprogs = "mkfs.xfs";
    iproute2 = "ip";
  };

  # Programs that Debian renames: nixpkgs' package = { its program = Debian's program; }.
  renamed = {
    bat.bat = "batcat";
    fd.fd = "fdfind";
  };

  aliases = lib.mapAttrs (
    pname: names:
    let
      package = debian.package {
        inherit pname names;
        mainProgram = mainPrograms.${pname} or pname;
      };
    in
    if renamed ? ${pname} then withOwnNames package renamed.${pname} else package
  ) table;

  # The package with its programs under their own names besides Debian's, here and under /usr.
  withOwnNames =
    package: programs:
    let
      ownNames = self.linkFarm "${package.pname}-names" (
        lib.mapAttrsToList (program: debianProgram: {
          name = "bin/${program}";
          path = "${debian.raws.${lib.head package.debian}}/usr/bin/${debianProgram}";
        }) programs
      );
    in
    self.symlinkJoin {
      inherit (package) name;
      paths = [
        package
        ownNames
      ];
    }
    // {
      inherit (package)
        pname
        version
        debian
        meta
        ;
      besides = [ ownNames ];
    };

  kernel =
    let
      image = lib.head (lib.head (debian.lookUp "linux-image-amd64").depends);
      version = lib.removePrefix "linux-image-" image;
    in
    debian.raws.${image}
    // {
      inherit version;
      modDirVersion = version;
      debian = [ ];
      file = "${debian.raws.${image}}/boot/vmlinuz-${version}";
    };
in
aliases
// {
  linux = kernel;
  linuxPackages = { inherit kernel; };
  linuxPackages_latest = { inherit kernel; };
  linuxKernel.packages.linux_default = { inherit kernel; };
  bash = aliases.bashInteractive;
  python3Packages = lib.mapAttrs' (name: lib.nameValuePair (lib.removePrefix "python3-" name)) (
    lib.filterAttrs (name: _: lib.hasPrefix "python3-" name) debian.packages
  );
}
