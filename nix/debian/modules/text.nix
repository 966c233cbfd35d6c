# Text that modules write into files of other languages: one function for each, which takes any text and gives what that language reads as the same text.
# Line breaks, which none of them can have there, become blanks.
{ lib }:

let
  inherit (lib) concatMapStrings replaceStrings stringToCharacters;

  oneLine = replaceStrings [ "\n" "\r" ] [ " " " " ];

  # What GRUB's shell reads as more than itself (GRUB's manual, "Quoting"); wildcards are there for its module regexp.
  special = [ "\\" "\"" "'" "$" ";" "&" "|" "<" ">" "{" "}" "#" "*" "?" "[" "]" "!" "~" "%" "(" ")" "`" ];
in
rec {
  inherit oneLine;

  # One word of a GRUB command. An escaped blank belongs to the word.
  grubWord =
    text:
    let
      word = lib.escape (special ++ [ " " "\t" ]) (oneLine text);
    in
    if word == "" then "''" else word;

  # A kernel's command line as words of GRUB's `linux`, which puts those with blanks into quotes for the kernel by itself, and would give a quote that is
  # in a word a backslash, which the kernel does not know. So quotes only keep their blanks.
  grubArguments =
    arguments:
    let
      step =
        state: c:
        if c == "\"" then
          state // { quoted = !state.quoted; }
        else if c == " " || c == "\t" then
          state // { text = state.text + (if state.quoted then "\\${c}" else " "); }
        else
          state // { text = state.text + lib.escape special c; };
    in
    (lib.foldl' step {
      quoted = false;
      text = "";
    } (stringToCharacters (oneLine arguments))).text;

  # The rest of a line of ISOLINUX's configuration; in a label, `^` marks a key.
  isolinuxLabel = text: replaceStrings [ "^" ] [ " " ] (oneLine text);

  # A field of fstab(5).
  fstab = replaceStrings [ "\\" " " "\t" "\n" "#" ] [ "\\134" "\\040" "\\011" "\\012" "\\043" ];

  # A value in a unit (systemd.syntax(7), systemd.unit(5), "SPECIFIERS") that is taken whole.
  unitValue = text: replaceStrings [ "%" "\\" ] [ "%%" "\\\\" ] (oneLine text);

  # One word of a value in a unit that is a list.
  unitWord = text: "\"${replaceStrings [ "\\" "\"" "%" ] [ "\\\\" "\\\"" "%%" ] (oneLine text)}\"";

  # A value in os-release(5), which shells read.
  osRelease = text: "\"${lib.escape [ "\\" "\"" "$" "`" ] (oneLine text)}\"";
}
