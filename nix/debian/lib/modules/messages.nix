# The texts of the module system's errors.
{ lib }:
let
  inherit (builtins)
    attrNames
    concatMap
    concatStringsSep
    head
    sort
    typeOf
    ;
  inherit (lib.options)
    showDefs
    showFiles
    showOption
    unknownModule
    ;
  inherit (lib.strings) escapeNixIdentifier escapeNixString optionalString;
  inherit (import ./source.nix { inherit lib; }) lineAfter;

  lines = concatStringsSep "\n";
  priorities = "Use `lib.mkForce value` or `lib.mkDefault value` to change the priority on any of these definitions.\n";
in
{
  # About an option's definitions.

  undefined =
    loc:
    "The option `${showOption loc}' was accessed but has no value defined. Try setting the option.";

  wrongType =
    loc: type: definitions:
    "A definition for option `${showOption loc}' is not of type `${type.description}'. "
    + "Definition values:${showDefs definitions}";

  readOnly =
    loc: definitions:
    "The option `${showOption loc}' is read-only, but it's set multiple times. "
    + "Definition values:${showDefs definitions}";

  conflicting =
    loc: definitions:
    lines [
      "The option `${showOption loc}' has conflicting definition values:${showDefs definitions}"
      priorities
    ];

  duplicate =
    loc: reason: definitions:
    lines [
      "The option `${showOption loc}' is defined multiple times while it's expected to be unique."
      reason
      "Definition values:${showDefs definitions}"
      priorities
    ];

  # About declarations, and definitions where there is no option.

  deprecated =
    loc: option:
    "The type `types.${option.type.name}' of option `${showOption loc}' defined in ${showFiles option.declarations} "
    + "is deprecated. ${option.type.deprecationMessage}";

  declaredTwice =
    loc: file: files:
    "The option `${showOption loc}' in `${file}' is already declared in ${showFiles files}.";

  declarationNotASet =
    prefix: module:
    lines [
      "An option declaration for `${showOption prefix}' in `${module._file}' has type `${typeOf module.options}' rather than an attribute set."
      "Did you mean to define this outside of `options'?"
    ];

  definitionNotASet =
    prefix: source:
    lines [
      "In module `${source.file}', you're trying to define a value of type `${typeOf source.attributes}' rather than an attribute set for the option `${showOption prefix}'!"
      "There is no option of that name, only options below it."
    ];

  notAnOption =
    loc: declaration:
    let
      kind = declaration.options._type;
      name = escapeNixIdentifier (lib.last loc);
    in
    "In module `${declaration._file}': expected an option declaration at option path `${showOption loc}', "
    + "but got an attribute set with type ${kind}."
    + optionalString (
      kind == "option-type"
    ) "\nA type stands in an option: `${name} = lib.mkOption { type = …; };'";

  nestedOptions =
    loc: option: nested:
    let
      show =
        declaration: name:
        " - option(s) with prefix `${showOption (loc ++ [ name ])}' in module `${declaration._file}'";
      below = concatMap (declaration: map (show declaration) (attrNames declaration.options)) nested;
      type = option.options.type.description or "<no description>";
    in
    lines (
      [
        "The option `${showOption loc}' in module `${option._file}' would be a parent of the following options, but its type `${type}' does not support nested options."
      ]
      ++ sort builtins.lessThan below
    );

  renamed =
    from: to: "Obsolete option `${showOption from}' is used. It was renamed to `${showOption to}'.";

  renamedDefinition =
    from: to: option:
    "The option `${showOption from}' defined in ${showFiles option.files} has been renamed to `${showOption to}'.";

  changed =
    from: to: option:
    "The option `${showOption from}' defined in ${showFiles option.files} has been changed to `${showOption to}' "
    + "that has a different type. Please read `${showOption to}' documentation and update your configuration accordingly.";

  removed =
    path: instructions:
    "The option `${showOption path}' can no longer be used since it's been removed. ${instructions}";

  removedDefinition =
    path: option: instructions:
    lines [
      "The option definition `${showOption path}' in ${showFiles option.files} no longer has any effect; please remove it."
      instructions
      ""
    ];

  # About modules.

  recursion =
    "if you get an infinite recursion here, you probably reference `config' in `imports'. "
    + "Import unconditionally, and let `mkIf' decide.";

  unsupportedAttribute =
    key: names:
    "Module `${key}' has an unsupported attribute `${head names}'. This is caused by introducing a top-level `config' or "
    + "`options' attribute. Add configuration attributes immediately on the top level instead, or move all of them "
    + "(namely: ${toString names}) into the explicit `config' attribute.";

  configInImports =
    key: name:
    "The `imports' of `${key}' depend on `${name}', which follows from all modules. "
    + "Import unconditionally, and let `mkIf' decide.";

  argumentInImports =
    key: name: special:
    "The `imports' of `${key}' depend on the argument `${name}', which comes from `_module.args' and so from all modules. "
    + "They can depend on special arguments alone: ${concatStringsSep ", " special}.";

  # `missing` are `{ name; file; position; }`, `known` the names of arguments that there are.
  missingArguments =
    { missing, known }:
    let
      count = builtins.length missing;
      show =
        { name, file, position }:
        let
          near = lib.strings.nearest name known;
          place = if position == null then file else "${toString position.file}:${toString position.line}";
        in
        "  - ${name} (${place})${optionalString (near != null) "\n    did you mean `${near}'?"}";
    in
    lines (
      [
        (
          if count == 1 then
            "An argument that a module asks for is given by nobody:"
          else
            "${toString count} arguments that modules ask for are given by nobody:"
        )
      ]
      ++ map show missing
      ++ [
        "Give it in `specialArgs' of `mkHosts' or `nixosSystem'; in `_module.args' of a module, where no `imports' depend on it."
      ]
    );

  # `absent` are `{ path; importer; position; }`, the position that of the importer's `imports`.
  absentFiles =
    modulesPath: absent:
    let
      count = builtins.length absent;
      root = toString modulesPath;
      isOfChannel = path: root != "" && lib.hasPrefix "${root}/" path;
      filesIn =
        folder:
        if builtins.pathExists folder then
          attrNames (lib.filterAttrs (name: _: !lib.hasPrefix "." name) (builtins.readDir folder))
        else
          [ ];
      offered = concatMap (folder: map (name: "${folder}/${name}") (filesIn "${root}/${folder}")) [
        "installer/cd-dvd"
        "installer/scan"
        "profiles"
      ];
      place =
        entry:
        if entry.position == null then
          entry.importer
        else
          "${toString entry.position.file}:${toString (lineAfter entry.position (baseNameOf entry.path))}";
      show =
        entry:
        let
          inherit (entry) path;
          near = lib.strings.nearest (baseNameOf path) (filesIn (dirOf path));
        in
        if isOfChannel path then
          "  - `modulesPath'/${lib.removePrefix "${root}/" path} (${place entry})"
        else
          "  - ${path} (${place entry})"
          + optionalString (near != null) "\n    did you mean `${dirOf path}/${near}'?";
    in
    lines (
      [
        (
          if count == 1 then
            "A file that is imported does not exist:"
          else
            "${toString count} files that are imported do not exist:"
        )
      ]
      ++ map show absent
      ++ lib.optional (lib.any (entry: isOfChannel entry.path) absent && offered != [ ])
        "Of NixOS's files below `modulesPath', this channel has: ${concatStringsSep ", " offered}; nixpkgs has them all: `flk init --channel nixpkgs`."
    );

  missingArgument =
    key: name:
    "Module `${key}' asks for the argument `${name}', which is neither a special argument nor in `_module.args'.";

  nestedImports =
    file: value:
    "Module imports can't be nested lists. Perhaps you meant to remove one level of lists? Definitions: ${
      showDefs [ { inherit file value; } ]
    }";

  wrongClass =
    class: module:
    "The module `${module._file}' (class: ${escapeNixString module._class}) cannot be imported into a module evaluation "
    + "that expects class ${escapeNixString class}.";

  ambiguousDisabled =
    file: item:
    "Module `${file}' has an item in disabledModules that names two modules: as a string it is ${toString item}, "
    + "its key is ${item.key}.";

  unknownDisabled =
    file: item:
    "Module `${file}' has an item in disabledModules that names no module: expected a path, a string relative to "
    + "modulesPath or a set with a `key', but got a ${typeOf item}.";

  notAModule =
    {
      kind,
      file,
      prefix,
    }:
    "Expected a module, but found a value of type ${escapeNixString kind}"
    + optionalString (file != unknownModule) ", while trying to load a module into ${toString file}"
    + optionalString (prefix != [ ]) ", while trying to load a module into ${showOption prefix}"
    + ".\nEach item of a module's `imports' and of an evaluation's `modules' must be a module."
    + optionalString (kind == "flake") (
      "\nPerhaps an attribute name is missing: instead of `inputs.someflake', "
      + "write `inputs.someflake.nixosModules.default'."
    )
    + optionalString (
      kind == "configuration"
    ) "\nInstead of a finished configuration, import the modules that it is made of.";
}
