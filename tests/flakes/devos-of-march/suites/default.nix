{ lib }:
let
  inherit (lib.flk) mkProfileAttrs profileMap;
  profiles = mkProfileAttrs (toString ../profiles);
  users = lib.dev.mkProfileAttrs (toString ../users);
in
lib.mapAttrs (_: suite: lib.dev.os.profileMap suite) {
  base = [
    profiles.core
    profiles.named
    users.me
  ];
}
// {
  paths = profileMap [ profiles.named ];
}
