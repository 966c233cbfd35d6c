[
  ./disks.nix
  ./init.nix
  ./links.nix
  ./live.nix
  ./sudo.nix
  ./sysusers.nix
]
