# What modules write into other languages, nix/debian/modules/text.nix: any text comes back from a reader of the language as it was.
{ lib, is, ... }:
let
  text = import ../../modules/text.nix { inherit lib; };
  inherit (lib) concatMap stringToCharacters;

  printable = lib.filter (c: builtins.match "[[:print:]]" c != null) (lib.attrNames (import ../strings/ascii.nix)) ++ [
    "ä"
    "日"
    "🐧"
  ];
  # Each character alone, between others, doubled, and all pairs with what is special in most languages.
  pairs = concatMap (a: map (b: "${a}${b}") [ "\\" "\"" "'" "$" "%" " " "#" "{" "x41" ]) printable;
  texts = printable ++ map (c: "a${c}b ${c} ${c}${c}") printable ++ pairs ++ [ (lib.concatStrings printable) "" ];

  wrong = write: read: lib.filter (given: read (write given) != given) texts;

  # The words that GRUB's shell makes of a line: quotes and backslashes as its manual has them; what else is special ends in an error.
  grub =
    line:
    let
      step =
        { words, word, mode, escaped }:
        c:
        let
          add = {
            inherit words mode;
            word = (if word == null then "" else word) + c;
            escaped = false;
          };
        in
        if escaped then
          if mode == "\"" && !lib.elem c [ "\\" "\"" "$" ] then add // { word = word + "\\" + c; } else add
        else if c == "\\" && mode != "'" then
          { inherit words mode; word = if word == null then "" else word; escaped = true; }
        else if mode == "" && lib.elem c [ "\"" "'" ] then
          { inherit words; word = if word == null then "" else word; mode = c; escaped = false; }
        else if c == mode then
          { inherit words word; mode = ""; escaped = false; }
        else if mode == "" && c == " " then
          { words = words ++ lib.optional (word != null) word; word = null; inherit mode; escaped = false; }
        else if lib.elem c [ "$" ] && mode != "'" || mode == "" && lib.elem c [ ";" "&" "|" "<" ">" "{" "}" "#" "*" "?" "[" "]" ] then
          throw "special: ${c}"
        else
          add;
      end = lib.foldl' step {
        words = [ ];
        word = null;
        mode = "";
        escaped = false;
      } (stringToCharacters line);
    in
    end.words ++ lib.optional (end.word != null) end.word;

  octal = lib.replaceStrings [ "\\040" "\\011" "\\012" "\\043" "\\134" ] [ " " "\t" "\n" "#" "\\" ];
  cUnquoted = quoted: lib.replaceStrings [ "\\\\" "\\\"" "\\$" "\\`" ] [ "\\" "\"" "$" "`" ] (lib.removePrefix "\"" (lib.removeSuffix "\"" quoted));
  specifiers = lib.replaceStrings [ "%%" ] [ "%" ];

  # What `linux` of GRUB hands to the kernel: words with blanks in quotes.
  handed = arguments: lib.concatMapStringsSep " " (word: if lib.hasInfix " " word then "\"${word}\"" else word) (grub (text.grubArguments arguments));
in
{
  grubWord = [
    (is (wrong text.grubWord (line: lib.head (grub line))) [ ])
    (is (lib.filter (given: lib.length (grub "menuentry ${text.grubWord given}") != 2) (map (t: "${t}x") texts)) [ ])
    (is (text.grubWord "two\nlines") "two\\ lines")
  ];
  grubArguments = [
    (is (handed "init=/x a=\"b c\" d") "init=/x \"a=b c\" d")
    (is (handed "memmap=64M$0x100 a;b {c}") "memmap=64M$0x100 a;b {c}")
    (is (lib.filter (c: handed "a=${c}b c" != "a=${c}b c") (lib.filter (c: !lib.elem c [ "\"" ]) printable)) [ ])
  ];
  fstab = [
    (is (wrong text.fstab octal) [ ])
    (is (lib.filter (given: builtins.match ".*[ \t\n#].*" (text.fstab given) != null) texts) [ ])
  ];
  unitWord = [ (is (wrong text.unitWord (word: specifiers (cUnquoted word))) [ ]) ];
  unitValue = [ (is (wrong text.unitValue (value: lib.replaceStrings [ "%%" "\\\\" ] [ "%" "\\" ] value)) [ ]) ];
  osRelease = [ (is (wrong text.osRelease cUnquoted) [ ]) ];
  isolinuxLabel = [ (is (lib.filter (given: builtins.match ".*[\n^].*" (text.isolinuxLabel "${given}\n^") != null) texts) [ ]) ];
  # No two paths have one unit, and units' names have only what systemd allows in them.
  escapeSystemdPath =
    let
      escaped = map (t: lib.strings.escapeSystemdPath "/mnt/${t}") (lib.filter (t: !lib.hasInfix "/" t && t != "" && t != ".") texts);
    in
    [
      (is (lib.filter (name: builtins.match "[A-Za-z0-9:_.\\-]+" name == null) escaped) [ ])
      (is (lib.length (lib.unique escaped)) (lib.length escaped))
      (is (lib.strings.escapeSystemdPath "/mnt/büro x") "mnt-b\\xc3\\xbcro\\x20x")
      (is (lib.strings.escapeSystemdPath "/日/🐧") "\\xe6\\x97\\xa5-\\xf0\\x9f\\x90\\xa7")
      (is (lib.strings.escapeSystemdPath "/.config/") "\\x2econfig")
    ];
}
