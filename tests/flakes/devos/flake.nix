# DevOS's layout, with its own host file as it was in 2021.
{
  inputs.flk.url = "flk";

  outputs = { self, flk }: { nixosConfigurations = flk.lib.mkHosts { inherit self; }; };
}
