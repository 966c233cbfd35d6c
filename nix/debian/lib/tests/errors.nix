# The texts of errors.
{ lib, is, ... }:
let
  inherit (lib) mkOption types;
  inherit (lib.modules) messages showUnknownOption unknownOptionsMessage;
  inherit (import ../modules/source.nix { inherit lib; }) isWrittenSet;

  definitions = [
    {
      file = "hosts/a.nix";
      value = 1;
    }
    {
      file = "hosts/b.nix";
      value = {
        x = 2;
        y = 3;
      };
    }
  ];
  shown = "\n- In `hosts/a.nix': 1\n- In `hosts/b.nix':\n    {\n      x = 2;\n      y = 3;\n    }";
  priorities = "\nUse `lib.mkForce value` or `lib.mkDefault value` to change the priority on any of these definitions.\n";

  known.options = {
    services.openssh.enable = mkOption {
      type = types.bool;
      default = false;
    };
    networking.hostName = mkOption { default = ""; };
    users = mkOption {
      type = types.attrsOf (types.submodule { options.shell = mkOption { default = ""; }; });
      default = { };
    };
    units = mkOption {
      type = types.listOf (types.nullOr (types.submodule { }));
      default = [ ];
    };
  };
  hinting = lib.extend (
    _final: prev: {
      modules = prev.modules // {
        unknownOptionsHint = "H";
      };
    }
  );
  unknownOf = modules: (lib.evalModules { modules = [ known ] ++ modules; }).unknownOptions;
  file = toString ./fixtures/unknown.nix;
  found = map (entry: [
    entry.option
    entry.line
    entry.suggestion
  ]) (unknownOf [ ./fixtures/unknown.nix ]);
in
{
  definitions = [
    (is (messages.conflicting [
      "a"
      "b"
    ] definitions) "The option `a.b' has conflicting definition values:${shown}${priorities}")
    (is (messages.wrongType [ "a" ] types.str
      definitions
    ) "A definition for option `a' is not of type `string'. Definition values:${shown}")
    (is (messages.undefined [
      "a"
    ]) "The option `a' was accessed but has no value defined. Try setting the option.")
    (is (messages.readOnly [ "a" ]
      definitions
    ) "The option `a' is read-only, but it's set multiple times. Definition values:${shown}")
    (is (messages.duplicate [ "a" ] "Why." definitions)
      "The option `a' is defined multiple times while it's expected to be unique.\nWhy.\nDefinition values:${shown}${priorities}"
    )
    (is (lib.options.showDefs [
      {
        file = "f";
        value = throw "no value";
      }
    ]) "\n- In `f'")
  ];
  declarations = [
    (is (messages.declaredTwice [ "a" ] "x.nix" [
      "y.nix"
      "z.nix"
    ]) "The option `a' in `x.nix' is already declared in `y.nix' and `z.nix'.")
    (is (messages.missingArgument "x.nix" "foo") "Module `x.nix' asks for the argument `foo', which is neither a special argument nor in `_module.args'.")
  ];

  # All of them, by file and line; what is not written out as a set is not looked into.
  unknown = [
    (is found [
      [
        "services.opensh.enable"
        4
        "services.openssh.enable"
      ]
      [
        "services.opensh.port"
        5
        null
      ]
      [
        "services.web.enable"
        7
        null
      ]
      [
        "services.web.root"
        8
        null
      ]
      [
        "networking.hostNam"
        11
        "networking.hostName"
      ]
      [
        "virtualisation.docker.enable"
        14
        null
      ]
      [
        "computed"
        16
        null
      ]
    ])
    (is (lib.unique (map (entry: entry.file) (unknownOf [ ./fixtures/unknown.nix ]))) [ file ])
    (is (unknownOf [ { services.openssh.enable = true; } ]) [ ])
    (is
      (map (entry: entry.option) (unknownOf [
        {
          users.al.shel = "";
          users.bo.x.y = 1;
          units = [
            null
            { z = 1; }
          ];
        }
      ]))
      [
        "units.\"[definition 1-entry 2]\".z"
        "users.al.shel"
        "users.bo.x.y"
      ]
    )
    (is (lib.filter (entry: entry.line != null) (unknownOf [
      (lib.genAttrs [ "made" "up" ] (_: 1))
    ])) [ ])
  ];
  hint = [
    (is
      (lib.evalModules {
        modules = [
          known
          { _module.unknownOptionsHint = "H"; }
        ];
      })._module.unknownOptionsHint
      "H"
    )
    (is (hinting.evalModules { modules = [ ]; })._module.unknownOptionsHint "H")
  ];
  text = [
    (is (showUnknownOption {
      option = "a.b";
      file = "hosts/x.nix";
      line = 12;
      suggestion = null;
    }) "  - a.b (hosts/x.nix:12)")
    (is (showUnknownOption {
      option = "a.b";
      file = "hosts/x.nix";
      line = null;
      suggestion = null;
    }) "  - a.b (hosts/x.nix)")
    (is
      (unknownOptionsMessage {
        unknown = [
          {
            option = "a.b";
            file = "x.nix";
            line = 12;
            suggestion = "a.c";
          }
          {
            option = "d";
            file = "x.nix";
            line = 13;
            suggestion = null;
          }
        ];
        hint = "Hint.";
      })
      "2 options that are set do not exist:\n  - a.b (x.nix:12)\n    did you mean `a.c'?\n  - d (x.nix:13)\nHint."
    )
  ];
  source = [
    (is (isWrittenSet "a.b.c = 1;" [
      "x"
      "a"
      "b"
    ]) true)
    (is (isWrittenSet "a.b.c = 1;" [
      "x"
      "a"
      "b"
      "c"
    ]) false)
    (is (isWrittenSet "a = { b = 1; };" [
      "x"
      "a"
    ]) true)
    (is (isWrittenSet "a =\n  {\n" [ "a" ]) true)
    (is (isWrittenSet "\"a b\".c = 1;" [ "a b" ]) true)
    (is (isWrittenSet "a = lib.mkIf (x == 1) {" [ "a" ]) true)
    (is (isWrittenSet "a = config.x { };" [ "a" ]) false)
    (is (isWrittenSet "a;" [ "a" ]) false)
  ];
  nearest = [
    (is (lib.strings.nearest "opensh" [
      "nginx"
      "openssh"
      "openvpn"
    ]) "openssh")
    (is (lib.strings.nearest "docker" [
      "nginx"
      "openssh"
    ]) null)
  ];
}
