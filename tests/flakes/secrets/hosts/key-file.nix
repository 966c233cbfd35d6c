# Without sshd, so by a key file alone.
{ config, lib, ... }:
{
  imports = [ ./default.nix ];
  services.openssh.enable = lib.mkForce false;
  sops.age.keyFile = "/var/lib/sops/key.txt";
  sops.secrets.password = {
    sopsFile = ./default.nix;
    neededForUsers = true;
  };
  users.users.nixos.hashedPasswordFile = config.sops.secrets.password.path;
}
