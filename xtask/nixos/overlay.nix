# Packages that would have to be compiled, replaced by Debian's; and what NixOS 20.09 builds by a program that is not here.
bench: self: super:

let
  inherit (super) lib;
  p = bench.packages;
  empty =
    name: bench.asPackage name "0" (self.runCommand name { } "mkdir -p $out/bin $out/lib $out/share $out/etc") { };
  # Perl's modules are all in `perl`.
  perl = p.perl // {
    withPackages = _: perl;
    buildEnv = _: perl;
    pkgs = allPerlPackages;
    interpreter = "${p.perl}/bin/perl";
    version = "5.36.0";
  };
  perlPackages = lib.genAttrs [
    "NetDBus" "XMLTwig" "XMLParser" "XMLLibXML" "XMLSAX" "XMLSAXBase" "XMLNamespaceSupport" "FileSlurp" "JSON" "ListCompare" "DBI" "DBDSQLite" "StringShellQuote" "ConfigIniFiles"
  ] (name: empty "perl-${name}") // { inherit perl; };
  allPerlPackages = super.perlPackages // perlPackages;
  kernel = bench.kernel // { inherit (self) stdenv; override = _: kernel; };
  linuxPackages = lib.makeExtensible (_: { inherit kernel; inherit (self) stdenv; });
in
removeAttrs p [ "cc" "glibc" "perl" "libressl-netcat" "pam" "libxslt" "python3" "xauth" ]
// {
  bench = bench;
  inherit perl;
  perlPackages = allPerlPackages;
  buildPerlPackages = allPerlPackages;
  glibc = p.glibc;
  glibcLocales = empty "glibc-locales";
  gcc = self.stdenv.cc;
  gcc-unwrapped = self.stdenv.cc;
  binutils = self.stdenv.cc;
  binutils-unwrapped = self.stdenv.cc;
  bashInteractive = p.bash;
  bashInteractive_5 = p.bash;
  bash_5 = p.bash;
  bash-completion = self.writeTextDir "etc/profile.d/bash_completion.sh" "# none here\n";
  nix-bash-completions = empty "nix-bash-completions";
  coreutils-full = p.coreutils;
  getent = p.glibc;
  getconf = p.glibc;
  gnupatch = p.patch;
  gnumake = empty "make";
  netcat = p.libressl-netcat;
  netcat-gnu = p.libressl-netcat;
  libressl = p.libressl-netcat // { nc = p.libressl-netcat; };
  su = p.shadow // { su = p.shadow; };
  shadow = p.shadow // { su = p.shadow; };
  util-linux = p.utillinux;
  utillinuxMinimal = p.utillinux;
  utillinuxCurses = p.utillinux;
  iproute2 = p.iproute;
  linux-pam = p.pam;
  pam = p.pam;
  libxslt = p.libxslt // { bin = p.libxslt; };
  libxml2 = p.libxslt // { bin = p.libxslt; };
  python3 = p.python3 // { withPackages = _: p.python3; inherit (super.python3) pkgs; };
  dbus = p.dbus // { daemon = p.dbus; };
  dbus_daemon = p.dbus;
  udev = p.systemd;
  systemdMinimal = p.systemd;
  libudev = p.systemd;
  libcap_ng = empty "libcap-ng";
  linuxHeaders = empty "linux-headers";
  libcap_progs = p.libcap;
  gitMinimal = p.git;
  gitFull = p.git;
  grub2_efi = p.grub2;
  grub2 = p.grub2 // { grubTarget = "i386-pc"; };
  btrfsProgs = p.btrfs-progs;
  nixFlakes = p.nix;
  nixUnstable = p.nix;
  nixStable = p.nix;
  nix-info = empty "nix-info";
  nixos-option = empty "nixos-option";
  linux = kernel;
  linuxPackages = linuxPackages;
  linuxPackages_latest = linuxPackages;
  linuxPackagesFor = _: linuxPackages;
  man = p.man-db;
  fuse = empty "fuse";
  fuse3 = empty "fuse3";
  dhcpcd = empty "dhcpcd";
  openresolv = empty "openresolv";
  texinfoInteractive = empty "texinfo";
  libfaketime = p.libfaketime;
  nixos-grub2-theme = self.runCommand "grub-theme" { } "mkdir $out; echo > $out/theme.txt";
  dnsutils = p.bind;
  bind = p.bind // { host = p.bind; dnsutils = p.bind; };
  kbdKeymaps = { dvp = empty "dvp"; neo = empty "neo"; };
  kmod-blacklist-ubuntu = self.writeTextDir "modprobe.conf" "# not of Ubuntu\n";
  kmod-debian-aliases = self.writeText "aliases.conf" "# none\n";
  xorg = super.xorg // {
    inherit (p) xauth;
    lndir = self.writeShellScriptBin "lndir" ''
      [ "$1" != -silent ] || shift
      from=$1 to=$(cd "''${2:-.}" && pwd)
      cd "$from" && ${self.findutils}/bin/find . -type d -exec ${self.coreutils}/bin/mkdir -p "$to/{}" \; \
        && ${self.findutils}/bin/find . ! -type d -exec ${self.coreutils}/bin/ln -s "$from/{}" "$to/{}" \;
    '';
  };
  # Pictures of the boot menus come from the wide world.
  fetchurl = lib.makeOverridable (
    arguments:
    if lib.hasInfix "nixos-artwork" (arguments.url or "") then
      self.runCommand "picture.png" { } ''
        printf '%s' iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGNgYGAAAAAEAAH2FzhVAAAAAElFTkSuQmCC | base64 -d > $out
      ''
    else
      super.fetchurl arguments
  );
}
