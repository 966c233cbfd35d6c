# Imports who imports it.
{
  imports = [ ./one.nix ];
  list = [ "two" ];
}
