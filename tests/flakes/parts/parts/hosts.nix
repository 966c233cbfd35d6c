{ inputs, ... }:
{
  flake.nixosConfigurations.parts = inputs.flk.lib.nixosSystem {
    lock = ../flk.lock;
    modules = [ ../configuration.nix ];
  };
}
