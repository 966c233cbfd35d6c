# Options, files and definitions as text for messages.
{ lib }:
let
  inherit (builtins)
    concatStringsSep
    length
    match
    tryEval
    ;

  # At most five lines of the value; nothing where it cannot be evaluated.
  showValue =
    value:
    let
      shown = tryEval (
        lib.generators.toPretty { } (
          lib.generators.withRecursion {
            depthLimit = 10;
            throwOnDepthLimit = false;
          } value
        )
      );
      lines = lib.splitString "\n" shown.value;
      kept = lib.take 5 lines ++ lib.optional (length lines > 5) "...";
    in
    if !shown.success then
      ""
    else if length lines > 1 then
      ":\n    ${concatStringsSep "\n    " kept}"
    else
      ": ${shown.value}";
in
{
  # The file of a module that has none, being an attribute set.
  unknownModule = "<unknown-file>";

  showOption = lib.concatMapStringsSep "." (
    part:
    if part == "*" || match "<.*>" part != null then part else lib.strings.escapeNixIdentifier part
  );
  showFiles = files: concatStringsSep " and " (map (file: "`${file}'") files);
  # With the line, where a definition was written out.
  showDefs = lib.concatMapStrings (
    definition:
    let
      position = definition.position or null;
      place =
        if position == null || position.file != toString definition.file then
          definition.file
        else
          "${definition.file}:${toString position.line}";
    in
    "\n- In `${place}'${showValue definition.value}"
  );
  showOptionWithDefLocs = option: ''
    ${lib.showOption option.loc}, with values defined in:
    ${concatStringsSep "\n" (map (file: "  - ${file}") option.files)}
  '';
}
