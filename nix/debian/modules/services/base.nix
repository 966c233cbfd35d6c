# What every system runs: dbus, journald, logind, getty, udev
{
  config,
  lib,
  pkgs,
  ...
}:

let
  getty = config.services.getty;
  agetty =
    arguments:
    [
      ""
      "-/usr/sbin/agetty ${
        lib.optionalString (getty.autologinUser != null) "--autologin ${getty.autologinUser} "
      }${toString getty.extraArgs} ${arguments}"
    ];
in
{
  imports = [
    (lib.mkRenamedOptionModule [ "services" "mingetty" "autologinUser" ] [ "services" "getty" "autologinUser" ])
    (lib.mkRenamedOptionModule [ "services" "mingetty" "helpLine" ] [ "services" "getty" "helpLine" ])
  ];

  options.services = {
    getty = {
      autologinUser = lib.mkOption {
        type = lib.types.nullOr lib.types.str;
        default = null;
        description = "Who is logged in at the console without being asked.";
      };
      helpLine = lib.mkOption {
        type = lib.types.lines;
        default = "";
        description = "Shown above the login prompt.";
      };
      greetingLine = lib.mkOption {
        type = lib.types.str;
        default = "";
        description = "Shown above the login prompt.";
      };
      extraArgs = lib.mkOption {
        type = lib.types.listOf lib.types.str;
        default = [ ];
        description = "Further arguments of agetty.";
      };
    };

    journald = {
      extraConfig = lib.mkOption {
        type = lib.types.lines;
        default = "";
        description = "Lines of journald.conf(5).";
      };
      storage = lib.mkOption {
        type = lib.types.str;
        default = "persistent";
        description = "Where the journal is kept.";
      };
    };

    logind = {
      lidSwitch = lib.mkOption {
        type = lib.types.str;
        default = "suspend";
        description = "What happens when the lid closes.";
      };
      extraConfig = lib.mkOption {
        type = lib.types.lines;
        default = "";
        description = "Lines of logind.conf(5).";
      };
    };

    udev = {
      extraRules = lib.mkOption {
        type = lib.types.lines;
        default = "";
        description = "Rules of udev(7).";
      };
      packages = lib.mkOption {
        type = lib.types.listOf lib.types.package;
        default = [ ];
        description = "Packages whose rules are to be there.";
      };
      extraHwdb = lib.mkOption {
        type = lib.types.lines;
        default = "";
        description = "Entries of hwdb(7).";
      };
    };

    dbus = {
      enable = lib.mkOption {
        type = lib.types.bool;
        default = true;
        description = "Whether dbus runs.";
      };
      packages = lib.mkOption {
        type = lib.types.listOf lib.types.package;
        default = [ ];
        description = "Packages whose services are to be there.";
      };
    };

    qemuGuest.enable = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = "Whether QEMU's guest agent runs.";
    };

    fstrim.enable = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = "Whether file systems are trimmed weekly.";
    };
  };

  config = {
    environment.systemPackages = [
      pkgs.systemd
      pkgs.dbus
      pkgs.libpam-systemd
      pkgs.libnss-systemd
      pkgs.libnss-myhostname
    ]
    ++ config.services.udev.packages
    ++ config.services.dbus.packages
    ++ lib.optional config.services.qemuGuest.enable pkgs.qemu-guest-agent;

    environment.etc = {
      "systemd/journald.conf.d/flk.conf".text =
        "[Journal]\nStorage=${config.services.journald.storage}\n" + config.services.journald.extraConfig;
      "systemd/logind.conf.d/flk.conf".text =
        "[Login]\nHandleLidSwitch=${config.services.logind.lidSwitch}\n" + config.services.logind.extraConfig;
      "udev/rules.d/99-local.rules" = lib.mkIf (config.services.udev.extraRules != "") {
        text = config.services.udev.extraRules;
      };
      "issue.d/flk.issue" = lib.mkIf (getty.greetingLine != "" || getty.helpLine != "") {
        text = "${getty.greetingLine}\n${getty.helpLine}\n";
      };
    };

    systemd.services = {
      "getty@" = {
        overrideStrategy = "asDropin";
        serviceConfig.ExecStart = agetty "--noclear - $TERM";
      };
      "getty@tty1" = {
        overrideStrategy = "asDropin";
        wantedBy = [ "getty.target" ];
      };
      "serial-getty@" = {
        overrideStrategy = "asDropin";
        serviceConfig.ExecStart = agetty "--keep-baud 115200,57600,38400,9600 - $TERM";
      };
      # Whoever is logged in is so through the bus.
      dbus = {
        overrideStrategy = "asDropin";
        reloadIfChanged = true;
      };
      systemd-journald.restartTriggers = [ config.environment.etc."systemd/journald.conf.d/flk.conf".source ];
      systemd-udevd.reloadTriggers = [ config.services.udev.extraRules ];
      qemu-guest-agent = lib.mkIf config.services.qemuGuest.enable {
        overrideStrategy = "asDropin";
        wantedBy = [ "multi-user.target" ];
      };
    };
    systemd.timers.fstrim = lib.mkIf config.services.fstrim.enable {
      overrideStrategy = "asDropin";
      wantedBy = [ "timers.target" ];
    };
  };
}
