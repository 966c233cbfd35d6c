# Hosts written out, one after the other, with no help of flk's.
{
  inputs.flk.url = "flk";

  outputs =
    { self, flk }:
    let
      host =
        modules:
        flk.lib.nixosSystem {
          lock = ./flk.lock;
          system = "x86_64-linux";
          inherit modules;
        };
    in
    {
      nixosConfigurations = {
        plain = host [ ./configuration.nix ];
        rented = host [ ./rented.nix ];
        hibernates = host [
          ./configuration.nix
          ./hibernation.nix
        ];
        left-out = host [
          ./configuration.nix
          ./hibernation.nix
        ];
        declared = host [
          ./configuration.nix
          ./hibernation.nix
          flk.nixosModules.default
          { flk.live.disable = [ ./hibernation.nix ]; }
        ];
        mistyped = host [ ./configuration.nix ];
        # What other tools leave among hosts.
        no-system = {
          deploy = true;
        };
      };

      flk.left-out.live.disable = [
        ./hibernation.nix
        "systemd-timesyncd"
      ];
      flk.mistyped.live.disabled = [ ];
    };
}
