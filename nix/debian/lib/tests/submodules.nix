# Options whose values are configurations or modules.
{
  lib,
  is,
  fails,
}:
let
  inherit (lib)
    mkForce
    mkIf
    mkOption
    types
    ;

  merged =
    type: values:
    (lib.evalModules {
      modules = [
        { options.x = mkOption { inherit type; }; }
      ]
      ++ map (value: { config.x = value; }) values;
    }).config.x;
  config = modules: (lib.evalModules { inherit modules; }).config;

  int.options.a = mkOption { type = types.int; };
  text.options.b = mkOption { type = types.str; };
  user = types.submodule (
    { name, config, ... }:
    {
      options = {
        name = mkOption {
          type = types.str;
          default = name;
        };
        home = mkOption { default = "/home/${config.name}"; };
        groups = mkOption {
          type = types.listOf types.str;
          default = [ ];
        };
      };
    }
  );
  open = types.submodule {
    freeformType = types.attrsOf types.int;
    options.a = mkOption { type = types.str; };
  };
in
{
  values = [
    (is (merged (types.attrsOf user) [ { al = { }; } ]) {
      al = {
        name = "al";
        home = "/home/al";
        groups = [ ];
      };
    })
    (is
      (merged (types.attrsOf user) [
        { al.groups = [ "1" ]; }
        { al.groups = [ "2" ]; }
      ]).al.groups
      [
        "1"
        "2"
      ]
    )
    (is
      (merged (types.attrsOf user) [
        { al.groups = [ "1" ]; }
        { al.groups = mkForce [ "2" ]; }
      ]).al.groups
      [ "2" ]
    )
    (is (merged (types.attrsOf user) [ { al = mkIf false { }; } ]) { })
    (is (merged (types.attrsOf user) [ { al = { name, ... }: { groups = [ name ]; }; } ]).al.groups [
      "al"
    ])
    (is
      (map (u: u.name) (
        merged (types.listOf user) [
          [
            { name = "q"; }
            { }
          ]
        ]
      ))
      [
        "q"
        "[definition 1-entry 2]"
      ]
    )
    (is (merged (types.nullOr user) [ null ]) null)
    (is (merged (types.submodule int) [ ./fixtures/a.nix ]) { a = 3; })
    (fails (merged (types.attrsOf user) [ { al.groups = "1"; } ]))
    (fails (merged (types.submodule int) [ { } ]).a)
  ];
  freeform = [
    (is
      (merged open [
        {
          a = "x";
          b = 1;
        }
      ])
      {
        a = "x";
        b = 1;
      }
    )
    (fails (
      merged open [
        {
          a = "x";
          b = "y";
        }
      ]
    ))
    (is open.description "open submodule of attribute set of signed integer")
  ];
  shorthand = [
    (is (merged (types.submodule { options.config = mkOption { }; }) [ { config = 1; } ]) {
      config = 1;
    })
    (is (merged (types.submoduleWith { modules = [ int ]; }) [ { config.a = 2; } ]) { a = 2; })
  ];
  specialArgs = [
    (is (merged (types.submoduleWith {
      modules = [ ({ q, ... }: { options.a = mkOption { default = q; }; }) ];
      specialArgs.q = 5;
    }) [ { } ]) { a = 5; })
  ];
  declarations = [
    (is
      (config [
        { options.x = mkOption { type = types.attrsOf (types.submodule int); }; }
        { options.x = mkOption { type = types.attrsOf (types.submodule text); }; }
        {
          x.q = {
            a = 1;
            b = "b";
          };
        }
      ])
      {
        x.q = {
          a = 1;
          b = "b";
        };
      }
    )
    (is
      (config [
        { options.x = mkOption { type = types.submodule int; }; }
        { options.x = text.options; }
        {
          x = {
            a = 1;
            b = "b";
          };
        }
      ])
      {
        x = {
          a = 1;
          b = "b";
        };
      }
    )
  ];
  documentation = [
    (is
      (builtins.attrNames (
        removeAttrs (
          (types.submodule [
            int
            text
          ]).getSubOptions
          [ ]
        ) [ "_module" ]
      ))
      [
        "a"
        "b"
      ]
    )
    (is ((types.attrsOf (types.submodule int)).getSubOptions [ "p" ]).a.loc [
      "p"
      "<name>"
      "a"
    ])
  ];
  deferred = [
    (is (config [
      (merged types.deferredModule [
        { a = 1; }
        int
      ])
    ]) { a = 1; })
    (is (config [ (merged (types.deferredModuleWith { staticModules = [ int ]; }) [ { a = 1; } ]) ]) {
      a = 1;
    })
  ];
  optionType = [
    (is
      (config [
        { options.x = mkOption { type = types.optionType; }; }
        { x = types.enum [ 1 ]; }
        { x = types.enum [ 2 ]; }
      ]).x.description
      "one of 2, 1"
    )
  ];
}
