# Hosts written out, one after the other, with no help of flk's.
{
  inputs.flk.url = "flk";

  outputs =
    { self, flk }:
    {
      nixosConfigurations.plain = flk.lib.nixosSystem {
        lock = ./flk.lock;
        system = "x86_64-linux";
        modules = [ ./configuration.nix ];
      };
      # What other tools leave among hosts.
      nixosConfigurations.no-system = {
        deploy = true;
      };
    };
}
