# Options under the names that NixOS gave up, from 20.09 to 25.05, for the options that the channel has; and options that NixOS
# removed because they have no effect any more.
{ lib, ... }:

let
  path = lib.splitString ".";

  # Old name → name. Those of `services.openssh` and `nix` are in their own modules.
  renamed = {
    "boot.earlyVconsoleSetup" = "console.earlySetup";
    "boot.grubDevice" = "boot.loader.grub.device";
    "boot.loader.grub.timeout" = "boot.loader.timeout";
    "boot.loader.gummiboot.enable" = "boot.loader.systemd-boot.enable";
    "boot.loader.gummiboot.timeout" = "boot.loader.timeout";
    "boot.systemd.services" = "systemd.services";
    "boot.systemd.sockets" = "systemd.sockets";
    "boot.systemd.targets" = "systemd.targets";
    "boot.tmpOnTmpfsSize" = "boot.tmp.tmpfsSize";
    "fonts.enableDefaultFonts" = "fonts.enableDefaultPackages";
    "i18n.consoleColors" = "console.colors";
    "i18n.consoleFont" = "console.font";
    "i18n.consoleKeyMap" = "console.keyMap";
    "i18n.consolePackages" = "console.packages";
    "i18n.consoleUseXkbConfig" = "console.useXkbConfig";
    "networking.enableIntel2100BGFirmware" = "hardware.enableRedistributableFirmware";
    "networking.enableIntel3945ABGFirmware" = "hardware.enableRedistributableFirmware";
    "networking.enableRT73Firmware" = "hardware.enableRedistributableFirmware";
    "networking.enableRTL8192cFirmware" = "hardware.enableRedistributableFirmware";
    "networking.enableRalinkFirmware" = "hardware.enableRedistributableFirmware";
    "nix.chrootDirs" = "nix.settings.extra-sandbox-paths";
    "nix.useChroot" = "nix.settings.sandbox";
    "programs.info.enable" = "documentation.info.enable";
    "programs.man.enable" = "documentation.man.enable";
    "programs.tmux.extraTmuxConf" = "programs.tmux.extraConfig";
    "programs.zsh.enableAutosuggestions" = "programs.zsh.autosuggestions.enable";
    "programs.zsh.enableSyntaxHighlighting" = "programs.zsh.syntaxHighlighting.enable";
    "services.nixosManual.enable" = "documentation.nixos.enable";
    "system.nixosLabel" = "system.nixos.label";
    "system.nixosVersion" = "system.nixos.version";
  };

  # Names that NixOS takes to this day without a word.
  aliases = {
    "services.sshd.enable" = "services.openssh.enable";
    "users.extraGroups" = "users.groups";
    "users.extraUsers" = "users.users";
  };

  # What has no effect, and why. A host that sets it is not refused: nothing is missing there.
  withoutEffect = {
    "hardware.opengl.driSupport" = "drivers are there wherever hardware.graphics.enable is";
    "hardware.opengl.s3tcSupport" = "the drivers have it themselves";
    "nix.daemonNiceLevel" = "nix.daemonCPUSchedPolicy took its place";
    "security.rngd.enable" = "the kernel feeds its random numbers itself";
    "services.udisks2.mountOnMedia" = "udisks mounts below /run/media";
    "sound.enable" = "the kernel's sound drivers are there without it";
    "systemd.enableUnifiedCgroupHierarchy" = "systemd knows no other";
  };

  ignore =
    name: reason:
    { options, ... }:
    let
      option = lib.getAttrFromPath (path name) options;
    in
    {
      options = lib.setAttrByPath (path name) (
        lib.mkOption {
          type = lib.types.raw;
          visible = false;
          description = "Without effect: ${reason}.";
        }
      );
      config.warnings = lib.optional option.isDefined "`${name}' in ${lib.options.showFiles option.files} has no effect: ${reason}. Remove it.";
    };
in
{
  imports =
    lib.mapAttrsToList (from: to: lib.mkRenamedOptionModule (path from) (path to)) renamed
    ++ lib.mapAttrsToList (from: to: lib.mkAliasOptionModule (path from) (path to)) aliases
    ++ lib.mapAttrsToList ignore withoutEffect;
}
