# What cannot be on a live system, which has none of the host's disks.
{ config, ... }:
{
  swapDevices = [ { device = "/dev/disk/by-label/swap"; } ];
  assertions = [
    {
      assertion = config.swapDevices != [ ];
      message = "hibernation needs swap";
    }
  ];
}
