# Options that were renamed, removed, or mean something else.
{
  lib,
  is,
  fails,
}:
let
  inherit (lib)
    mkDefault
    mkForce
    mkOption
    types
    ;

  strings = mkOption {
    type = types.listOf types.str;
    default = [ ];
  };
  base.options = {
    new = mkOption { type = types.int; };
    warnings = strings;
    assertions = mkOption {
      type = types.listOf types.raw;
      default = [ ];
    };
  };
  inFile = module: {
    _file = "host";
    imports = [ module ];
  };
  config = modules: (lib.evalModules { modules = [ base ] ++ modules; }).config;
  renamed = lib.mkRenamedOptionModule [ "old" ] [ "new" ];
  alias = lib.mkAliasOptionModule [ "old" ] [ "new" ];
  removed = lib.mkRemovedOptionModule [ "old" ] "Use new.";
  increased = lib.mkChangedOptionModule [ "old" ] [ "new" ] (config: config.old + 1);
  # The other option is within a submodule, as `services.openssh.settings.PermitRootLogin'.
  within = modules: lib.evalModules {
    modules = [
      base
      (lib.mkRenamedOptionModule [ "old" ] [ "settings" "new" ])
      {
        options.settings = mkOption {
          default = { };
          type = types.submodule {
            freeformType = types.attrsOf types.str;
            options.known = mkOption { default = ""; };
          };
        };
      }
    ] ++ modules;
  };
in
{
  within = [
    (is (within [ { old = "no"; } ]).config.settings.new "no")
    (is (within [ { old = "no"; } ]).unknownOptions [ ])
    # Whose definition it is.
    (is
      (lib.evalModules {
        modules = [
          base
          renamed
          (inFile { old = 3; })
        ];
      }).options.new.files
      [ "host" ]
    )
  ];
  renamed = [
    (is
      (config [
        renamed
        { old = 3; }
      ]).new
      3
    )
    (is
      (config [
        renamed
        { old = mkDefault 3; }
        { new = 4; }
      ]).new
      4
    )
    (is
      (config [
        renamed
        { old = mkForce 3; }
        { new = 4; }
      ]).new
      3
    )
    (is
      (config [
        renamed
        (inFile { old = 3; })
      ]).warnings
      [
        "The option `old' defined in `host' has been renamed to `new'."
      ]
    )
    (is
      (config [
        renamed
        { new = 3; }
      ]).warnings
      [ ]
    )
    (is
      (config [
        (lib.mkRenamedOptionModuleWith {
          from = [ "old" ];
          to = [ "new" ];
          sinceRelease = 9911;
        })
        { old = 3; }
      ]).warnings
      [ ]
    )
  ];
  alias = [
    (is
      (config [
        alias
        { old = 3; }
      ]).new
      3
    )
    (is
      (config [
        alias
        { new = 3; }
      ]).old
      3
    )
    (is
      (config [
        alias
        { old = 3; }
      ]).warnings
      [ ]
    )
  ];
  removed = [
    (is (map (a: a.assertion)
      (config [
        removed
        { new = 1; }
      ]).assertions
    ) [ true ])
    (is (map (a: a.assertion)
      (config [
        removed
        { old = 1; }
      ]).assertions
    ) [ false ])
    (is (lib.hasInfix "`old' in `host'"
      (lib.head
        (config [
          removed
          (inFile { old = 1; })
        ]).assertions
      ).message
    ) true)
    (fails
      (config [
        removed
        { old = 1; }
      ]).old
    )
  ];
  changed = [
    (is
      (config [
        increased
        { old = 3; }
      ]).new
      4
    )
    (is
      (config [
        increased
        { new = 3; }
      ]).new
      3
    )
    (is (builtins.length
      (config [
        increased
        { old = 3; }
      ]).warnings
    ) 1)
  ];
  definitions = [
    (is
      (config [
        { options.y = mkOption { }; }
        ({ options, ... }: {
          y = lib.mkAliasDefinitions options.new;
          new = 3;
        })
      ]).y
      3
    )
    (is
      (config [
        { options.y = mkOption { }; }
        ({ options, ... }: {
          y = lib.mkDerivedConfig options.new (x: x + 1);
          new = mkForce 3;
        })
        { y = 9; }
      ]).y
      4
    )
    (is
      (config [
        { options.sink = lib.mkSinkUndeclaredOptions { }; }
        {
          new = 1;
          sink.what.ever = 2;
        }
      ]).new
      1
    )
    (fails (config [ { options.sink = lib.mkSinkUndeclaredOptions { }; } ]).sink)
  ];
}
