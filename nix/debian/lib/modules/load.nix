# Gathers modules: what a module may be, its imports, and which are disabled.
#
# A loaded module is `{ _file; _class; key; disabledModules; imports; options; config; }`. Modules with one key are one module.
{ lib }:
let
  inherit (builtins)
    addErrorContext
    attrNames
    concatMap
    elem
    filter
    genericClosure
    isAttrs
    isList
    isString
    mapAttrs
    substring
    typeOf
    ;
  inherit (lib.modules)
    applyModuleArgs
    applyModuleArgsIfFunction
    messages
    unifyModuleSyntax
    ;
  inherit (lib.options) unknownModule;
  inherit (lib.strings) isConvertibleWithToString isStringLike;

  # The key of the module that declares the options `_module.*`.
  internalKey = "lib/modules";

  structure = [
    "_class"
    "_file"
    "key"
    "disabledModules"
    "imports"
  ];

  # One module, with what it takes from its importer: the file it is in and a key that is its own.
  load =
    class: args: fallbackFile: fallbackKey: module:
    if lib.isFunction module then
      unifyModuleSyntax fallbackFile fallbackKey (applyModuleArgs fallbackKey module args)
    else if isAttrs module then
      let
        kind = module._type or "module";
      in
      if kind == "module" then
        unifyModuleSyntax fallbackFile fallbackKey module
      else if kind == "if" || kind == "override" || kind == "merge" then
        load class args fallbackFile fallbackKey { config = module; }
      else
        throw (
          messages.notAModule {
            inherit kind;
            file = fallbackFile;
            prefix = args._prefix;
          }
        )
    else if isList module then
      throw (messages.nestedImports fallbackFile module)
    else if !isStringLike module then
      throw (
        messages.notAModule {
          kind = typeOf module;
          file = fallbackFile;
          prefix = args._prefix;
        }
      )
    else
      let
        path = toString module;
      in
      unifyModuleSyntax path path (applyModuleArgsIfFunction path (import module) args);

  checkClass =
    class: module:
    if class == null || module._class == null || module._class == class then
      module
    else
      throw (messages.wrongClass class module);

  # The key of what stands in the disabledModules of `file`.
  disabledKey =
    modulesPath: file: item:
    if isString item then
      if substring 0 1 item == "/" then item else "${toString modulesPath}/${item}"
    else if isConvertibleWithToString item then
      if item ? key && item.key != toString item then
        throw (messages.ambiguousDisabled file item)
      else
        toString item
    else if item ? key then
      item.key
    else
      throw (messages.unknownDisabled file item);
in
{
  inherit internalKey;

  # All modules that `modules` lead to, in breadth-first order of their imports.
  collectModules =
    class: modulesPath: modules: args:
    let
      nodes =
        file: key: list:
        lib.imap1 (
          n: item:
          let
            module = checkClass class (load class args file "${key}:anon-${toString n}" item);
          in
          {
            inherit (module) key;
            inherit module;
            imports = nodes module._file module.key module.imports;
          }
        ) list;
      start = nodes unknownModule "" modules;
      everything = genericClosure {
        startSet = start;
        operator = node: node.imports;
      };
      disabled = concatMap (
        node: map (disabledKey modulesPath node.module._file) node.module.disabledModules
      ) everything;
      enabled = filter (node: !elem node.key disabled);
      graph = node: {
        inherit (node) key;
        file = node.module._file;
        disabled = elem node.key disabled;
        imports = map graph node.imports;
      };
    in
    {
      modules = map (node: node.module) (
        if disabled == [ ] then
          everything
        else
          genericClosure {
            startSet = enabled start;
            operator = node: enabled node.imports;
          }
      );
      graph = map graph (filter (node: node.key != internalKey) start);
    };

  # Brings both forms of a module, with and without `config` and `options`, into one.
  unifyModuleSyntax =
    file: key: module:
    let
      long = module ? config || module ? options;
      unsupported = removeAttrs module (
        structure
        ++ [
          "options"
          "config"
          "meta"
          "freeformType"
        ]
      );
      config =
        if long then
          module.config or { }
        else
          removeAttrs module (
            structure
            ++ [
              "require"
              "freeformType"
            ]
          );
      additions =
        lib.optional (long && module ? meta) { inherit (module) meta; }
        ++ lib.optional (module ? freeformType) { _module.freeformType = module.freeformType; };
    in
    if !isAttrs module then
      throw "module ${file} (${key}) does not look like a module."
    else if long && unsupported != { } then
      throw (messages.unsupportedAttribute key (attrNames unsupported))
    else
      {
        _file = toString module._file or file;
        _class = module._class or null;
        key = toString module.key or key;
        disabledModules = module.disabledModules or [ ];
        imports = lib.optionals (!long) (module.require or [ ]) ++ module.imports or [ ];
        options = if long then module.options or { } else { };
        config = if additions == [ ] then config else lib.mkMerge ([ config ] ++ additions);
      };

  applyModuleArgsIfFunction =
    key: module: args:
    if lib.isFunction module then applyModuleArgs key module args else module;

  # Arguments that are no special ones come from `_module.args`, and so from the configuration.
  applyModuleArgs =
    key: f: args:
    let
      fromConfig =
        name: _:
        addErrorContext "while evaluating the module argument `${name}' in \"${key}\":" (
          args.${name} or (addErrorContext
            "noting that argument `${name}' is no special one, so querying `_module.args', requiring `config'"
            (args.config._module.args.${name} or (throw (messages.missingArgument key name)))
          )
        );
    in
    f (args // mapAttrs fromConfig (lib.functionArgs f));

  # Gives a module that has no file of its own one for messages.
  setDefaultModuleLocation = file: module: {
    _file = file;
    imports = [ module ];
  };

  # The module that `file` gives for an argument of its own.
  importApply = file: argument: lib.setDefaultModuleLocation file (import file argument);
  importJSON = file: {
    _file = file;
    config = lib.importJSON file;
  };
  importTOML = file: {
    _file = file;
    config = lib.importTOML file;
  };
}
