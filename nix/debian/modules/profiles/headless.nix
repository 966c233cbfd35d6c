# A machine without a screen: no logins on consoles, and a kernel that panics starts again.
{ lib, ... }:

{
  boot.kernelParams = [
    "panic=1"
    "boot.panic_on_fail"
  ];
  boot.loader.grub.splashImage = lib.mkDefault null;
  systemd.enableEmergencyMode = lib.mkDefault false;
  systemd.services = {
    "autovt@".enable = lib.mkDefault false;
    "getty@tty1".enable = lib.mkDefault false;
    "serial-getty@hvc0".enable = lib.mkDefault false;
    "serial-getty@ttyS0".enable = lib.mkDefault false;
  };
}
