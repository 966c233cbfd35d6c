{ profiles, ... }:
{
  imports = [
    ./hardware-configuration.nix
    profiles.web.server
  ];
}
