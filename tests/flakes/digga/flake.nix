# digga's layout: suites among the importables of flake.nix, profiles as paths, hosts as directories, overlays that take the channels.
{
  inputs.flk.url = "flk";

  outputs =
    { self, flk }:
    {
      nixosConfigurations = flk.lib.mkHosts {
        inherit self;
        importables = rec {
          profiles = flk.lib.rakeLeaves ./profiles // {
            users = flk.lib.rakeLeaves ./users;
          };
          suites = with profiles; rec {
            base = [
              web.server
              users.me
            ];
          };
        };
      };
    };
}
