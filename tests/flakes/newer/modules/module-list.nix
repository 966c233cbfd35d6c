[
  ./disks.nix
  ./links.nix
  ./sysusers.nix
]
