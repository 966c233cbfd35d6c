# Systems that packages are for.
{ lib }:
let
  x86_64-linux = {
    system = "x86_64-linux";
    config = "x86_64-unknown-linux-gnu";
    isLinux = true;
    isDarwin = false;
    isx86 = true;
    isx86_64 = true;
    isx86_32 = false;
    isAarch64 = false;
    isAarch32 = false;
    is64bit = true;
    is32bit = false;
    isUnix = true;
    isGnu = true;
    isMusl = false;
    isStatic = false;
    isEfi = true;
    libc = "glibc";
    linuxArch = "x86_64";
    qemuArch = "x86_64";
    darwinArch = null;
    linux-kernel = {
      name = "pc";
      target = "bzImage";
      autoModules = true;
    };
    uname = {
      system = "Linux";
      processor = "x86_64";
    };
    parsed = {
      cpu = {
        name = "x86_64";
        bits = 64;
        family = "x86";
      };
      kernel.name = "linux";
      abi.name = "gnu";
      vendor.name = "unknown";
    };
  };
  known = { inherit x86_64-linux; };
in
rec {
  # The platform of a system's name, or of a set that has it as `system`.
  elaborate =
    system:
    let
      name = if builtins.isAttrs system then system.system or system.config else system;
    in
    known.${name}
      or (throw "lib.systems: the built-in channel is for ${toString doubles.all}, not for ${name}");
  equals = a: b: a.system == b.system;
  supported.tier1 = doubles.all;
  flakeExposed = doubles.all;
  doubles = {
    all = builtins.attrNames known;
    linux = builtins.attrNames known;
    unix = builtins.attrNames known;
    x86_64 = builtins.attrNames known;
    x86 = builtins.attrNames known;
    gnu = builtins.attrNames known;
    darwin = [ ];
    aarch64 = [ ];
    none = [ ];
  };
  examples = known;
}
