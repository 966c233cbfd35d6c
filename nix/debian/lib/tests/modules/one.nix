{
  imports = [
    ./list.nix
    ./two.nix
  ];
  list = [ "one" ];
}
