# Derivations that `flk-debian` builds: its commands and their parameters are in ARCHITECTURE.md.
{ flk, system }:

let
  # A store path by its content alone: another flk with the same builder builds nothing anew.
  program = builtins.path {
    path = flk + "/bin/flk-debian";
    name = "flk-debian";
  };
in
{
  init = builtins.path {
    path = flk + "/bin/flk-init";
    name = "flk-init";
  };

  # `parameters` are the command's own; `attributes` go into the result, not into the derivation.
  build =
    {
      name,
      command,
      parameters ? { },
      attributes ? { },
    }:
    derivation (
      {
        inherit name system;
        builder = program;
        args = [ command ];
        outputs = [ "out" ];
        __structuredAttrs = true;
        preferLocalBuild = true;
      }
      // parameters
    )
    // attributes;
}
