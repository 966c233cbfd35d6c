# A service as NixOS's modules have it (services/networking/connman.nix, and dhcpcd, avahi and NetworkManager likewise): with users, groups, a unit and
# a mount of its own. The live system turns it off, and nothing of it is left there but what the host itself says.
{
  config,
  lib,
  options,
  ...
}:
let
  cfg = config.services.connman;
  isLive = options.flk ? hostToplevel;
  none = set: names: lib.intersectLists (lib.attrNames set) names == [ ];
in
{
  options.services.connman.enable = lib.mkEnableOption "ConnMan";

  config = lib.mkMerge [
    (lib.mkIf cfg.enable {
      users.users.connman = {
        isSystemUser = true;
        group = "connman";
      };
      users.users.connman-vpn = {
        isSystemUser = true;
        group = "connman";
      };
      users.groups.connman = { };
      systemd.services.connman = {
        wantedBy = [ "multi-user.target" ];
        serviceConfig.ExecStart = "/usr/bin/true";
      };
      systemd.timers.connman.timerConfig.OnCalendar = "daily";
      fileSystems."/var/lib/connman" = {
        device = "tmpfs";
        fsType = "tmpfs";
      };
    })
    {
      assertions = [
        {
          assertion = isLive -> !cfg.enable;
          message = "the live system runs ConnMan";
        }
        {
          assertion =
            isLive
            -> none config.users.users [ "connman-vpn" ]
            && none config.users.groups [ "connman" ]
            && none config.systemd.services [ "connman" ]
            && none config.systemd.timers [ "connman" ]
            && none config.fileSystems [ "/var/lib/connman" ];
          message = "the live system has something of ConnMan's";
        }
        {
          # The host adds the user to a group.
          assertion = isLive -> config.users.users.connman.isSystemUser && config.users.users.connman.group == "nogroup";
          message = "the live system has a user that is neither a system user nor a normal one";
        }
        {
          assertion = isLive -> lib.all (user: user.hashedPassword == "!") (lib.attrValues config.users.users);
          message = "the live system has a user with a password";
        }
      ];
    }
  ];
}
