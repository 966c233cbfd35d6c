# Debian's packages that may be meant by a name that is none of them, mostly nixpkgs' name.
{ lib, known }:

let
  # nixpkgs' name → Debian's, where one does not follow from the other.
  others = {
    ag = "silversearcher-ag";
    cascadia-code = "fonts-cascadia-code";
    delta = "git-delta";
    dejavu_fonts = "fonts-dejavu";
    dust = "du-dust";
    exa = "eza";
    fira = "fonts-fira-sans";
    fira-code = "fonts-firacode";
    font-awesome = "fonts-font-awesome";
    hack-font = "fonts-hack";
    helix = "hx";
    inconsolata = "fonts-inconsolata";
    jetbrains-mono = "fonts-jetbrains-mono";
    kubectl = "kubernetes-client";
    liberation_ttf = "fonts-liberation";
    networkmanagerapplet = "network-manager-applet";
    noto-fonts = "fonts-noto";
    noto-fonts-cjk = "fonts-noto-cjk";
    noto-fonts-cjk-sans = "fonts-noto-cjk";
    noto-fonts-emoji = "fonts-noto-color-emoji";
    open-sans = "fonts-open-sans";
    p7zip = "7zip";
    pulseaudio = "pulseaudio-utils";
    roboto = "fonts-roboto";
    silver-searcher = "silversearcher-ag";
    vimHugeX = "vim-gtk3";
    youtube-dl = "yt-dlp";
  };

  words =
    name:
    lib.sort lib.lessThan (
      lib.filter (word: word != "") (
        lib.splitString "-" (lib.replaceStrings [ "_" ] [ "-" ] (lib.toLower name))
      )
    );
  names = lib.attrNames known;
  isForPeople = name: builtins.match "lib.*|.*-(dev|doc|dbg|data|common)" name == null;
  escaped = lib.escapeRegex;
in
name:
let
  own = words name;
  length = builtins.stringLength name;

  table = lib.filter (other: known ? ${other}) [ (others.${name} or "") ];
  # `noto-fonts` and `fonts-noto`.
  sameWords =
    if own == [ ] then
      [ ]
    else
      lib.filter (other: builtins.match ".*${escaped (lib.head own)}.*" other != null && words other == own) names;
  # `pkgs.black` is an application of Python, `python3-black` with Debian.
  prefixed = lib.filter (other: known ? ${other}) (
    map (prefix: "${prefix}${name}") [
      "fonts-"
      "python3-"
      "golang-"
      "ruby-"
      "node-"
    ]
  );
  # At most two letters are wrong.
  near = lib.sortOn (lib.strings.levenshtein name) (
    lib.filter (
      other:
      let
        otherLength = builtins.stringLength other;
      in
      builtins.substring 0 1 other == builtins.substring 0 1 name
      && otherLength >= length - 2
      && otherLength <= length + 2
      && lib.strings.levenshteinAtMost 2 name other
    ) names
  );
  # What calls itself so: its name has the word, or its description does.
  named =
    let
      word = "(.*[^[:alnum:]])?${escaped (lib.toLower name)}([^[:alnum:]].*)?";
      calls = lib.filter (
        other: isForPeople other && builtins.match word (lib.toLower known.${other}.summary) != null
      ) names;
    in
    if length < 4 then [ ] else lib.sortOn builtins.stringLength calls;
in
if table ++ sameWords != [ ] then
  lib.take 5 (lib.unique (table ++ sameWords))
else
  lib.take 5 (lib.unique (prefixed ++ lib.take 3 near ++ lib.take 3 named))
