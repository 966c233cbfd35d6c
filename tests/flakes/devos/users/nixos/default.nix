{
  users.users.nixos = {
    isNormalUser = true;
    extraGroups = [ "wheel" ];
    openssh.authorizedKeys.keys = [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7LcwSXUNYHrLBhrTGiCx6ZVVdJTTYrGiQJRRRyL8iu you@box" ];
  };
}
