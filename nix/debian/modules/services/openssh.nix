# services.openssh.*
{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.services.openssh;

  yesNo = value: if value == true then "yes" else if value == false then "no" else toString value;

  # Lists are separated by commas where sshd_config(5) says so, by blanks otherwise.
  commaSeparated = [
    "Ciphers"
    "KexAlgorithms"
    "Macs"
    "MACs"
    "HostKeyAlgorithms"
    "PubkeyAcceptedAlgorithms"
    "CASignatureAlgorithms"
  ];

  line =
    name: value:
    lib.optionalString (value != null && value != [ ]) (
      "${if name == "Macs" then "MACs" else name} ${
        if lib.isList value then
          lib.concatMapStringsSep (if lib.elem name commaSeparated then "," else " ") yesNo value
        else
          yesNo value
      }\n"
    );

  keysOf =
    user:
    user.openssh.authorizedKeys.keys
    ++ map lib.fileContents (lib.filter builtins.pathExists user.openssh.authorizedKeys.keyFiles);

  loginUsers = lib.filterAttrs (_: user: user.enable && keysOf user != [ ]) config.users.users;

  # Those of several modules come together, as in NixOS.
  words = lib.types.either lib.types.str (lib.types.listOf lib.types.str);
  anySetting = lib.types.nullOr (
    lib.types.oneOf [
      lib.types.bool
      lib.types.int
      lib.types.path
      words
    ]
  );
  setting =
    default: description:
    lib.mkOption {
      type = anySetting;
      inherit default description;
    };
  list =
    description:
    lib.mkOption {
      type = lib.types.nullOr words;
      default = null;
      inherit description;
    };

  hostKey.options = {
    path = lib.mkOption {
      type = lib.types.str;
      description = "The private key's file.";
    };
    type = lib.mkOption {
      type = lib.types.str;
      description = "The key's type (ssh-keygen -t).";
    };
    bits = lib.mkOption {
      type = lib.types.nullOr lib.types.int;
      default = null;
      description = "The key's length in bits.";
    };
    comment = lib.mkOption {
      type = lib.types.str;
      default = "";
      description = "The key's comment.";
    };
    openSSHFormat = lib.mkOption {
      type = lib.types.bool;
      default = true;
      description = "Accepted for NixOS's sake.";
    };
    rounds = lib.mkOption {
      type = lib.types.nullOr lib.types.int;
      default = null;
      description = "Accepted for NixOS's sake.";
    };
  };
in
{
  imports =
    map
      (
        { from, to }:
        lib.mkRenamedOptionModule
          [
            "services"
            "openssh"
            from
          ]
          [
            "services"
            "openssh"
            "settings"
            to
          ]
      )
      [
        { from = "passwordAuthentication"; to = "PasswordAuthentication"; }
        { from = "permitRootLogin"; to = "PermitRootLogin"; }
        { from = "kbdInteractiveAuthentication"; to = "KbdInteractiveAuthentication"; }
        { from = "challengeResponseAuthentication"; to = "KbdInteractiveAuthentication"; }
        { from = "forwardX11"; to = "X11Forwarding"; }
        { from = "useDns"; to = "UseDns"; }
        { from = "gatewayPorts"; to = "GatewayPorts"; }
        { from = "logLevel"; to = "LogLevel"; }
        { from = "ciphers"; to = "Ciphers"; }
        { from = "macs"; to = "Macs"; }
        { from = "kexAlgorithms"; to = "KexAlgorithms"; }
      ];

  options = {
    services.openssh = {
      enable = lib.mkOption {
        type = lib.types.bool;
        default = false;
        description = "Whether sshd runs.";
      };
      package = lib.mkOption {
        type = lib.types.package;
        default = pkgs.openssh;
        defaultText = "pkgs.openssh";
        description = "The package.";
      };
      startWhenNeeded = lib.mkOption {
        type = lib.types.bool;
        default = false;
        description = "Whether sshd starts at the first connection.";
      };
      openFirewall = lib.mkOption {
        type = lib.types.bool;
        default = true;
        description = "Whether its ports are open.";
      };
      ports = lib.mkOption {
        type = lib.types.listOf lib.types.port;
        default = [ 22 ];
        description = "Its ports.";
      };
      listenAddresses = lib.mkOption {
        type = lib.types.listOf lib.types.attrs;
        default = [ ];
        description = "Its addresses, `{ addr; port; }`; empty: all.";
      };
      allowSFTP = lib.mkOption {
        type = lib.types.bool;
        default = true;
        description = "Whether SFTP is offered.";
      };
      sftpFlags = lib.mkOption {
        type = lib.types.listOf lib.types.str;
        default = [ ];
        description = "Arguments of sftp-server.";
      };
      banner = lib.mkOption {
        type = lib.types.nullOr lib.types.lines;
        default = null;
        description = "Shown before the login.";
      };
      authorizedKeysInHomedir = lib.mkOption {
        type = lib.types.bool;
        default = true;
        description = "Whether ~/.ssh/authorized_keys counts.";
      };
      authorizedKeysFiles = lib.mkOption {
        type = lib.types.listOf lib.types.str;
        default = [ ];
        description = "Files of authorized keys.";
      };
      authorizedKeysCommand = lib.mkOption {
        type = lib.types.str;
        default = "none";
        description = "A program that prints authorized keys.";
      };
      authorizedKeysCommandUser = lib.mkOption {
        type = lib.types.str;
        default = "nobody";
        description = "As whom it runs.";
      };
      hostKeys = lib.mkOption {
        type = lib.types.listOf (lib.types.submodule hostKey);
        default = [
          {
            type = "ed25519";
            path = "/etc/ssh/ssh_host_ed25519_key";
          }
          {
            type = "rsa";
            bits = 4096;
            path = "/etc/ssh/ssh_host_rsa_key";
          }
        ];
        description = "Its host keys; made where they are missing.";
      };
      settings = lib.mkOption {
        type = lib.types.submodule {
          freeformType = lib.types.attrsOf anySetting;
          options = {
            LogLevel = setting "INFO" "How much is logged.";
            UseDns = setting false "Whether names are looked up.";
            X11Forwarding = setting false "Whether X11 is forwarded.";
            PasswordAuthentication = setting true "Whether passwords are taken.";
            PermitRootLogin = setting "prohibit-password" "Whether root may log in.";
            KbdInteractiveAuthentication = setting true "Whether keyboard-interactive is offered.";
            GatewayPorts = setting "no" "Whether forwarded ports are open to others.";
            StrictModes = setting true "Whether modes of files are checked.";
            AllowUsers = list "Who may log in.";
            AllowGroups = list "Whose groups may log in.";
            DenyUsers = list "Who may not log in.";
            DenyGroups = list "Whose groups may not log in.";
            Ciphers = list "Ciphers.";
            Macs = list "Message authentication codes.";
            KexAlgorithms = list "Key exchanges.";
          };
        };
        default = { };
        description = "Settings of sshd_config(5).";
      };
      extraConfig = lib.mkOption {
        type = lib.types.lines;
        default = "";
        description = "Lines at the end of sshd_config.";
      };
      moduliFile = lib.mkOption {
        type = lib.types.str;
        default = "/etc/ssh/moduli";
        description = "Accepted for NixOS's sake.";
      };
      knownHosts = lib.mkOption {
        type = lib.types.attrsOf lib.types.attrs;
        default = { };
        internal = true;
        description = "The old name of `programs.ssh.knownHosts`.";
      };
    };

    programs.ssh = {
      extraConfig = lib.mkOption {
        type = lib.types.lines;
        default = "";
        description = "Lines of ssh_config(5).";
      };
      startAgent = lib.mkOption {
        type = lib.types.bool;
        default = false;
        description = "Whether an agent runs for every user.";
      };
      forwardX11 = lib.mkOption {
        type = lib.types.nullOr lib.types.bool;
        default = false;
        description = "Whether X11 is forwarded.";
      };
      knownHosts = lib.mkOption {
        type = lib.types.attrsOf (
          lib.types.submodule (
            { name, ... }:
            {
              options = {
                hostNames = lib.mkOption {
                  type = lib.types.listOf lib.types.str;
                  default = [ name ];
                  description = "The host's names.";
                };
                extraHostNames = lib.mkOption {
                  type = lib.types.listOf lib.types.str;
                  default = [ ];
                  description = "The host's further names.";
                };
                publicKey = lib.mkOption {
                  type = lib.types.nullOr lib.types.str;
                  default = null;
                  description = "The host's key.";
                };
                publicKeyFile = lib.mkOption {
                  type = lib.types.nullOr lib.types.path;
                  default = null;
                  description = "The file of the host's key.";
                };
                certAuthority = lib.mkOption {
                  type = lib.types.bool;
                  default = false;
                  description = "Whether the key is a certificate authority's.";
                };
              };
            }
          )
        );
        default = { };
        description = "Keys of hosts that everyone on the machine knows.";
      };
    };
  };

  config = lib.mkMerge [
    {
      environment.etc."ssh/ssh_known_hosts".text = lib.concatStrings (
        lib.mapAttrsToList (
          _: host:
          "${lib.optionalString host.certAuthority "@cert-authority "}${
            lib.concatStringsSep "," (host.hostNames ++ host.extraHostNames)
          } ${if host.publicKey != null then host.publicKey else lib.fileContents host.publicKeyFile}\n"
        ) config.programs.ssh.knownHosts
      );
      environment.etc."ssh/ssh_config.d/flk.conf".text = config.programs.ssh.extraConfig;
    }
    (lib.mkIf config.programs.ssh.startAgent {
      systemd.user.services.ssh-agent = {
        overrideStrategy = "asDropin";
        wantedBy = [ "default.target" ];
      };
    })
    (lib.mkIf cfg.enable {
      environment.systemPackages = [ cfg.package ];

      services.openssh.authorizedKeysFiles =
        lib.optional cfg.authorizedKeysInHomedir "%h/.ssh/authorized_keys"
        ++ [ "/etc/ssh/authorized_keys.d/%u" ];

      networking.firewall.allowedTCPPorts = lib.mkIf cfg.openFirewall cfg.ports;

      environment.etc = {
        "ssh/sshd_config".text =
          "# Written from `services.openssh' of the host.\n"
          + lib.concatMapStrings (port: "Port ${toString port}\n") cfg.ports
          + lib.concatMapStrings (
            address:
            "ListenAddress ${address.addr}${
              lib.optionalString (address.port or null != null) ":${toString address.port}"
            }\n"
          ) cfg.listenAddresses
          + lib.concatMapStrings (key: "HostKey ${key.path}\n") cfg.hostKeys
          + "UsePAM yes\nPrintMotd no\nAuthorizedKeysFile ${toString cfg.authorizedKeysFiles}\n"
          + lib.optionalString (cfg.authorizedKeysCommand != "none") "AuthorizedKeysCommand ${cfg.authorizedKeysCommand}\nAuthorizedKeysCommandUser ${cfg.authorizedKeysCommandUser}\n"
          + lib.optionalString (cfg.banner != null) "Banner ${pkgs.writeText "ssh-banner" cfg.banner}\n"
          + lib.optionalString cfg.allowSFTP "Subsystem sftp /usr/lib/openssh/sftp-server ${toString cfg.sftpFlags}\n"
          + lib.concatStrings (lib.mapAttrsToList line cfg.settings)
          + cfg.extraConfig;
      }
      // lib.mapAttrs' (
        name: user:
        lib.nameValuePair "ssh/authorized_keys.d/${name}" {
          text = lib.concatMapStrings (key: "${key}\n") (keysOf user);
          mode = "0444";
        }
      ) loginUsers;

      # Debian's ssh.service under NixOS's name.
      systemd.services.sshd = {
        description = "SSH daemon";
        # Nobody is to find the door shut in the middle of a switch.
        stopIfChanged = false;
        wantedBy = lib.mkIf (!cfg.startWhenNeeded) [ "multi-user.target" ];
        after = [ "network.target" ];
        preStart = lib.concatMapStrings (key: ''
          if ! [ -s ${lib.escapeShellArg key.path} ]; then
            mkdir -p ${lib.escapeShellArg (dirOf key.path)}
            /usr/bin/ssh-keygen -q -t ${key.type} ${
              lib.optionalString (key.bits != null) "-b ${toString key.bits}"
            } -C ${lib.escapeShellArg key.comment} -f ${lib.escapeShellArg key.path} -N ""
          fi
        '') cfg.hostKeys;
        serviceConfig = {
          ExecStart = "${cfg.package}/sbin/sshd -D -e -f /etc/ssh/sshd_config";
          ExecReload = "/bin/kill -HUP $MAINPID";
          KillMode = "process";
          Restart = "always";
          RestartSec = "1s";
          RuntimeDirectory = "sshd";
          RuntimeDirectoryMode = "0755";
          RuntimeDirectoryPreserve = true;
          Type = "notify";
        };
      };

      systemd.sockets.sshd = lib.mkIf cfg.startWhenNeeded {
        description = "SSH socket";
        wantedBy = [ "sockets.target" ];
        listenStreams = map toString cfg.ports;
        socketConfig.Service = "sshd.service";
      };
    })
  ];
}
