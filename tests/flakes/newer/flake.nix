# A host with what newer NixOS alone has and a live system is not to have: stand-ins for those options, which refuse as NixOS does.
{
  inputs.flk.url = "flk";

  outputs = { self, flk }: { nixosConfigurations = flk.lib.mkHosts { inherit self; }; };
}
