# Options outside of an evaluation: declarations, merging, showing, properties.
{
  lib,
  is,
  fails,
}:
let
  inherit (lib)
    dischargeProperties
    evalModules
    filter
    getFiles
    getValues
    literalExpression
    literalMD
    mergeDefaultOption
    mergeEqualOption
    mergeOneOption
    mkAfter
    mkAssert
    mkBefore
    mkDefault
    mkEnableOption
    mkForce
    mkIf
    mkImageMediaOverride
    mkMerge
    mkOption
    mkOptionDefault
    mkOrder
    mkPackageOption
    mkVMOverride
    modules
    optionAttrSetToDocList
    options
    pushDownProperties
    range
    showFiles
    showOption
    types
    ;
in
{
  getFiles = [
    (is (getFiles [
      {
        file = "a";
        value = 1;
      }
    ]) [ "a" ])
  ];
  getValues = [
    (is (getValues [
      {
        file = "a";
        value = 1;
      }
    ]) [ 1 ])
  ];
  literalExpression = [
    (is (literalExpression "x") {
      _type = "literalExpression";
      text = "x";
    })
  ];
  literalMD = [
    (is (literalMD "x") {
      _type = "literalMD";
      text = "x";
    })
  ];
  mergeDefaultOption = [
    (is
      (mergeDefaultOption
        [ "x" ]
        [
          {
            file = "a";
            value = [ 1 ];
          }
          {
            file = "b";
            value = [ 2 ];
          }
        ]
      )
      [
        1
        2
      ]
    )
    (fails (
      mergeDefaultOption
        [ "x" ]
        [
          {
            file = "a";
            value = 1;
          }
          {
            file = "b";
            value = 2;
          }
        ]
    ))
  ];
  mergeEqualOption = [
    (is (mergeEqualOption
      [ "x" ]
      [
        {
          file = "a";
          value = 1;
        }
        {
          file = "b";
          value = 1;
        }
      ]
    ) 1)
    (fails (
      mergeEqualOption
        [ "x" ]
        [
          {
            file = "a";
            value = 1;
          }
          {
            file = "b";
            value = 2;
          }
        ]
    ))
  ];
  mergeOneOption = [
    (fails (
      mergeOneOption
        [ "x" ]
        [
          {
            file = "a";
            value = 1;
          }
          {
            file = "b";
            value = 1;
          }
        ]
    ))
  ];
  mkEnableOption = [
    (is (removeAttrs (mkEnableOption "x") [ "type" ]) {
      _type = "option";
      default = false;
      description = "Whether to enable x.";
      example = true;
    })
  ];
  mkPackageOption = [
    (is
      (removeAttrs (mkPackageOption { a.b = 1; } [ "a" "b" ] {
        example = [
          "c"
          "d"
        ];
      }) [ "type" ])
      {
        _type = "option";
        default = 1;
        defaultText = {
          _type = "literalExpression";
          text = "pkgs.a.b";
        };
        description = "The b package to use.";
        example = {
          _type = "literalExpression";
          text = "pkgs.c.d";
        };
      }
    )
    (is
      (removeAttrs (mkPackageOption { a = 1; } "a" {
        nullable = true;
        default = null;
        extraDescription = "Foo.";
      }) [ "type" ])
      {
        _type = "option";
        default = null;
        description = "The a package to use. Foo.";
      }
    )
    (is ((mkPackageOption { hello = 1; } "hello" { }).type.description) "package")
    (is ((mkPackageOption { hello = 1; } "hello" { nullable = true; }).type.description
    ) "null or package")
  ];
  optionAttrSetToDocList = [
    (is
      (map (o: removeAttrs o [ "declarations" ]) (
        filter (o: !o.internal) (
          optionAttrSetToDocList (
            removeAttrs
              (evalModules {
                modules = [
                  {
                    options.a = mkOption {
                      type = types.int;
                      default = 1;
                      example = 2;
                      description = "d";
                    };
                    options.l = mkOption { type = types.listOf types.str; };
                  }
                ];
              }).options
              [ "_module" ]
          )
        )
      ))
      [
        {
          default = {
            _type = "literalExpression";
            text = "1";
          };
          description = "d";
          example = {
            _type = "literalExpression";
            text = "2";
          };
          internal = false;
          loc = [ "a" ];
          name = "a";
          readOnly = false;
          type = "signed integer";
          visible = true;
        }
        {
          default = {
            _type = "literalExpression";
            text = "[ ]";
          };
          description = null;
          internal = false;
          loc = [ "l" ];
          name = "l";
          readOnly = false;
          type = "list of string";
          visible = true;
        }
      ]
    )
  ];
  showDefs = [
    (is
      (options.showDefs [
        {
          file = "f";
          value = 1;
        }
        {
          file = "g";
          value = {
            a = 1;
            b = 2;
          };
        }
        {
          file = "h";
          value = throw "x";
        }
        {
          file = "i";
          value = range 1 20;
        }
      ])
      "\n- In `f': 1\n- In `g':\n    {\n      a = 1;\n      b = 2;\n    }\n- In `h'\n- In `i':\n    [\n      1\n      2\n      3\n      4\n    ..."
    )
  ];
  showFiles = [
    (is (showFiles [
      "a"
      "b"
    ]) "`a' and `b'")
  ];
  showOption = [
    (is (showOption [
      "a"
      "b c"
      "*"
      "<name>"
      "d.e"
    ]) "a.\"b c\".*.<name>.\"d.e\"")
  ];
  dischargeProperties = [
    (is
      (dischargeProperties (mkMerge [
        1
        (mkIf false 2)
        (mkIf true 3)
      ]))
      [
        1
        3
      ]
    )
  ];
  evalModules = [
    (is ((evalModules { modules = [ { options.a = mkOption { type = types.int; }; } ]; })
      .options.a.isDefined
    ) false)
  ];
  mapDefinitionValue = [
    (is (modules.mapDefinitionValue (x: x + 1) (mkForce (mkIf true (mkBefore 1)))) {
      _type = "override";
      content = {
        _type = "if";
        condition = true;
        content = {
          _type = "order";
          content = 2;
          priority = 500;
        };
      };
      priority = 50;
    })
  ];
  mkAfter = [
    (is (mkAfter 1) {
      _type = "order";
      content = 1;
      priority = 1500;
    })
  ];
  mkAssert = [
    (is (mkAssert true "m" 1) {
      _type = "if";
      condition = true;
      content = 1;
    })
  ];
  mkBefore = [
    (is (mkBefore 1) {
      _type = "order";
      content = 1;
      priority = 500;
    })
  ];
  mkDefault = [
    (is (mkDefault 1) {
      _type = "override";
      content = 1;
      priority = 1000;
    })
  ];
  mkForce = [
    (is (mkForce 1) {
      _type = "override";
      content = 1;
      priority = 50;
    })
  ];
  mkIf = [
    (is (mkIf true 1) {
      _type = "if";
      condition = true;
      content = 1;
    })
  ];
  mkImageMediaOverride = [
    (is (mkImageMediaOverride 1) {
      _type = "override";
      content = 1;
      priority = 60;
    })
  ];
  mkMerge = [
    (is (mkMerge [ 1 ]) {
      _type = "merge";
      contents = [ 1 ];
    })
  ];
  mkOptionDefault = [
    (is (mkOptionDefault 1) {
      _type = "override";
      content = 1;
      priority = 1500;
    })
  ];
  mkOrder = [
    (is (mkOrder 3 1) {
      _type = "order";
      content = 1;
      priority = 3;
    })
  ];
  mkVMOverride = [
    (is (mkVMOverride 1) {
      _type = "override";
      content = 1;
      priority = 10;
    })
  ];
  pushDownProperties = [
    (is
      (pushDownProperties (
        mkIf true (mkMerge [
          { a = 1; }
          (mkForce { b = 2; })
        ])
      ))
      [
        {
          a = {
            _type = "if";
            condition = true;
            content = 1;
          };
        }
        {
          b = {
            _type = "if";
            condition = true;
            content = {
              _type = "override";
              content = 2;
              priority = 50;
            };
          };
        }
      ]
    )
  ];
}
