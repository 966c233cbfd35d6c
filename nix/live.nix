# The live system: the host's own modules and, forced over them, what finds it on the link and lets its operator in.
# Written only against option names that NixOS has; where a name changed, `options` tells which one is there.
{
  config,
  lib,
  pkgs,
  options,
  ...
}:

let
  cfg = config.flk;
  flk = "${cfg.source}/bin/flk";
  force = lib.mkForce;

  has = path: lib.hasAttrByPath path options;

  # A definition for an option that only some releases have.
  whereKnown = path: value: lib.optionalAttrs (has path) (lib.setAttrByPath path value);

  hasKeys =
    user: user.openssh.authorizedKeys.keys != [ ] || user.openssh.authorizedKeys.keyFiles != [ ];
  usersWithKeys = lib.filter (name: name != "root" && hasKeys config.users.users.${name}) (
    lib.attrNames config.users.users
  );
in
{
  options.flk = {
    source = lib.mkOption {
      type = lib.types.str;
      description = "The store path of the flake flk, with its programs in `bin/`.";
    };
    host = lib.mkOption {
      type = lib.types.str;
      description = "The host's name in the repository.";
    };
    hostToplevel = lib.mkOption {
      type = lib.types.str;
      description = "The system that is installed from this one.";
    };
    repository = lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      default = null;
      description = "The repository's source as a store path; it is at /iso/devos.";
    };
    inputs = lib.mkOption {
      type = lib.types.attrsOf lib.types.str;
      default = { };
      description = "The sources of the repository's flake inputs, as store paths by name.";
    };
    live.allowNoKeys = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = "Whether an ISO that nobody can log in to over ssh is made all the same.";
    };
  };

  config = lib.mkMerge [
    # Links: systemd-networkd alone, with one network.
    {
      networking = {
        useNetworkd = force true;
        useDHCP = force false;
        usePredictableInterfaceNames = force true;
        dhcpcd.enable = force false;
        networkmanager.enable = force false;
        wireless.enable = force false;
        wireless.iwd.enable = force false;
        firewall.allowedTCPPorts = [ 22 ];
        firewall.allowedUDPPorts = [ 5353 ];
      };

      systemd.network = {
        enable = force true;
        netdevs = force { };
        networks = force {
          bootstrap-link-local = {
            matchConfig.Name = "en* wl* ww* eth*";
            networkConfig = {
              DHCP = "yes";
              MulticastDNS = "yes";
              LLMNR = "no";
              LinkLocalAddressing = "ipv6";
              IPv6LinkLocalAddressGenerationMode = "eui64";
            };
            address = [ "fe80::47/64" ];
          };
        };
      };
      # Nobody waits for a network that may never come.
      systemd.services.systemd-networkd-wait-online.enable = force false;
    }

    # Names: systemd-resolved answers HOST.local and announces `_flk._tcp`.
    {
      services.resolved.enable = force true;
      services.avahi.enable = force false;
    }
    (
      if has [ "services" "resolved" "settings" ] then
        {
          services.resolved.settings.Resolve = {
            MulticastDNS = force "yes";
            LLMNR = force "no";
          };
        }
      else
        {
          services.resolved.llmnr = force "false";
          services.resolved.extraConfig = "MulticastDNS=yes";
        }
    )

    # ssh: keys only, and nobody as root.
    {
      services.openssh = {
        enable = force true;
        startWhenNeeded = force false;
        ports = force [ 22 ];
        listenAddresses = force [ ];
        extraConfig = force "";
        hostKeys = force [
          {
            type = "ed25519";
            path = "/etc/ssh/ssh_host_ed25519_key";
          }
        ];
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
          services.openssh.challengeResponseAuthentication = force false;
          services.openssh.permitRootLogin = force "no";
        }
    )

    # Users: `nixos`, without any password.
    {
      users.users.nixos = {
        isNormalUser = force true;
        extraGroups = [ "wheel" ];
        hashedPassword = force "!";
      };
      users.users.root.hashedPassword = force "!";
      users.mutableUsers = force false;
      security.sudo.enable = force true;
      security.sudo.wheelNeedsPassword = force false;

      assertions = [
        {
          assertion = cfg.live.allowNoKeys || usersWithKeys != [ ];
          message = "users.users.nixos.openssh.authorizedKeys: no key at all is given, so nobody could log in to the live machine; add yours with `keys' or `keyFiles', or build with --no-keys";
        }
      ];
    }
    (whereKnown [ "users" "allowNoPasswordLogin" ] true)

    # Console: logged in, with a banner that says where the machine is to be found.
    (
      if has [ "services" "getty" "autologinUser" ] then
        { services.getty.autologinUser = force "nixos"; }
      else
        { services.mingetty.autologinUser = force "nixos"; }
    )
    {
      boot.kernelParams = [
        "console=ttyS0,115200n8"
        "console=tty0"
      ];
      environment.loginShellInit = ''
        if [ -z "''${SSH_CONNECTION-}" ] && [ -t 1 ]; then ${flk} live banner; fi
      '';
    }

    # The machine's identity and its announcements.
    {
      systemd.services.flk-prepare = {
        description = "The medium's ssh host key, and the announcement of this machine";
        wantedBy = [ "sysinit.target" ];
        before = [
          "systemd-resolved.service"
          "sshd.service"
          "sysinit.target"
        ];
        after = [ "local-fs.target" ];
        unitConfig = {
          DefaultDependencies = false;
          RequiresMountsFor = "/iso";
        };
        serviceConfig = {
          Type = "oneshot";
          RemainAfterExit = true;
          ExecStart = "${flk} live prepare";
        };
      };

      systemd.services.flk-hold-alias = {
        description = "Holder of the address fe80::47, as far as this machine may have it";
        wantedBy = [ "multi-user.target" ];
        after = [ "systemd-networkd.service" ];
        serviceConfig = {
          Type = "notify";
          ExecStart = "${flk} live hold-alias";
          Restart = "always";
          RestartSec = "2s";
        };
      };
    }

    # Tools of the installation, and the repository's inputs for Nix.
    {
      environment.systemPackages = with pkgs; [
        (linkFarm "flk" [
          {
            name = "bin/flk";
            path = flk;
          }
        ])
        git
        parted
        gptfdisk
        dosfstools
        e2fsprogs
        util-linux
      ];

      # The registry of the wide world is left out: without a network each `nix` would wait for it.
      nix.extraOptions = ''
        extra-experimental-features = nix-command flakes
        flake-registry = ${pkgs.writeText "flake-registry.json" ''{"flakes":[],"version":2}''}
      '';
      nix.registry = lib.mapAttrs (_: path: {
        to = force {
          type = "path";
          inherit path;
        };
      }) ({ flk = cfg.source; } // cfg.inputs);
    }
    (whereKnown [ "system" "nixos" "variant_id" ] (force "installer"))
  ];
}
