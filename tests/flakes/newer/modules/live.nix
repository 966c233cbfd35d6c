# What NixOS (or disko, or preservation) refuses nowhere, and a live system has as it is here, whatever its host says: one that has not is refused.
{
  config,
  lib,
  options,
  ...
}:
let
  declared = {
    boot.iscsi-initiator.name = null;
    disko.enableConfig = false;
    environment.shell.enable = true;
    preservation.enable = false;
    security.enableWrappers = true;
    security.lockKernelModules = false;
    services.cloud-init.enable = false;
    services.comin.enable = false;
    services.getty.enable = true;
    services.kmscon.enable = false;
    services.self-deploy.enable = false;
    services.usbguard.enable = false;
    system.activatable = true;
    system.forbiddenDependenciesRegexes = [ ];
    systemd.sysupdate.enable = false;
    zramSwap.writebackDevice = null;
  };
  # Options that the built-in channel has.
  known = {
    boot.blacklistedKernelModules = [ "pcspkr" ];
    boot.extraModprobeConfig = "options loop max_loop=8\n";
    console.enable = true;
    programs.bash.enable = true;
    systemd.services."autovt@tty1".enable = true;
    systemd.units."data.mount".enable = false;
  };

  isLive = options.flk ? hostToplevel;

  stays = path: value: {
    assertion = isLive -> lib.getAttrFromPath path config == value;
    message = "${lib.concatStringsSep "." path} is the host's on the live system";
  };
in
{
  options = lib.mapAttrsRecursive (
    path: default:
    lib.mkOption {
      type = lib.types.unspecified;
      inherit default;
      description = "Stands in for NixOS's ${lib.concatStringsSep "." path}.";
    }
  ) declared;

  config.assertions = lib.concatMap (set: lib.collect (item: item ? assertion) (lib.mapAttrsRecursive stays set)) [
    declared
    known
  ];
}
