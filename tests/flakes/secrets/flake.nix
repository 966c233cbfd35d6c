# Hosts with secrets: stand-ins for agenix and sops-nix that declare, default and refuse as those do.
{
  inputs.flk.url = "flk";

  outputs = { self, flk }: { nixosConfigurations = flk.lib.mkHosts { inherit self; }; };
}
