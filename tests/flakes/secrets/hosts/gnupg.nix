# Secrets of both, opened by the host's ssh keys and by GnuPG; a password is one of them.
{ config, lib, ... }:
{
  imports = [ ./default.nix ];
  services.openssh.enable = true;
  services.openssh.hostKeys = lib.mkForce [
    {
      type = "rsa";
      bits = 4096;
      path = "/persist/ssh_host_rsa_key";
    }
  ];
  age.secrets.password.file = ./default.nix;
  users.users.nixos.hashedPasswordFile = config.age.secrets.password.path;
  sops.secrets.token.sopsFile = ./default.nix;
  sops.gnupg.home = "/root/.gnupg";
  sops.gnupg.sshKeyPaths = [ ];
}
