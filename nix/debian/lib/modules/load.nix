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
    functionArgs
    genericClosure
    isAttrs
    isList
    isString
    length
    mapAttrs
    pathExists
    seq
    storeDir
    substring
    tryEval
    typeOf
    unsafeGetAttrPos
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

  # A module that is a function. What it imports must not depend on the configuration, so that is taken from a second
  # application, whose arguments say so instead of recursing for ever.
  loadFunction =
    args: file: key: function:
    let
      module = unifyModuleSyntax file key (applyModuleArgs key function args);
      withoutConfig = args._structural // {
        config = throw (messages.configInImports key "config");
      };
      structural = unifyModuleSyntax file key (
        applyModuleArgs key function (
          withoutConfig // { options = throw (messages.configInImports key "options"); }
        )
      );
    in
    if args ? _structural then
      structural
      // {
        inherit (module) config options;
        inherit function structural;
        # Its configuration as far as that does not depend on the configuration.
        staticConfig =
          (unifyModuleSyntax file key (
            applyModuleArgs key function withoutConfig
          )).config;
      }
    else
      module;

  # A file that is not there: all of them are an error of their own.
  absent = path: {
    _file = path;
    _class = null;
    key = path;
    isAbsent = true;
    disabledModules = [ ];
    imports = [ ];
    options = { };
    config = { };
  };

  # Nix itself says what it thinks of a path that it may not read.
  isThere = path: pathExists path || builtins ? currentSystem == false && !lib.hasPrefix storeDir path;

  # One module, with what it takes from its importer: the file it is in and a key that is its own.
  load =
    class: args: fallbackFile: fallbackKey: module:
    if lib.isFunction module then
      loadFunction args fallbackFile fallbackKey module
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
      if !isThere path then
        absent path
      else
        let
          content = import module;
        in
        if lib.isFunction content then
          loadFunction args path path content
        else
          unifyModuleSyntax path path content;

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
    class: modulesPath: modules: given:
    let
      argumentsFor =
        refuse:
        # Submodules have no imports that could go wrong so, and there are many of them.
        if given._prefix == [ ] then
          given
          // {
            _missingArgument = missingArgument;
            _structural = given // {
              _argument = key: name: throw (refuse key name);
            };
          }
        else
          given;

      nodesWith =
        args: importer: key: list:
        lib.imap1 (
          n: item:
          let
            module = checkClass class (load class args importer._file "${key}:anon-${toString n}" item);
          in
          {
            inherit (module) key;
            inherit importer module;
            imports = nodesWith args module module.key module.imports;
          }
        ) list;
      startWith = refuse: nodesWith (argumentsFor refuse) { _file = unknownModule; } "" modules;
      start = startWith argumentOfImports;
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
      absentFiles = filter (node: node.module ? isAbsent) (enabled everything);

      # What can be reached with nothing but special arguments.
      reachable =
        let
          isGood = node: (tryEval (seq node.key true)).success;
          good =
            list:
            let
              tried = tryEval (seq (length list) list);
            in
            if tried.success then filter isGood tried.value else [ ];
        in
        genericClosure {
          # Loaded anew: these are asked while the others are.
          startSet = good (startWith (_: _: "not reachable"));
          operator = node: good node.imports;
        };
      argumentsGiven = lib.unique (
        concatMap (
          node:
          let
            config = node.module.structural.config or node.module.config;
            names = map (set: attrNames (set._module.args or { })) (lib.modules.pushDownProperties config);
            tried = tryEval (builtins.deepSeq names names);
          in
          if tried.success then lib.concatLists tried.value else [ ]
        ) reachable
      );
      special = attrNames (removeAttrs given [ "_class" "_prefix" ]);
      # Arguments that nobody gives.
      missingArguments =
        key: name:
        let
          asked = concatMap (
            node:
            let
              formals = functionArgs node.module.function;
              names = filter (name: !formals.${name} && !elem name special && !elem name argumentsGiven) (
                attrNames formals
              );
            in
            if node.module ? function && builtins.isFunction node.module.function then
              map (name: {
                inherit name;
                file = node.module._file;
                position = unsafeGetAttrPos name formals;
              }) names
            else
              [ ]
          ) reachable;
          isThis = entry: entry.name == name && (entry.file == key || toString (entry.position.file or "") == key);
        in
        if lib.any (entry: entry.name == name) asked then
          asked
        else
          [
            {
              inherit name;
              file = key;
              position = null;
            }
          ]
          ++ filter (entry: !isThis entry) asked;
      missingArgument =
        key: name:
        messages.missingArguments {
          missing = missingArguments key name;
          known = special ++ argumentsGiven;
        };
      argumentOfImports =
        key: name:
        if elem name argumentsGiven then
          messages.argumentInImports key name (
            lib.subtractLists [
              "config"
              "options"
            ] special
          )
        else
          missingArgument key name;
    in
    {
      modules =
        if absentFiles != [ ] then
          throw (
            messages.absentFiles modulesPath (
              map (node: {
                path = node.key;
                importer = node.importer._file;
                position = node.importer.importsAt or null;
              }) absentFiles
            )
          )
        else
          map (node: node.module) (
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
        importsAt = unsafeGetAttrPos "imports" module;
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
          args.${name} or (
            if args ? _argument then
              args._argument key name
            else
              addErrorContext
                "noting that argument `${name}' is no special one, so querying `_module.args', requiring `config'"
                (
                  args.config._module.args.${name} or (throw (
                    (args._missingArgument or messages.missingArgument) key name
                  ))
                )
          )
        );
    in
    f (
      removeAttrs args [
        "_argument"
        "_missingArgument"
        "_structural"
      ]
      // mapAttrs fromConfig (lib.functionArgs f)
    );

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
