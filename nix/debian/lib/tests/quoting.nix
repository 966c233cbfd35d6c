# Quoting of text.
{
  lib,
  is,
  fails,
}:
let
  inherit (lib)
    concatStrings
    escape
    escapeRegex
    escapeShellArg
    escapeShellArgs
    escapeURL
    escapeXML
    genList
    isValidPosixName
    strings
    toShellVar
    toShellVars
    ;
in
{
  charToInt = [
    (is (strings.charToInt "A") 65)
  ];
  escape = [
    (is (escape [ "(" ")" ] "(foo)") "\\(foo\\)")
  ];
  escapeC = [
    (is (strings.escapeC [ " " ] "foo bar") "foo\\x20bar")
  ];
  escapeNixIdentifier = [
    (is (strings.escapeNixIdentifier "hello") "hello")
    (is (strings.escapeNixIdentifier "0abc") "\"0abc\"")
    (is (strings.escapeNixIdentifier "if") "\"if\"")
    (is (strings.escapeNixIdentifier "a.b") "\"a.b\"")
  ];
  escapeNixString = [
    (is (strings.escapeNixString "hello\${}\n") "\"hello\\\${}\\n\"")
  ];
  escapeRegex = [
    (is (escapeRegex "[^a-z]*") "\\[\\^a-z]\\*")
  ];
  escapeShellArg = [
    (is (escapeShellArg "esc'ape\nme") "'esc'\\''ape\nme'")
    (is (escapeShellArg "plain") "plain")
    (is (escapeShellArg "") "''")
    (is (escapeShellArg 3) "3")
    (is (escapeShellArg true) "1")
  ];
  escapeShellArgs = [
    (is (escapeShellArgs [
      "one"
      "two three"
      "four'five"
    ]) "one 'two three' 'four'\\''five'")
  ];
  escapeURL = [
    (is (escapeURL "foo/bar baz") "foo%2Fbar%20baz")
    (is (escapeURL "a~b_c-d.e?") "a~b_c-d.e%3F")
  ];
  escapeXML = [
    (is (escapeXML ''"test" 'test' < & >'') "&quot;test&quot; &apos;test&apos; &lt; &amp; &gt;")
  ];
  isValidPosixName = [
    (is (isValidPosixName "foo_bar000") true)
    (is (isValidPosixName "0-bad.jpg") false)
  ];
  sanitizeDerivationName = [
    (is (strings.sanitizeDerivationName "") "unknown")
    (is (strings.sanitizeDerivationName (concatStrings (genList (_: "ab/") 100)))
      "ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-"
    )
    (is (strings.sanitizeDerivationName ".x") "x")
  ];
  toShellVar = [
    (is (toShellVar "foo" "some string") "foo='some string'")
    (is (toShellVar "a" [
      "x"
      "y z"
    ]) "declare -a a=(x 'y z')")
    (is (toShellVar "b" { k = "v v"; }) "declare -A b=([k]='v v')")
    (fails (toShellVar "0bad" "x"))
  ];
  toShellVars = [
    (is (toShellVars {
      a = 1;
      b = "x y";
    }) "a=1\nb='x y'")
  ];
}
