# Sets of options as command lines.
{ lib }:
let
  inherit (builtins)
    concatLists
    concatMap
    isBool
    isList
    stringLength
    ;
  show = lib.generators.mkValueStringDefault { };
in
rec {
  # `format name` says how an option is written: `{ option; sep; explicitBool; formatArg; }`, `sep` null for a separate argument.
  toCommandLine =
    format: options:
    let
      render =
        name: value:
        let
          how = format name;
          argument = (how.formatArg or show) value;
        in
        if name == "" then
          throw "lib.cli.toCommandLine only accepts non-empty option names."
        else if value == null || (!how.explicitBool && value == false) then
          [ ]
        else if !how.explicitBool && value == true then
          [ how.option ]
        else if how.sep != null then
          [ "${how.option}${how.sep}${argument}" ]
        else
          [
            how.option
            argument
          ];
    in
    concatLists (
      lib.mapAttrsToList (
        name: value: if isList value then concatMap (render name) value else render name value
      ) options
    );
  toCommandLineShell = format: options: lib.escapeShellArgs (toCommandLine format options);

  toCommandLineGNU =
    {
      isLong ? name: stringLength name > 1,
      explicitBool ? false,
      formatArg ? show,
    }:
    toCommandLine (name: {
      option = if isLong name then "--${name}" else "-${name}";
      sep = if isLong name then "=" else "";
      inherit explicitBool formatArg;
    });
  toCommandLineShellGNU = format: options: lib.escapeShellArgs (toCommandLineGNU format options);

  # The older form.
  toGNUCommandLine =
    {
      mkOptionName ? name: if stringLength name == 1 then "-${name}" else "--${name}",
      mkBool ? name: value: lib.optional value (mkOptionName name),
      mkList ? name: values: concatMap (mkOption name) values,
      mkOption ?
        name: value:
        if value == null then
          [ ]
        else if optionValueSeparator == null then
          [
            (mkOptionName name)
            (show value)
          ]
        else
          [ "${mkOptionName name}${optionValueSeparator}${show value}" ],
      optionValueSeparator ? null,
    }:
    options:
    concatLists (
      lib.mapAttrsToList (
        name: value:
        if isBool value then
          mkBool name value
        else if isList value then
          mkList name value
        else
          mkOption name value
      ) options
    );
  toGNUCommandLineShell = format: options: lib.escapeShellArgs (toGNUCommandLine format options);
}
