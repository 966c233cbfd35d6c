# A folder of hosts.
{
  inputs.flk.url = "flk";

  outputs = { self, flk }: { nixosConfigurations = flk.lib.mkHosts { inherit self; }; };
}
