# Strings.
{
  lib,
  is,
  fails,
}:
let
  inherit (lib)
    addContextFrom
    cmakeBool
    cmakeFeature
    cmakeOptionType
    concatImapStrings
    concatImapStringsSep
    concatLines
    concatMapAttrsStringSep
    concatMapStrings
    concatMapStringsSep
    concatStrings
    concatStringsSep
    elem
    enableFeature
    enableFeatureAs
    fixedWidthNumber
    fixedWidthString
    getName
    getVersion
    hasInfix
    hasPrefix
    hasSuffix
    intersperse
    isStorePath
    isStringLike
    makeBinPath
    makeIncludePath
    makeLibraryPath
    makeSearchPath
    makeSearchPathOutput
    match
    mesonBool
    mesonEnable
    mesonOption
    nameFromURL
    optionalString
    removePrefix
    removeSuffix
    replicate
    splitString
    splitStringBy
    stringAsChars
    stringToCharacters
    strings
    toCamelCase
    toInt
    toIntBase10
    toLower
    toSentenceCase
    toUpper
    trim
    trimWith
    versionAtLeast
    versionOlder
    withFeature
    withFeatureAs
    ;
in
{
  addContextFrom = [
    (is (addContextFrom "x" "y") "y")
  ];
  cmakeBool = [
    (is (cmakeBool "A" true) "-DA:BOOL=TRUE")
  ];
  cmakeFeature = [
    (is (cmakeFeature "MODULES" "badblock") "-DMODULES:STRING=badblock")
  ];
  cmakeOptionType = [
    (is (cmakeOptionType "string" "ENGINE" "sdl2") "-DENGINE:STRING=sdl2")
  ];
  commonPrefixLength = [
    (is (strings.commonPrefixLength "abc" "abd") 2)
  ];
  commonSuffixLength = [
    (is (strings.commonSuffixLength "abc" "xbc") 2)
  ];
  concatImapStrings = [
    (is (concatImapStrings (p: x: "${toString p}-${x}") [
      "f"
      "b"
    ]) "1-f2-b")
  ];
  concatImapStringsSep = [
    (is (concatImapStringsSep "-" (p: x: toString (x / p)) [
      6
      6
      6
    ]) "6-3-2")
  ];
  concatLines = [
    (is (concatLines [
      "a"
      "b"
    ]) "a\nb\n")
    (is (concatLines [ ]) "")
  ];
  concatMapAttrsStringSep = [
    (is (concatMapAttrsStringSep "\n" (n: v: "${n}=${v}") {
      a = "1";
      b = "2";
    }) "a=1\nb=2")
  ];
  concatMapStrings = [
    (is (concatMapStrings (x: "a" + x) [
      "f"
      "b"
    ]) "afab")
  ];
  concatMapStringsSep = [
    (is (concatMapStringsSep "-" toUpper [
      "a"
      "b"
    ]) "A-B")
  ];
  concatStrings = [
    (is (concatStrings [
      "a"
      "b"
    ]) "ab")
  ];
  concatStringsSep = [
    (is (concatStringsSep "/" [
      "a"
      "b"
    ]) "a/b")
  ];
  enableFeature = [
    (is (enableFeature true "shared") "--enable-shared")
  ];
  enableFeatureAs = [
    (is (enableFeatureAs true "shared" "foo") "--enable-shared=foo")
    (is (enableFeatureAs false "shared" (throw "x")) "--disable-shared")
  ];
  fixedWidthNumber = [
    (is (fixedWidthNumber 5 15) "00015")
  ];
  fixedWidthString = [
    (is (fixedWidthString 5 "0" "15") "00015")
    (fails (fixedWidthString 1 "0" "15"))
  ];
  floatToString = [
    (is (strings.floatToString 1.5) "1.500000")
  ];
  getName = [
    (is (getName "youtube-dl-2016.01.01") "youtube-dl")
    (is (getName { name = "a-1"; }) "a")
    (is (getName {
      pname = "b";
      name = "x";
    }) "b")
  ];
  getVersion = [
    (is (getVersion "youtube-dl-2016.01.01") "2016.01.01")
    (is (getVersion { version = "3"; }) "3")
  ];
  hasInfix = [
    (is (hasInfix "bc" "abcd") true)
    (is (hasInfix "." "abcd") false)
    (is (hasInfix "foo" "abcd") false)
  ];
  hasPrefix = [
    (is (hasPrefix "foo" "foobar") true)
    (is (hasPrefix "foo" "bar") false)
    (is (hasPrefix "" "x") true)
  ];
  hasSuffix = [
    (is (hasSuffix "foo" "barfoo") true)
    (is (hasSuffix "foo" "o") false)
    (is (hasSuffix "" "x") true)
  ];
  intersperse = [
    (is
      (intersperse "/" [
        "a"
        "b"
      ])
      [
        "a"
        "/"
        "b"
      ]
    )
    (is (intersperse "/" [ ]) [ ])
    (is (intersperse "/" [ "a" ]) [ "a" ])
  ];
  isConvertibleWithToString = [
    (is (strings.isConvertibleWithToString [
      1
      "a"
      null
    ]) true)
    (is (strings.isConvertibleWithToString { }) false)
  ];
  isStorePath = [
    (is (isStorePath "/nix/store/d945ibfx9x185xf04b890y4f9g3cbb63-python-2.7.11/bin/python") false)
    (is (isStorePath "/nix/store/d945ibfx9x185xf04b890y4f9g3cbb63-python-2.7.11") true)
    (is (isStorePath 42) false)
    (is (isStorePath [ ]) false)
  ];
  isStringLike = [
    (is (isStringLike { outPath = "x"; }) true)
  ];
  levenshtein = [
    (is (strings.levenshtein "foo" "book") 2)
    (is (strings.levenshtein "" "abc") 3)
    (is (strings.levenshtein "kitten" "sitting") 3)
  ];
  levenshteinAtMost = [
    (is (strings.levenshteinAtMost 1 "foo" "boo") true)
    (is (strings.levenshteinAtMost 1 "foo" "book") false)
    (is (strings.levenshteinAtMost 3 "kitten" "sitting") true)
  ];
  makeBinPath = [
    (is (makeBinPath [
      "/a"
      "/b"
    ]) "/a/bin:/b/bin")
  ];
  makeIncludePath = [
    (is (makeIncludePath [ "/x" ]) "/x/include")
  ];
  makeLibraryPath = [
    (is (makeLibraryPath [
      "/usr"
      "/usr/local"
    ]) "/usr/lib:/usr/local/lib")
  ];
  makeSearchPath = [
    (is (makeSearchPath "bin" [
      "/root"
      "/usr"
      null
    ]) "/root/bin:/usr/bin")
  ];
  makeSearchPathOutput = [
    (is (makeSearchPathOutput "dev" "bin" [
      "/a"
      {
        dev = "/d";
        out = "/o";
        outPath = "/o";
      }
    ]) "/a/bin:/d/bin")
  ];
  mesonBool = [
    (is (mesonBool "hardened" true) "-Dhardened=true")
  ];
  mesonEnable = [
    (is (mesonEnable "docs" false) "-Ddocs=disabled")
  ];
  mesonOption = [
    (is (mesonOption "engine" "opengl") "-Dengine=opengl")
  ];
  nameFromURL = [
    (is (nameFromURL "https://nixos.org/releases/nix/nix-1.7/nix-1.7-x86_64-linux.tar.bz2" "-") "nix")
  ];
  normalizePath = [
    (is (strings.normalizePath "/a//b///c/") "/a/b/c/")
  ];
  optionalString = [
    (is (optionalString true "a") "a")
    (is (optionalString false "a") "")
  ];
  removePrefix = [
    (is (removePrefix "foo." "foo.bar.baz") "bar.baz")
    (is (removePrefix "xxx" "foo") "foo")
  ];
  removeSuffix = [
    (is (removeSuffix "front" "homefront") "home")
    (is (removeSuffix "xxx" "homefront") "homefront")
    (is (removeSuffix "" "a") "a")
  ];
  replicate = [
    (is (replicate 3 "a") [
      "a"
      "a"
      "a"
    ])
    (is (strings.replicate 3 "v") "vvv")
  ];
  splitString = [
    (is (splitString "." "foo.bar.baz") [
      "foo"
      "bar"
      "baz"
    ])
    (is (splitString "/" "/usr/local/bin") [
      ""
      "usr"
      "local"
      "bin"
    ])
    (is (splitString "x" "") [ "" ])
  ];
  splitStringBy = [
    (is
      (splitStringBy (
        p: c:
        elem c [
          "."
          "-"
        ]
      ) false "foo.bar-baz")
      [
        "foo"
        "bar"
        "baz"
      ]
    )
    (is (splitStringBy (p: c: match "[a-z]" p != null && match "[A-Z]" c != null) true "fooBarBaz") [
      "foo"
      "Bar"
      "Baz"
    ])
    (is (splitStringBy (p: c: true) false "") [ "" ])
  ];
  stringAsChars = [
    (is (stringAsChars (x: if x == "a" then "i" else x) "nax") "nix")
  ];
  stringToCharacters = [
    (is (stringToCharacters "abc") [
      "a"
      "b"
      "c"
    ])
  ];
  toCamelCase = [
    (is (toCamelCase "hello-world") "helloWorld")
    (is (toCamelCase "helloWorld_foo Bar") "helloWorldFooBar")
    (is (toCamelCase "") "")
    (is (toCamelCase "--a") "A")
  ];
  toInt = [
    (is (toInt "1337") 1337)
    (is (toInt "-4") (-4))
    (is (toInt " 123 ") 123)
    (fails (toInt "00024"))
    (is (toInt "0") 0)
    (fails (toInt "3.14"))
    (fails (toInt "foo"))
  ];
  toIntBase10 = [
    (is (toIntBase10 "-4") (-4))
    (is (toIntBase10 " 123 ") 123)
    (is (toIntBase10 "00024") 24)
    (is (toIntBase10 "000") 0)
    (fails (toIntBase10 "3.14"))
  ];
  toLower = [
    (is (toLower "HOME") "home")
  ];
  toSentenceCase = [
    (is (toSentenceCase "hELLO") "Hello")
    (is (toSentenceCase "") "")
  ];
  toUpper = [
    (is (toUpper "home") "HOME")
  ];
  trim = [
    (is (trim "  a b \n") "a b")
    (is (trim "   ") "")
    (is (trim "") "")
  ];
  trimWith = [
    (is (trimWith { start = true; } " a ") "a ")
    (is (trimWith { end = true; } " a ") " a")
    (is (trimWith { } " a ") " a ")
    (is (trimWith { end = true; } "  ") "")
  ];
  versionAtLeast = [
    (is (versionAtLeast "1.1" "1.0") true)
    (is (versionAtLeast "1.1" "1.2") false)
  ];
  versionOlder = [
    (is (versionOlder "1.1" "1.2") true)
    (is (versionOlder "1.1" "1.1") false)
  ];
  withFeature = [
    (is (withFeature false "s") "--without-s")
  ];
  withFeatureAs = [
    (is (withFeatureAs true "with" "y") "--with-with=y")
  ];
}
