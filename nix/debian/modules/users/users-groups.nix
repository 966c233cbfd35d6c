# users.*
{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.users;

  # uid_t and gid_t have 32 bits, all of them set means none (credentials(7), chown(2)).
  idType = lib.types.ints.between 0 4294967294 // {
    description = "number of a user or group, 0 to 4294967294";
  };
  # What systemd takes for a name (systemd.io, "User/Group Name Syntax"), as text in unit files, sudoers and tmpfiles.d stays it.
  isName = name: builtins.match "[A-Za-z_][A-Za-z0-9_.-]{0,30}[$]?" name != null;

  # One assertion for each value that more than one has; `what` names the option, `shown` one of its holders.
  noTwo =
    {
      what,
      option,
      shown,
      values,
    }:
    lib.mapAttrsToList (value: holders: {
      assertion = lib.length holders == 1;
      message = "${what}: ${lib.concatMapStringsSep " and " shown holders} have one ${option}, ${value}: change one of them";
    }) (lib.groupBy (holder: toString holder.value) values);
  holders = attribute: set: lib.mapAttrsToList (key: item: { inherit key; value = item.${attribute}; }) set;
  byKey = holder: lib.strings.escapeNixIdentifier holder.key;
  hasValue = holder: holder.value != null;

  # Debian's base-passwd gives these their numbers; packages' own users come by their sysusers.d files.
  baseUsers = {
    root = { uid = 0; group = "root"; home = "/root"; shell = "/bin/bash"; };
    daemon = { uid = 1; group = "daemon"; home = "/usr/sbin"; };
    bin = { uid = 2; group = "bin"; home = "/bin"; };
    sys = { uid = 3; group = "sys"; home = "/dev"; };
    games = { uid = 5; group = "games"; home = "/usr/games"; };
    man = { uid = 6; group = "man"; home = "/var/cache/man"; };
    mail = { uid = 8; group = "mail"; home = "/var/mail"; };
    www-data = { uid = 33; group = "www-data"; home = "/var/www"; };
    backup = { uid = 34; group = "backup"; home = "/var/backups"; };
    nobody = { uid = 65534; group = "nogroup"; home = "/nonexistent"; };
    sshd = { uid = 75; group = "nogroup"; home = "/run/sshd"; };
  };

  baseGroups = {
    root = 0;
    daemon = 1;
    bin = 2;
    sys = 3;
    adm = 4;
    tty = 5;
    disk = 6;
    lp = 7;
    mail = 8;
    man = 12;
    kmem = 15;
    dialout = 20;
    cdrom = 24;
    floppy = 25;
    tape = 26;
    sudo = 27;
    audio = 29;
    dip = 30;
    www-data = 33;
    backup = 34;
    operator = 37;
    shadow = 42;
    utmp = 43;
    video = 44;
    plugdev = 46;
    games = 60;
    users = 100;
    wheel = 199;
    nogroup = 65534;
  };

  userType =
    { name, config, ... }:
    {
      options = {
        name = lib.mkOption {
          type = lib.types.passwdEntry lib.types.str;
          default = name;
          description = "The user's name.";
        };
        enable = lib.mkOption {
          type = lib.types.bool;
          default = true;
          description = "Whether the user exists.";
        };
        description = lib.mkOption {
          type = lib.types.passwdEntry lib.types.str;
          default = "";
          description = "The user's full name.";
        };
        uid = lib.mkOption {
          type = lib.types.nullOr idType;
          default = null;
          description = "The user's number; the next free one where null.";
        };
        isSystemUser = lib.mkOption {
          type = lib.types.bool;
          default = false;
          description = "Whether the user is a service's.";
        };
        isNormalUser = lib.mkOption {
          type = lib.types.bool;
          default = false;
          description = "Whether the user is a person: a home folder, the group `users`, a login shell.";
        };
        group = lib.mkOption {
          type = lib.types.str;
          default = "";
          description = "The user's primary group.";
        };
        extraGroups = lib.mkOption {
          type = lib.types.listOf lib.types.str;
          default = [ ];
          description = "The user's further groups.";
        };
        home = lib.mkOption {
          type = lib.types.passwdEntry lib.types.path;
          default = "/var/empty";
          description = "The user's home folder.";
        };
        homeMode = lib.mkOption {
          type = lib.types.strMatching "[0-7]{1,5}";
          default = "700";
          description = "The home folder's mode.";
        };
        createHome = lib.mkOption {
          type = lib.types.bool;
          default = false;
          description = "Whether the home folder is made.";
        };
        useDefaultShell = lib.mkOption {
          type = lib.types.bool;
          default = false;
          description = "Whether the shell is `users.defaultUserShell`.";
        };
        shell = lib.mkOption {
          type = lib.types.nullOr (
            lib.types.either lib.types.shellPackage (lib.types.passwdEntry lib.types.path)
          );
          default = "/usr/sbin/nologin";
          description = "The login shell.";
        };
        linger = lib.mkOption {
          type = lib.types.bool;
          default = false;
          description = "Whether the user's services run without a session.";
        };
        packages = lib.mkOption {
          type = lib.types.listOf lib.types.package;
          default = [ ];
          description = "Packages for the user. On this channel everyone on the machine has them.";
        };
        password = lib.mkOption {
          type = lib.types.nullOr lib.types.str;
          default = null;
          description = "Not on this channel: a password in clear text would be in the world-readable store.";
        };
        initialPassword = lib.mkOption {
          type = lib.types.nullOr lib.types.str;
          default = null;
          description = "Not on this channel: use `initialHashedPassword`.";
        };
        hashedPassword = lib.mkOption {
          type = lib.types.nullOr (lib.types.passwdEntry lib.types.str);
          default = null;
          description = "The password's hash (`mkpasswd`).";
        };
        initialHashedPassword = lib.mkOption {
          type = lib.types.nullOr (lib.types.passwdEntry lib.types.str);
          default = null;
          description = "The hash of the password that the user is made with.";
        };
        hashedPasswordFile = lib.mkOption {
          type = lib.types.nullOr lib.types.str;
          default = null;
          description = "A file on the machine with the password's hash.";
        };
        passwordFile = lib.mkOption {
          type = lib.types.nullOr lib.types.str;
          default = null;
          description = "The old name of `hashedPasswordFile`.";
        };
        subUidRanges = lib.mkOption {
          type = lib.types.listOf lib.types.attrs;
          default = [ ];
          description = "Subordinate user numbers.";
        };
        subGidRanges = lib.mkOption {
          type = lib.types.listOf lib.types.attrs;
          default = [ ];
          description = "Subordinate group numbers.";
        };
        autoSubUidGidRange = lib.mkOption {
          type = lib.types.bool;
          default = config.isNormalUser;
          description = "Whether subordinate numbers are given.";
        };
        openssh.authorizedKeys = {
          keys = lib.mkOption {
            type = lib.types.listOf lib.types.singleLineStr;
            default = [ ];
            description = "Public keys with which the user may log in.";
          };
          keyFiles = lib.mkOption {
            type = lib.types.listOf lib.types.path;
            default = [ ];
            description = "Files of public keys with which the user may log in.";
          };
        };
      };

      config = lib.mkMerge [
        (lib.mkIf config.isNormalUser {
          group = lib.mkDefault "users";
          createHome = lib.mkDefault true;
          home = lib.mkDefault "/home/${config.name}";
          useDefaultShell = lib.mkDefault true;
        })
        (lib.mkIf config.useDefaultShell { shell = lib.mkOverride 900 cfg.defaultUserShell; })
        (lib.mkIf (config.passwordFile != null) { hashedPasswordFile = lib.mkDefault config.passwordFile; })
      ];
    };

  groupType =
    { name, ... }:
    {
      options = {
        name = lib.mkOption {
          type = lib.types.passwdEntry lib.types.str;
          default = name;
          description = "The group's name.";
        };
        gid = lib.mkOption {
          type = lib.types.nullOr idType;
          default = null;
          description = "The group's number; the next free one where null.";
        };
        members = lib.mkOption {
          type = lib.types.listOf (lib.types.passwdEntry lib.types.str);
          default = [ ];
          description = "The group's members besides those whose `extraGroups` name it.";
        };
      };
    };

  users = lib.filter (user: user.enable) (lib.attrValues cfg.users);
  enabledUsers = holders "name" (lib.filterAttrs (_: user: user.enable) cfg.users);

  shellPath =
    shell:
    if shell == null then
      "/usr/sbin/nologin"
    else if shell ? shellPath then
      "${shell}${shell.shellPath}"
    else if lib.isDerivation shell then
      "/usr/bin/${shell.meta.mainProgram or shell.pname}"
    else
      toString shell;
in
{
  options.users = {
    mutableUsers = lib.mkOption {
      type = lib.types.bool;
      default = true;
      description = "Whether `passwd` and `useradd` on the machine have a lasting effect.";
    };

    users = lib.mkOption {
      type = lib.types.attrsOf (lib.types.submodule userType);
      default = { };
      description = "The users.";
    };

    groups = lib.mkOption {
      type = lib.types.attrsOf (lib.types.submodule groupType);
      default = { };
      description = "The groups.";
    };

    defaultUserShell = lib.mkOption {
      type = lib.types.either lib.types.path lib.types.shellPackage;
      default = "/bin/bash";
      description = "The shell of users who name none.";
    };

    enforceIdUniqueness = lib.mkOption {
      type = lib.types.bool;
      default = true;
      description = "Whether two users, or two groups, with one number are an error.";
    };

    allowNoPasswordLogin = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = "Whether a host that nobody could log in to is allowed.";
    };

    motd = lib.mkOption {
      type = lib.types.nullOr lib.types.lines;
      default = null;
      description = "The message of the day.";
    };
  };

  config = {
    users.users = lib.mapAttrs (
      name: user:
      {
        isSystemUser = lib.mkDefault (name != "root");
      }
      // lib.mapAttrs (_: lib.mkDefault) user
    ) baseUsers;

    users.groups = lib.mapAttrs (_: gid: { gid = lib.mkDefault gid; }) baseGroups;

    environment.systemPackages = lib.concatMap (user: user.packages) users;

    environment.etc = lib.mkMerge [
      (lib.mkIf (cfg.motd != null) { motd.text = cfg.motd; })
      (lib.mkMerge (
        map (user: {
          "tmpfiles.d/linger-${user.name}.conf".text = "f /var/lib/systemd/linger/${user.name}\n";
        }) (lib.filter (user: user.linger) users)
      ))
    ];

    assertions =
      lib.concatMap (user: [
        {
          assertion = user.isSystemUser != user.isNormalUser || user.name == "root";
          message = "users.users.${user.name}: exactly one of `isSystemUser' and `isNormalUser' must be set";
        }
        {
          assertion = user.group != "";
          message = "users.users.${user.name}.group is not set: name a group, such as `users.users.${user.name}.group = \"${user.name}\"; users.groups.${user.name} = {};'";
        }
        {
          assertion = user.group == "" || cfg.groups ? ${user.group};
          message = "users.users.${user.name}.group: there is no group `${user.group}': declare it with `users.groups.${user.group} = {};'";
        }
        {
          assertion = user.password == null && user.initialPassword == null;
          message = "users.users.${user.name}: a password in clear text would be readable by everyone in the Nix store: use `hashedPassword' or `initialHashedPassword' (made by `mkpasswd')";
        }
        {
          assertion = lib.all (file: builtins.pathExists file) user.openssh.authorizedKeys.keyFiles;
          message = "users.users.${user.name}.openssh.authorizedKeys.keyFiles: no such file in the repository: ${
            lib.concatMapStringsSep ", " toString (
              lib.filter (file: !builtins.pathExists file) user.openssh.authorizedKeys.keyFiles
            )
          } (is it tracked by git? `git add' it)";
        }
      ]) users
      ++ map (named: {
        assertion = isName named.value;
        message = "users.${named.of}.${byKey named}: ${builtins.toJSON named.value} is not a valid name: one begins with a letter or `_' and has letters, digits, `_', `.' and `-', at most 31";
      }) (map (user: user // { of = "users"; }) enabledUsers ++ map (group: group // { of = "groups"; }) (holders "name" cfg.groups))
      ++ noTwo {
        what = "users.users";
        option = "name";
        shown = byKey;
        values = enabledUsers;
      }
      ++ noTwo {
        what = "users.groups";
        option = "name";
        shown = byKey;
        values = holders "name" cfg.groups;
      }
      ++ lib.optionals cfg.enforceIdUniqueness (
        noTwo {
          what = "users.users";
          option = "uid";
          shown = byKey;
          values = lib.filter hasValue (holders "uid" (lib.filterAttrs (_: user: user.enable) cfg.users));
        }
        ++ noTwo {
          what = "users.groups";
          option = "gid";
          shown = byKey;
          values = lib.filter hasValue (holders "gid" cfg.groups);
        }
      );

    system.build.stage2Users = {
      inherit (cfg) mutableUsers;
      users = map (user: {
        inherit (user)
          name
          uid
          group
          extraGroups
          home
          homeMode
          createHome
          description
          hashedPassword
          initialHashedPassword
          hashedPasswordFile
          isSystemUser
          ;
        autoSubUidGidRange = user.autoSubUidGidRange;
        shell = shellPath user.shell;
      }) users;
      groups = map (group: { inherit (group) name gid members; }) (lib.attrValues cfg.groups);
    };
  };
}
