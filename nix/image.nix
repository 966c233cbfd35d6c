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

  absolute = target: "/" + lib.concatStringsSep "/" (lib.filter (part: part != "") (lib.splitString "/" target));

  # NixOS squashes the store by itself; its entry is left out without its source being looked at.
  ofTheHost = lib.filter (content: absolute content.target != "/nix-store.squashfs") cfg.contents;

  # DevOS's configurations put the repository there themselves.
  ofTheRepository =
    lib.optional
      (
        config.flk.repository != null
        && lib.all (content: absolute content.target != "/devos") ofTheHost
      )
      {
        source = config.flk.repository;
        target = "/devos";
      };

  contents = map (content: {
    source = "${content.source}";
    target = absolute content.target;
  }) (ofTheHost ++ ofTheRepository);

  isDebian = pkgs ? archive && pkgs ? debian;

  boot =
    if isDebian then
      config.system.build.isoBoot
    else
      {
        bios =
          # The option came with 24.05; before, every PC was meant.
          if cfg.makeBiosBootable or (pkgs.stdenv.hostPlatform.isx86_32 || pkgs.stdenv.hostPlatform.isx86_64) then
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
      inherit (config.networking) hostName;
      inherit (pkgs.stdenv.hostPlatform) system;
      channel = if isDebian then "debian" else "nixpkgs";
      volumeId = cfg.volumeID;
      # What flk makes is not compressed once more.
      fileName = lib.removeSuffix ".zst" (config.image.fileName or cfg.isoName);
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
          ++ config.flk.devShell
        )
      );
      # An option since 20.09's successor.
      compression = compression (cfg.squashfsCompression or "zstd -Xcompression-level 6");
      inherit contents boot;
    }
  );
}
