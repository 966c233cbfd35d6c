# flk.pkgs: the packages that the modules of a host have, for a nixpkgs whose evaluation does not give them out.
{ lib, pkgs, ... }:

{
  key = "flk.pkgs";

  options.flk.pkgs = lib.mkOption {
    type = lib.types.unspecified;
    internal = true;
    description = "The packages.";
  };

  config.flk.pkgs = pkgs;
}
