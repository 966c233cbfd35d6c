# What a host may be called, and what follows from its name. The name is the host file's stem, or the name in `nixosConfigurations`.
# crates/identity/src/name.rs has the same rule for names that do not come from Nix.
let
  inherit (builtins)
    elem
    filter
    hashString
    head
    isString
    match
    replaceStrings
    split
    stringLength
    substring
    ;

  upper = [ "A" "B" "C" "D" "E" "F" "G" "H" "I" "J" "K" "L" "M" "N" "O" "P" "Q" "R" "S" "T" "U" "V" "W" "X" "Y" "Z" ];
  lower = [ "a" "b" "c" "d" "e" "f" "g" "h" "i" "j" "k" "l" "m" "n" "o" "p" "q" "r" "s" "t" "u" "v" "w" "x" "y" "z" ];
  # Letters that have a common spelling in ASCII.
  spelled = replaceStrings
    [ "ä" "ö" "ü" "Ä" "Ö" "Ü" "ß" "æ" "ø" "å" "é" "è" "ê" "á" "à" "â" "ó" "ô" "ú" "í" "ñ" "ç" ]
    [ "ae" "oe" "ue" "Ae" "Oe" "Ue" "ss" "ae" "oe" "aa" "e" "e" "e" "a" "a" "a" "o" "o" "u" "i" "n" "c" ];

  hasInfix = infix: text: replaceStrings [ infix ] [ "" ] text != text;
in
rec {
  # As DNS compares names.
  fold = replaceStrings upper lower;

  # Editors' locks and backups, and other hidden files.
  isHidden = name: substring 0 1 name == ".";

  # A host's name becomes part of file names (NAME.iso, pins, known_hosts), of ssh's configuration and of the volume ID.
  isName = name: match "[A-Za-z0-9][A-Za-z0-9._-]{0,62}" name != null;

  # One label of DNS (RFC 1123, section 2.1), so that the machine is LABEL.local. Of `localhost`, systemd-resolved makes no name on the link.
  labelPattern = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
  isLabel = name: match labelPattern name != null && fold name != "localhost";

  # At most 32 characters of those that udev leaves unescaped in /dev/disk/by-label. A name that is cut has a digest, so that no two names have one ID.
  volumeId =
    name:
    if stringLength name <= 28 then
      "flk-${name}"
    else
      "flk-${substring 0 21 name}-${substring 0 6 (hashString "sha256" name)}";

  # A valid name like this one, other than those in `taken`.
  suggestion =
    taken: name:
    let
      words = filter (word: isString word && word != "") (split "[^A-Za-z0-9]+" (spelled name));
      joined = builtins.concatStringsSep "-" words;
      cut = text: length: head (match "(.*[^-])?-*" (substring 0 length text));
      base = if joined == "" || fold joined == "localhost" then "host" else cut joined 60;
      numbered = number: if number == 1 then base else "${base}-${toString number}";
      first = number: if elem (fold (numbered number)) (map fold taken) then first (number + 1) else numbered number;
    in
    first 1;

  # Why a name is none, for a sentence that begins with what has the name.
  reason =
    name:
    if fold name == "localhost" then
      "`${name}' is not a valid host name: every machine has it"
    else if isName name && hasInfix "_" name then
      "`${name}' is not a valid host name: systemd drops the underscore, so ${name}.local would not exist"
    else if stringLength name > 63 then
      "`${name}' is not a valid host name: it has ${toString (stringLength name)} bytes, at most 63 are valid"
    else
      "`${name}' is not a valid host name: one has letters (A to Z), digits and hyphens";

  # Checks the host files of a folder: `names` are all of its hosts, `file` is relative to the repository. Gives what is wrong with a host's name, or null.
  fault =
    { names, name, file }:
    let
      others = filter (other: other != name) names;
      twins = filter (other: fold other == fold name) others;
    in
    if !isName name then
      "${file}: ${reason name}; rename it to ${renamed file (suggestion others name)}"
    else if twins != [ ] then
      "${file}: `${name}' and `${head twins}' are one name to DNS, which ignores case; rename one of the two"
    else
      null;

  # The default of a host's `networking.hostName`.
  hostName =
    { names, name, file }:
    if isLabel name then
      name
    else
      let
        parts = match "([^.]+)[.](.+)" name;
        others = filter (other: other != name) names;
        first = suggestion others (if parts == null then name else head parts);
        domain =
          if parts == null then "" else " (with networking.domain = \"${builtins.elemAt parts 1}\", if that is its domain)";
      in
      throw "${file}: ${reason name}; rename it to ${renamed file first}${domain}, or set networking.hostName in it";

  # `hosts/a b.nix`, `a-b` → `hosts/a-b.nix`; a folder's name has no suffix.
  renamed =
    file: stem:
    let
      folder = dirOf file;
      suffix = if match ".*[.]nix" file == null then "" else ".nix";
    in
    (if folder == "." then "" else "${folder}/") + stem + suffix;
}
