# A rented server: the only key is root's.
{
  boot.loader.grub.enable = false;
  fileSystems."/".device = "/dev/disk/by-label/nixos";
  users.users.root.openssh.authorizedKeys.keys = [
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7LcwSXUNYHrLBhrTGiCx6ZVVdJTTYrGiQJRRRyL8iu you@box"
  ];
}
