# What nixos-generate-config imports: hardware that it does not know may need firmware that is not free.
{ lib, ... }:

{
  hardware.enableRedistributableFirmware = lib.mkDefault true;
}
