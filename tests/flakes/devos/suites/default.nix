{ profiles, users, ... }:
{
  base = [
    users.nixos
    profiles.web.server
    profiles.tools
  ];
}
