# DevOS of March 2021: suites that make their profiles by its library, overlays and packages beside them.
{
  inputs.flk.url = "flk";

  outputs = { self, flk }: { nixosConfigurations = flk.lib.mkHosts { inherit self; }; };
}
