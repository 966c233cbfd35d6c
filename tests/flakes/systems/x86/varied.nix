# Variants, with an entry each in the menus of the ISO.
{ modulesPath, ... }:
{
  imports = [
    ./pc.nix
    (modulesPath + "/installer/cd-dvd/iso-image.nix")
  ];
  isoImage.appendToMenuLabel = " of 100 $";
  specialisation = {
    loud.configuration.boot.kernelParams = [ "loglevel=7" ];
    named.configuration = {
      isoImage.configurationName = "by name";
      boot.initrd.kernelModules = [ "nvme" ];
    };
    unseen.configuration.isoImage.showConfiguration = false;
  };
}
