# Generators of configuration files and command lines.
{
  lib,
  is,
  fails,
}:
let
  inherit (lib)
    cli
    generators
    ;
in
{
  mkKeyValueDefault = [
    (is (generators.mkKeyValueDefault { } ":" "f:oo" "bar") "f\\:oo:bar")
  ];
  mkValueStringDefault = [
    (is (generators.mkValueStringDefault { } 1.5) "1.500000")
  ];
  toDhall = [
    (is (generators.toDhall { } {
      a = 1;
      b = [
        true
        "x"
      ];
      c = -3;
    }) "{ a = +1, b = [ True, \"x\" ], c = -3 }")
  ];
  toINI = [
    (is (generators.toINI { } {
      foo = {
        hi = "\${pkgs.hello}";
        ciao = "bar";
      };
      baz = {
        "also, integers" = 42;
      };
    }) "[baz]\nalso, integers=42\n\n[foo]\nciao=bar\nhi=\${pkgs.hello}\n")
    (is (generators.toINI { listsAsDuplicateKeys = true; } {
      a = {
        x = [
          1
          2
        ];
        y = true;
      };
    }) "[a]\nx=1\nx=2\ny=true\n")
    (is (generators.toINI { mkKeyValue = generators.mkKeyValueDefault { } ": "; } {
      a."b:c" = null;
    }) "[a]\nb:c: null\n")
    (is (generators.toINI { } { "[x]" = { }; }) "[\\[x\\]]\n")
  ];
  toINIWithGlobalSection = [
    (is (generators.toINIWithGlobalSection { } {
      globalSection = {
        a = 1;
      };
      sections = {
        b.c = 2;
      };
    }) "a=1\n\n[b]\nc=2\n")
    (is (generators.toINIWithGlobalSection { } {
      globalSection = { };
      sections = {
        b.c = 2;
      };
    }) "[b]\nc=2\n")
    (is (generators.toINIWithGlobalSection { listsAsDuplicateKeys = true; } {
      globalSection = {
        x = [
          1
          2
        ];
      };
    }) "x=1\nx=2\n\n")
  ];
  toJSON = [
    (is (generators.toJSON { } { a = 1; }) "{\"a\":1}")
  ];
  toKeyValue = [
    (is (generators.toKeyValue { } {
      a = 1;
      b = "x";
      c = true;
      d = null;
    }) "a=1\nb=x\nc=true\nd=null\n")
    (is (generators.toKeyValue
      {
        indent = "  ";
        listsAsDuplicateKeys = true;
      }
      {
        a = [
          1
          2
        ];
      }
    ) "  a=1\n  a=2\n")
    (is (generators.toKeyValue { } { a = 1.5; }) "a=1.500000\n")
  ];
  toLua = [
    (is
      (generators.toLua { } {
        a = [
          1
          2
        ];
        b = null;
        c = "x";
        d = { };
        e = [ ];
        f = generators.mkLuaInline "f()";
      })
      "{\n  [\"a\"] = {\n    1,\n    2\n  },\n  [\"b\"] = nil,\n  [\"c\"] = \"x\",\n  [\"d\"] = {},\n  [\"e\"] = {},\n  [\"f\"] = (f())\n}"
    )
    (is (generators.toLua { multiline = false; } {
      a = [
        1
        2
      ];
    }) "{ [\"a\"] = { 1, 2 } }")
    (is (generators.toLua { asBindings = true; } {
      a = [
        1
        2
      ];
      b.c = 1;
    }) "a = {\n  1,\n  2\n}\nb = {\n  [\"c\"] = 1\n}\n")
    (fails (generators.toLua { asBindings = true; } { "1x" = 1; }))
  ];
  toPlist = [
    (is
      (generators.toPlist { escape = true; } {
        a = 1;
        b = [
          true
          "x<"
        ];
        c = {
          d = 1.5;
          e = null;
        };
      })
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist PUBLIC \"-//Apple Computer//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n<plist version=\"1.0\">\n<dict>\n\t<key>a</key>\n\t<integer>1</integer>\n\t<key>b</key>\n\t<array>\n\t\t<true/>\n\t\t<string>x&lt;</string>\n\t</array>\n\t<key>c</key>\n\t<dict>\n\t\t<key>d</key>\n\t\t<real>1.500000</real>\n\t</dict>\n</dict>\n</plist>"
    )
  ];
  toPretty = [
    (is
      (generators.toPretty { } {
        a = 1;
        b = "x\ny";
        c = [
          1
          [ ]
          { }
        ];
        d = { };
        e = null;
        f = x: x;
        g =
          {
            a,
            b ? 1,
          }:
          a;
        h = 1.5;
        i = true;
        j = "a\${b}\"";
        "k l" = "q";
      })
      "{\n  a = 1;\n  b = ''\n    x\n    y'';\n  c = [\n    1\n    [ ]\n    { }\n  ];\n  d = { };\n  e = null;\n  f = <function>;\n  g = <function, args: {a, b?}>;\n  h = 1.5;\n  i = true;\n  j = \"a\\\${b}\\\"\";\n  \"k l\" = \"q\";\n}"
    )
    (is (generators.toPretty { multiline = false; } {
      a = [
        1
        2
      ];
      b = "x\ny";
    }) "{ a = [ 1 2 ]; b = \"x\\ny\"; }")
    (is (generators.toPretty { indent = "    "; } {
      a = {
        b = "x\n";
      };
    }) "{\n      a = {\n        b = ''\n          x\n        '';\n      };\n    }")
    (is (generators.toPretty { allowPrettyValues = true; } {
      a = {
        __pretty = x: "<${x}>";
        val = "v";
      };
    }) "{\n  a = <v>;\n}")
    (is (generators.toPretty { } {
      type = "derivation";
      name = "n";
    }) "<derivation n>")
  ];
  toYAML = [
    (is (generators.toYAML { } { a = [ 1 ]; }) "{\"a\":[1]}")
  ];
  withRecursion = [
    (is
      (generators.withRecursion {
        depthLimit = 1;
        throwOnDepthLimit = false;
      } { a.b.c = 1; })
      {
        a = {
          b = "<unevaluated>";
        };
      }
    )
    (fails (generators.withRecursion { depthLimit = 1; } { a.b.c = 1; }))
  ];
  toCommandLine = [
    (is
      (cli.toCommandLine
        (o: {
          option = "-${o}";
          sep = null;
          explicitBool = true;
        })
        {
          a = true;
          b = "x";
          c = null;
        }
      )
      [
        "-a"
        "true"
        "-b"
        "x"
      ]
    )
  ];
  toCommandLineGNU = [
    (is
      (cli.toCommandLineGNU { } {
        data = "x";
        X = "PUT";
        retry = 3;
        n = null;
        url = [
          "a"
          "b"
        ];
        silent = false;
        verbose = true;
      })
      [
        "-XPUT"
        "--data=x"
        "--retry=3"
        "--url=a"
        "--url=b"
        "--verbose"
      ]
    )
  ];
  toCommandLineShellGNU = [
    (is (cli.toCommandLineShellGNU { } { a = "x y"; }) "'-ax y'")
  ];
  toGNUCommandLine = [
    (is
      (cli.toGNUCommandLine { } {
        data = "x";
        X = "PUT";
        retry = 3;
        retry-delay = null;
        url = [
          "a"
          "b"
        ];
        silent = false;
        verbose = true;
      })
      [
        "-X"
        "PUT"
        "--data"
        "x"
        "--retry"
        "3"
        "--url"
        "a"
        "--url"
        "b"
        "--verbose"
      ]
    )
    (is
      (cli.toGNUCommandLine { optionValueSeparator = "="; } {
        a = "x";
        bc = "y";
      })
      [
        "-a=x"
        "--bc=y"
      ]
    )
  ];
}
