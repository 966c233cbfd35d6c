# Modules: their forms, imports, arguments, and evaluations made of others.
{
  lib,
  is,
  fails,
}:
let
  inherit (lib)
    evalModules
    mkDefault
    mkForce
    mkIf
    mkMerge
    mkOption
    types
    ;

  config = modules: (evalModules { inherit modules; }).config;
  configWith = arguments: (evalModules arguments).config;
  option = type: { options.x = mkOption { inherit type; }; };
  int = option types.int;
  list = ./fixtures/list.nix;
  inFile = file: module: {
    _file = file;
    imports = [ module ];
  };
in
{
  forms = [
    (is (config [
      int
      { x = 1; }
    ]) { x = 1; })
    (is (config [
      int
      { config.x = 1; }
    ]) { x = 1; })
    (is (config [
      {
        options.x = mkOption { };
        config.x = 1;
      }
    ]) { x = 1; })
    (is (config [
      int
      ({ ... }: { x = 1; })
    ]) { x = 1; })
    (is (config [
      int
      (mkIf true { x = 1; })
    ]) { x = 1; })
    (is (config [
      {
        options.meta = mkOption { };
        config = { };
        meta = 1;
      }
    ]) { meta = 1; })
    (fails (config [
      {
        options.x = mkOption { };
        x = 1;
      }
    ]))
    (fails (config [ [ int ] ]))
    (fails (config [ 5 ]))
    (fails (config [ { _type = "flake"; } ]))
  ];
  imports = [
    (is
      (config [
        list
        {
          list = [ "1" ];
          imports = [ { list = [ "2" ]; } ];
        }
        { list = [ "3" ]; }
      ])
      {
        list = [
          "2"
          "3"
          "1"
        ];
      }
    )
    (is
      (config [
        ./fixtures/one.nix
        list
        ./fixtures/two.nix
      ])
      {
        list = [
          "two"
          "one"
        ];
      }
    )
    (is (config [
      list
      {
        key = "k";
        list = [ "1" ];
      }
      {
        key = "k";
        list = [ "2" ];
      }
    ]) { list = [ "1" ]; })
    (is (configWith {
      modules = [
        int
        ({ known, ... }: { imports = known; })
      ];
      specialArgs.known = [ { x = 4; } ];
    }) { x = 4; })
  ];
  disabledModules = [
    (is (config [
      ./fixtures/one.nix
      { disabledModules = [ ./fixtures/two.nix ]; }
    ]) { list = [ "one" ]; })
    (is (config [
      list
      {
        key = "k";
        list = [ "1" ];
      }
      { disabledModules = [ { key = "k"; } ]; }
    ]) { list = [ ]; })
    (is (configWith {
      modules = [
        ./fixtures/one.nix
        { disabledModules = [ "two.nix" ]; }
      ];
      specialArgs.modulesPath = ./fixtures;
    }) { list = [ "one" ]; })
    (fails (config [
      list
      { disabledModules = [ { } ]; }
    ]))
  ];
  arguments = [
    (is (config [
      int
      ({ foo, ... }: { x = foo; })
      { _module.args.foo = 3; }
    ]) { x = 3; })
    (is (configWith {
      modules = [
        int
        ({ foo, ... }: { x = foo; })
      ];
      specialArgs.foo = 4;
    }) { x = 4; })
    (is
      (config [
        int
        ({ config, ... }: {
          config._module.args.two = 2 * config.y;
          options.y = mkOption { default = 1; };
        })
        ({ two, ... }: { x = two; })
      ]).x
      2
    )
    (is (config [
      int
      ({ options, ... }: { x = if options ? x then 1 else 0; })
    ]) { x = 1; })
    (fails (config [
      int
      ({ foo, ... }: { x = foo; })
    ]))
  ];
  nested = [
    (is
      (config [
        { options.a.b.c = mkOption { }; }
        { a.b.c = mkDefault 1; }
        { a = mkForce { b.c = 5; }; }
        { a.b = mkIf true { c = 2; }; }
      ])
      {
        a.b.c = 5;
      }
    )
    (is (config [
      { options.a.b = mkOption { }; }
      {
        a = mkMerge [
          { b = mkIf true 4; }
          (mkIf false { b = 3; })
        ];
      }
    ]) { a.b = 4; })
    (fails (config [
      { options.a.b = mkOption { }; }
      { a = 5; }
    ]))
    (fails (config [ { options.a = 5; } ]))
    (fails (config [ { options.a = types.int; } ]))
    (fails (config [
      int
      { options.x.y = mkOption { }; }
      { x.y = 1; }
    ]))
  ];
  declarations = [
    (is (config [
      (option (types.enum [ "a" ]))
      (option (types.enum [ "b" ]))
      { x = "b"; }
    ]) { x = "b"; })
    (is (config [
      { options.x = mkOption { description = "d"; }; }
      { options.x = mkOption { default = 1; }; }
    ]) { x = 1; })
    (is (config [
      {
        options.x = mkOption {
          default = 1;
          apply = x: x + 1;
        };
      }
    ]) { x = 2; })
    (is (config [
      {
        options.x = mkOption {
          default = 1;
          readOnly = true;
        };
      }
    ]) { x = 1; })
    (fails (config [
      int
      (option types.str)
      { x = 1; }
    ]))
    (fails (config [
      { options.x = mkOption { default = 1; }; }
      { options.x = mkOption { default = 1; }; }
    ]))
    (fails (config [
      {
        options.x = mkOption {
          default = 1;
          readOnly = true;
        };
      }
      { x = 1; }
    ]))
    (fails (config [
      {
        options.x = mkOption {
          readOnly = true;
          type = types.int;
        };
      }
      { x = 1; }
      { x = 1; }
    ]))
  ];
  options = [
    (is
      (
        let
          inherit
            ((evalModules {
              modules = [
                (inFile "declares" int)
                (inFile "first" { x = 2; })
                (inFile "second" { x = mkForce 4; })
              ];
            }).options
            )
            x
            ;
        in
        {
          inherit (x)
            value
            isDefined
            definitions
            files
            declarations
            highestPrio
            loc
            ;
          # Positions are for messages.
          definitionsWithLocations = map (
            definition: removeAttrs definition [ "position" ]
          ) x.definitionsWithLocations;
          text = "${x}";
        }
      )
      {
        value = 4;
        isDefined = true;
        definitions = [ 4 ];
        definitionsWithLocations = [
          {
            file = "second";
            value = 4;
          }
        ];
        files = [ "second" ];
        declarations = [ "declares" ];
        highestPrio = 50;
        loc = [ "x" ];
        text = "x";
      }
    )
    (is (evalModules { modules = [ int ]; }).options.x.isDefined false)
    (is
      (evalModules { modules = [ { options.x = mkOption { default = 1; }; } ]; }).options.x.highestPrio
      1500
    )
  ];
  freeform = [
    (is
      (config [
        { freeformType = types.attrsOf types.int; }
        { a = 1; }
        { b = 2; }
      ])
      {
        a = 1;
        b = 2;
      }
    )
    (is
      (config [
        {
          freeformType = types.attrsOf types.anything;
          options.z.y = mkOption { };
        }
        {
          a = 1;
          z = {
            y = 4;
            w = 3;
          };
        }
      ])
      {
        a = 1;
        z = {
          w = 3;
          y = 4;
        };
      }
    )
    (fails (config [
      { freeformType = types.attrsOf types.int; }
      { a = "x"; }
    ]))
  ];
  check = [
    (fails (config [
      int
      {
        x = 1;
        y = 2;
      }
    ]))
    (fails (config [
      int
      {
        x = 1;
        y = mkIf false 2;
      }
    ]))
    (is (config [
      int
      {
        _module.check = false;
        x = 1;
        y = 2;
      }
    ]) { x = 1; })
    (is (configWith {
      modules = [
        int
        {
          x = 1;
          y = 2;
        }
      ];
      check = false;
    }) { x = 1; })
  ];
  class = [
    (is
      (evalModules {
        class = "nixos";
        modules = [ { _class = "nixos"; } ];
      }).class
      "nixos"
    )
    (fails (configWith {
      class = "nixos";
      modules = [ { _class = "darwin"; } ];
    }))
  ];
  extendModules = [
    (is
      (
        (evalModules {
          modules = [
            int
            { x = mkDefault 1; }
          ];
        }).extendModules
        { modules = [ { x = 2; } ]; }
      ).config
      { x = 2; }
    )
    (is
      (
        (evalModules {
          modules = [ ({ q, ... }: { options.x = mkOption { default = q; }; }) ];
          specialArgs.q = 1;
        }).extendModules
        {
          specialArgs.q = 2;
        }
      ).config
      { x = 2; }
    )
    (is ((evalModules { modules = [ int ]; }).extendModules { prefix = [ "p" ]; }).options.x.loc [
      "p"
      "x"
    ])
    (is
      (config [
        { options.y = mkOption { default = 0; }; }
        ({ extendModules, ... }: {
          options.x = mkOption { default = (extendModules { modules = [ { y = 5; } ]; }).config.y; };
        })
      ])
      {
        x = 5;
        y = 0;
      }
    )
  ];
  type = [
    (is (config [
      { options.sub = mkOption { inherit (evalModules { modules = [ int ]; }) type; }; }
      { sub.x = 5; }
    ]) { sub.x = 5; })
  ];
  importApply = [
    (is (config [
      int
      (lib.modules.importApply ./fixtures/apply.nix 3)
    ]) { x = 3; })
    (is (config [
      int
      (lib.modules.importJSON ./fixtures/three.json)
    ]) { x = 3; })
  ];
}
