[
  ./age.nix
  ./sops.nix
]
