# From the definitions of one option to its value.
{ lib }:
let
  inherit (builtins)
    all
    any
    concatMap
    filter
    foldl'
    head
    isAttrs
    length
    sort
    ;
  inherit (lib.modules)
    defaultOrderPriority
    defaultOverridePriority
    dischargeProperties
    messages
    ;
  inherit (lib.options) showOption;

  priorityOf =
    definition:
    if definition.value._type or null == "override" then
      definition.value.priority
    else
      defaultOverridePriority;
  withoutPriority =
    definition:
    if definition.value._type or null == "override" then
      definition // { value = definition.value.content; }
    else
      definition;
  isPlain = definition: !(isAttrs definition.value && definition.value ? _type);

  discharge =
    definition:
    map
      (
        value:
        if value._type or null == "definition" then
          value
        else
          definition // { inherit value; }
      )
      (
        builtins.addErrorContext "while evaluating definitions from `${definition.file}':" (
          dischargeProperties definition.value
        )
      );
in
rec {
  # Keeps the definitions of the strongest priority: `{ values; highestPrio; }`.
  filterOverrides' =
    definitions:
    if length definitions == 1 then
      {
        values = map withoutPriority definitions;
        highestPrio = priorityOf (head definitions);
      }
    else
      let
        highestPrio = foldl' (
          highest: definition: lib.min (priorityOf definition) highest
        ) 9999 definitions;
      in
      {
        values = map withoutPriority (
          filter (definition: priorityOf definition == highestPrio) definitions
        );
        inherit highestPrio;
      };
  filterOverrides = definitions: (filterOverrides' definitions).values;

  # Puts definitions into the order that mkBefore, mkAfter and mkOrder ask for; equal ones stay as they were.
  sortProperties =
    definitions:
    let
      stripped = map (
        definition:
        if definition.value._type or null == "order" then
          definition
          // {
            value = definition.value.content;
            inherit (definition.value) priority;
          }
        else
          definition
      ) definitions;
    in
    sort (a: b: (a.priority or defaultOrderPriority) < (b.priority or defaultOrderPriority)) stripped;

  # `definitions` are `{ file; value; }`, strongest and last sort of property outermost.
  mergeDefinitions = loc: type: definitions: rec {
    inherit loc;
    defsFinal' =
      if length definitions == 1 && isPlain (head definitions) then
        {
          values = definitions;
          highestPrio = defaultOverridePriority;
        }
      else
        let
          strongest = filterOverrides' (concatMap discharge definitions);
        in
        {
          inherit (strongest) highestPrio;
          values =
            if any (definition: definition.value._type or null == "order") strongest.values then
              sortProperties strongest.values
            else
              strongest.values;
        };
    defsFinal = defsFinal'.values;
    isDefined = defsFinal != [ ];
    mergedValue =
      if isDefined then
        if all (definition: type.check definition.value) defsFinal then
          type.merge loc defsFinal
        else
          throw (messages.wrongType loc type (filter (definition: !type.check definition.value) defsFinal))
      else if type.emptyValue ? value then
        type.emptyValue.value
      else
        throw (messages.undefined loc);
    optionalValue = if isDefined then { value = mergedValue; } else { };
  };

  # An option as modules see it under `options`: its declaration and what has come of its definitions.
  evalOptionValue =
    loc: option: definitions:
    let
      withDefault =
        if option ? default then
          [
            {
              file = head option.declarations;
              value = lib.mkOptionDefault option.default;
            }
          ]
          ++ definitions
        else
          definitions;
      merged =
        if option.readOnly or false && length withDefault > 1 then
          throw (messages.readOnly loc (map (separate loc option.type) withDefault))
        else
          mergeDefinitions loc option.type withDefault;
      value = if option ? apply then option.apply merged.mergedValue else merged.mergedValue;
      final =
        if option.type.deprecationMessage == null then
          option
        else
          lib.warn (messages.deprecated loc option) option;
    in
    final
    // {
      value = builtins.addErrorContext "while evaluating the option `${showOption loc}':" value;
      inherit (merged.defsFinal') highestPrio;
      inherit (merged) isDefined;
      definitions = map (definition: definition.value) merged.defsFinal;
      files = map (definition: definition.file) merged.defsFinal;
      definitionsWithLocations = merged.defsFinal;
      # As they were written, under their conditions.
      ownDefinitions = definitions;
      __toString = _: showOption loc;
    };

  # A definition with its value, as if it were the only one.
  separate =
    loc: type: definition:
    definition // { value = (mergeDefinitions loc type [ definition ]).mergedValue; };

  # Values and priorities by attribute, of an option of type attrsOf.
  mergeAttrDefinitionsWithPrio =
    option:
    let
      spread = concatMap (
        definition:
        map (builtins.mapAttrs (_: value: definition // { inherit value; })) (
          lib.modules.pushDownProperties definition.value
        )
      ) option.definitionsWithLocations;
    in
    assert option.type.name == "attrsOf" || option.type.name == "lazyAttrsOf";
    builtins.mapAttrs (
      name: definitions:
      let
        merged = mergeDefinitions (option.loc ++ [ name ]) option.type.nestedTypes.elemType definitions;
      in
      {
        value = merged.mergedValue;
        inherit (merged.defsFinal') highestPrio;
      }
    ) (lib.zipAttrs spread);
}
