# Who gets in: over ssh with a key as `nixos`, at the console without a word, and nobody with a password.
{
  config,
  lib,
  options,
  ...
}:

let
  inherit (import ./override.nix { inherit lib options; }) force has whereKnown;

  cfg = config.flk;
  isNixOS = has [ "system" "nssModules" ];

  hostKey = "/etc/ssh/ssh_host_ed25519_key";

  hasKeys =
    user: user.openssh.authorizedKeys.keys != [ ] || user.openssh.authorizedKeys.keyFiles != [ ];
  usersWithKeys = lib.filter (name: name != "root" && hasKeys config.users.users.${name}) (
    lib.attrNames config.users.users
  );
in
{
  # A machine without a console, that is: the live one may have one.
  disabledModules = [ "profiles/headless.nix" ];

  config = lib.mkMerge [
    {
      services.openssh = {
        enable = force true;
        startWhenNeeded = force false;
        ports = force [ 22 ];
        listenAddresses = force [ ];
        hostKeys = force [
          {
            type = "ed25519";
            path = hostKey;
          }
        ];
        # On NixOS this is also where the module writes its own lines, so it has to be said whole; of the rest sshd takes what comes first.
        extraConfig = force (
          lib.optionalString isNixOS ''
            AddressFamily any
            Port 22
            HostKey ${hostKey}
            AuthorizedKeysFile %h/.ssh/authorized_keys /etc/ssh/authorized_keys.d/%u
            Subsystem sftp internal-sftp
            UsePAM yes
            PrintMotd no
            PermitRootLogin no
            PasswordAuthentication no
            KbdInteractiveAuthentication no
          ''
          # `flk live prepare` writes it, if the medium has a certificate of the host key.
          + ''
            Include /run/flk/sshd.conf
          ''
        );
      };
    }
    (
      if has [ "services" "openssh" "settings" ] then
        {
          services.openssh.settings = force {
            PasswordAuthentication = false;
            KbdInteractiveAuthentication = false;
            PermitRootLogin = "no";
          };
        }
      else
        {
          services.openssh.passwordAuthentication = force false;
          services.openssh.permitRootLogin = force "no";
        }
    )
    (
      if has [ "services" "openssh" "settings" ] then
        { }
      else if has [ "services" "openssh" "kbdInteractiveAuthentication" ] then
        { services.openssh.kbdInteractiveAuthentication = force false; }
      else
        { services.openssh.challengeResponseAuthentication = force false; }
    )
    (whereKnown [ "services" "openssh" "authorizedKeysCommand" ] "none")
    # sops-nix opens secrets by the host's keys, and refuses to be without any; the live machine has another key, and opens none.
    (
      if has [ "sops" "age" "sshKeyPaths" ] then
        # A key file is told instead of them, and some versions want only one of both.
        whereKnown [ "sops" "age" "sshKeyPaths" ] (
          lib.optional (config.sops.age.keyFile or null == null) hostKey
        )
      else
        whereKnown [ "sops" "sshKeyPaths" ] [ hostKey ]
    )

    # The login user. Whoever has root's key on the host has the rights of root here: nobody logs in as root.
    {
      users.users.nixos = {
        isNormalUser = force true;
        extraGroups = [ "wheel" ];
        openssh.authorizedKeys = {
          inherit (config.users.users.root.openssh.authorizedKeys) keys keyFiles;
        };
      };
      # Whoever may log in may install, which only root can.
      users.groups.wheel.members = force (lib.unique ([ "nixos" ] ++ usersWithKeys));
      # NixOS before 21.11 refuses immutable ones that nobody can log in as.
      users.mutableUsers = force (isNixOS && cfg.live.allowNoKeys && !has [ "users" "allowNoPasswordLogin" ]);
      security.sudo.enable = force true;
      security.sudo.wheelNeedsPassword = force false;

      assertions = [
        {
          assertion = cfg.live.allowNoKeys || usersWithKeys != [ ];
          message = "users.users.nixos.openssh.authorizedKeys: no key at all is given, so nobody could log in to the live machine; add yours with `keys' or `keyFiles', or build with --no-keys";
        }
      ];
    }
    (whereKnown [ "security" "sudo-rs" "enable" ] false)
    # What is called sudo and is not.
    (
      if has [ "security" "run0" "sudo-shim" "enable" ] then
        whereKnown [ "security" "run0" "sudo-shim" "enable" ] false
      else
        whereKnown [ "security" "run0" "enableSudoAlias" ] false
    )
    # Without them, sudo is none.
    (whereKnown [ "security" "enableWrappers" ] true)
    (whereKnown [ "users" "allowNoPasswordLogin" ] true)
    # It makes no users that log in.
    (whereKnown [ "systemd" "sysusers" "enable" ] false)

    # Console: logged in, with a banner that says where the machine is to be found.
    (
      if has [ "services" "getty" "autologinUser" ] then
        { services.getty.autologinUser = force "nixos"; }
      else
        { services.mingetty.autologinUser = force "nixos"; }
    )
    (whereKnown [ "services" "getty" "autologinOnce" ] false)
    (whereKnown [ "services" "getty" "enable" ] true)
    (whereKnown [ "services" "kmscon" "enable" ] false)
    (whereKnown [ "console" "enable" ] true)
    (whereKnown [ "environment" "shell" "enable" ] true)
    (whereKnown [ "programs" "bash" "enable" ] true)
    # NixOS leaves the first console of a host with a desktop to that.
    (lib.optionalAttrs isNixOS { systemd.targets.getty.wants = force [ "autovt@tty1.service" ]; })
    # A desktop of the host waits for `systemctl isolate graphical.target`: the console is what everybody has.
    (whereKnown [ "systemd" "defaultUnit" ] "multi-user.target")
    {
      boot.kernelParams = [
        "console=ttyS0,115200n8"
        "console=tty0"
      ];
      environment.loginShellInit = ''
        if [ -z "''${SSH_CONNECTION-}" ] && [ -t 1 ]; then ${cfg.source}/bin/flk live banner; fi
      '';
    }
  ];
}
