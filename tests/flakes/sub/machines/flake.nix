# A flake in a folder of its git repository.
{
  inputs.flk.url = "flk";

  outputs =
    { self, flk }:
    {
      nixosConfigurations = flk.lib.mkHosts {
        inherit self;
        root = ./.;
      };
    };
}
