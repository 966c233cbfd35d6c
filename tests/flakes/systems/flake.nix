# Hosts of two systems, one of which the built-in channel has no packages for.
{
  inputs.flk.url = "flk";

  outputs =
    { self, flk }:
    {
      nixosConfigurations =
        flk.lib.mkHosts {
          inherit self;
          hosts = ./x86;
        }
        // flk.lib.mkHosts {
          inherit self;
          hosts = ./arm;
          system = "aarch64-linux";
        };
    };
}
