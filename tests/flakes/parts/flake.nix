# Outputs put together by modules, as flake-parts does it.
{
  inputs.flk.url = "flk";

  outputs =
    inputs:
    (inputs.flk.lib.lib.evalModules {
      specialArgs = { inherit inputs; };
      modules = [
        ./parts/flake.nix
        ./parts/hosts.nix
      ];
    }).config.flake;
}
