# Services that need no more than Debian's package and its units: `services.NAME.enable` and the like
{
  config,
  lib,
  pkgs,
  ...
}:

let
  # Option path → packages and the package's own units that are enabled, by the target that wants them.
  daemons = {
    "services.acpid" = { packages = [ "acpid" ]; units."acpid.service" = "multi-user.target"; };
    "services.atd" = { packages = [ "at" ]; units."atd.service" = "multi-user.target"; };
    "services.chrony" = { packages = [ "chrony" ]; units."chrony.service" = "multi-user.target"; };
    "services.cron" = { packages = [ "cron" ]; units."cron.service" = "multi-user.target"; };
    "services.dnsmasq" = { packages = [ "dnsmasq" ]; units."dnsmasq.service" = "multi-user.target"; };
    "services.earlyoom" = { packages = [ "earlyoom" ]; units."earlyoom.service" = "multi-user.target"; };
    "services.fail2ban" = { packages = [ "fail2ban" ]; units."fail2ban.service" = "multi-user.target"; };
    "services.fwupd" = { packages = [ "fwupd" ]; units = { }; };
    "services.haveged" = { packages = [ "haveged" ]; units."haveged.service" = "multi-user.target"; };
    "services.irqbalance" = { packages = [ "irqbalance" ]; units."irqbalance.service" = "multi-user.target"; };
    "services.lldpd" = { packages = [ "lldpd" ]; units."lldpd.service" = "multi-user.target"; };
    "services.ntp" = { packages = [ "ntpsec" ]; units."ntpsec.service" = "multi-user.target"; };
    "services.openntpd" = { packages = [ "openntpd" ]; units."openntpd.service" = "multi-user.target"; };
    "services.pcscd" = { packages = [ "pcscd" ]; units."pcscd.socket" = "sockets.target"; };
    "services.printing" = {
      packages = [ "cups" "cups-daemon" ];
      units = { "cups.service" = "multi-user.target"; "cups.socket" = "sockets.target"; };
    };
    "services.rsyslogd" = { packages = [ "rsyslog" ]; units."rsyslog.service" = "multi-user.target"; };
    "services.smartd" = { packages = [ "smartmontools" ]; units."smartmontools.service" = "multi-user.target"; };
    "services.spice-vdagentd" = { packages = [ "spice-vdagent" ]; units."spice-vdagentd.service" = "graphical.target"; };
    "services.thermald" = { packages = [ "thermald" ]; units."thermald.service" = "multi-user.target"; };
    "services.tlp" = { packages = [ "tlp" ]; units."tlp.service" = "multi-user.target"; };
    "services.udisks2" = { packages = [ "udisks2" ]; units."udisks2.service" = "graphical.target"; };
    "services.upower" = { packages = [ "upower" ]; units."upower.service" = "graphical.target"; };
    "services.usbmuxd" = { packages = [ "usbmuxd" ]; units = { }; };
    "services.vnstat" = { packages = [ "vnstat" ]; units."vnstat.service" = "multi-user.target"; };
    "services.fprintd" = { packages = [ "fprintd" ]; units = { }; };
    "security.auditd" = { packages = [ "auditd" ]; units."auditd.service" = "multi-user.target"; };
    "security.apparmor" = { packages = [ "apparmor" ]; units."apparmor.service" = "sysinit.target"; };
    "security.polkit" = { packages = [ "polkitd" ]; units."polkit.service" = "multi-user.target"; };
    "security.rtkit" = { packages = [ "rtkit" ]; units."rtkit-daemon.service" = "graphical.target"; };
    "virtualisation.docker" = {
      packages = [ "docker.io" "docker-cli" ];
      units = { "docker.service" = "multi-user.target"; "docker.socket" = "sockets.target"; };
      groups = [ "docker" ];
    };
    "virtualisation.podman" = { packages = [ "podman" "uidmap" ]; units."podman.socket" = "sockets.target"; };
    "virtualisation.libvirtd" = {
      packages = [ "libvirt-daemon-system" "libvirt-daemon" "libvirt-clients" ];
      units = { "libvirtd.service" = "multi-user.target"; "virtlogd.socket" = "sockets.target"; };
      groups = [ "libvirt" "kvm" ];
    };
    "virtualisation.lxc" = { packages = [ "lxc" ]; units = { }; };
    "hardware.sensor.iio" = { packages = [ "iio-sensor-proxy" ]; units = { }; };
    "services.blueman" = { packages = [ "blueman" ]; units = { }; };
    "services.flatpak" = { packages = [ "flatpak" ]; units = { }; };
  };

  path = name: lib.splitString "." name ++ [ "enable" ];

  enabled = lib.filterAttrs (name: _: lib.getAttrFromPath (path name) config) daemons;

  units = lib.concatMapAttrs (_: daemon: daemon.units) enabled;

  unitsOf =
    suffix:
    lib.mapAttrs'
      (
        name: target:
        lib.nameValuePair (lib.removeSuffix suffix name) {
          overrideStrategy = "asDropin";
          wantedBy = [ target ];
        }
      )
      (lib.filterAttrs (name: _: lib.hasSuffix suffix name) units);
in
{
  options = lib.foldl' (
    options: name:
    lib.recursiveUpdate options (
      lib.setAttrByPath (path name) (
        lib.mkOption {
          type = lib.types.bool;
          default = false;
          description = "Whether Debian's ${toString daemons.${name}.packages} runs, as Debian configures it.";
        }
      )
    )
  ) { } (lib.attrNames daemons);

  config = {
    environment.systemPackages = map (name: pkgs.${name}) (
      lib.concatMap (daemon: daemon.packages) (lib.attrValues enabled)
    );
    security.wrappers = lib.mkIf config.virtualisation.podman.enable (
      lib.genAttrs [ "newuidmap" "newgidmap" ] (program: {
        source = "/usr/bin/${program}";
        setuid = true;
      })
    );
    systemd.services = unitsOf ".service";
    systemd.sockets = unitsOf ".socket";
    users.groups = lib.genAttrs (lib.concatMap (daemon: daemon.groups or [ ]) (lib.attrValues enabled)) (
      _: { }
    );
  };
}
