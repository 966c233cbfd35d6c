{ suites, ... }:
{
  imports = suites.base ++ [ ../hardware-configuration.nix ];
}
