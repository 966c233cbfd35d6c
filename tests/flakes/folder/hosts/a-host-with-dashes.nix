{
  imports = [ ./default.nix ];
}
