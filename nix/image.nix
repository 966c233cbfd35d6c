# image.json, version 1: what Rust needs to know of a live system (ARCHITECTURE.md). Building it realises all it names.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.isoImage;

  # mksquashfs's words: a codec and its level.
  compression =
    text:
    let
      words = lib.filter (word: word != "") (lib.splitString " " (if text == null then "none" else text));
      levelAfter =
        words:
        if words == [ ] then
          null
        else if lib.head words == "-Xcompression-level" then
          lib.toInt (lib.head (lib.tail words))
        else
          levelAfter (lib.tail words);
    in
    {
      codec = lib.head words;
      level = levelAfter words;
      blockSize = 1048576;
    };

  absolute = target: if lib.hasPrefix "/" target then target else "/${target}";

  # NixOS squashes the store by itself; its entry is left out without its source being looked at.
  contents = map (content: {
    source = "${content.source}";
    target = absolute content.target;
  }) (lib.filter (content: absolute content.target != "/nix-store.squashfs") cfg.contents);

  isDebian = pkgs ? archive && pkgs ? debian;

  boot =
    if isDebian then
      config.system.build.isoBoot
    else
      {
        bios =
          if cfg.makeBiosBootable or true then
            {
              image = "/isolinux/isolinux.bin";
              mbr = if cfg.makeUsbBootable then "${pkgs.syslinux}/share/syslinux/isohdpfx.bin" else null;
            }
          else
            null;
        efi = if cfg.makeEfiBootable then { image = "/boot/efi.img"; } else null;
      };
in
{
  config.system.build.flkImage = pkgs.writeText "image.json" (
    builtins.toJSON {
      version = 1;
      inherit (config.flk) host hostToplevel;
      system = "x86_64-linux";
      channel = if isDebian then "debian" else "nixpkgs";
      volumeId = cfg.volumeID;
      fileName = "${config.flk.host}.iso";
      liveToplevel = "${config.system.build.toplevel}";
      storeRoots = lib.unique (
        map (root: "${root}") (
          cfg.storeContents
          ++ [
            config.system.build.toplevel
            config.flk.hostToplevel
            config.flk.source
          ]
          ++ lib.attrValues config.flk.inputs
        )
      );
      compression = compression cfg.squashfsCompression;
      contents =
        contents
        ++ lib.optional (config.flk.repository != null) {
          source = config.flk.repository;
          target = "/devos";
        };
      inherit boot;
    }
  );
}
