# sops-nix: a key file, the host's ssh keys or GnuPG, of which some exclude each other.
{ config, lib, ... }:
let
  cfg = config.sops;
  keys =
    type:
    if config.services.openssh.enable then
      map (key: key.path) (lib.filter (key: key.type == type) config.services.openssh.hostKeys)
    else
      [ ];
  paths =
    default:
    lib.mkOption {
      type = lib.types.listOf lib.types.path;
      inherit default;
    };
  maybe = lib.mkOption {
    type = lib.types.nullOr lib.types.str;
    default = null;
  };
in
{
  imports = [
    (lib.mkRenamedOptionModule [ "sops" "gnupgHome" ] [ "sops" "gnupg" "home" ])
    (lib.mkRenamedOptionModule [ "sops" "sshKeyPaths" ] [ "sops" "gnupg" "sshKeyPaths" ])
  ];

  options.sops = {
    secrets = lib.mkOption {
      default = { };
      type = lib.types.attrsOf (
        lib.types.submodule (
          { name, ... }:
          {
            options = {
              sopsFile = lib.mkOption { type = lib.types.path; };
              neededForUsers = lib.mkOption {
                type = lib.types.bool;
                default = false;
              };
              path = lib.mkOption {
                type = lib.types.str;
                default = "/run/secrets/${name}";
              };
            };
          }
        )
      );
    };
    age.keyFile = maybe;
    age.sshKeyPaths = paths (keys "ed25519");
    gnupg.home = maybe;
    gnupg.sshKeyPaths = paths (keys "rsa");
  };

  config = lib.mkIf (cfg.secrets != { }) {
    assertions = [
      {
        assertion = cfg.gnupg.home != null || cfg.gnupg.sshKeyPaths != [ ] || cfg.age.keyFile != null || cfg.age.sshKeyPaths != [ ];
        message = "No key source configured for sops";
      }
      {
        assertion = !(cfg.gnupg.home != null && cfg.gnupg.sshKeyPaths != [ ]);
        message = "Exactly one of sops.gnupg.home and sops.gnupg.sshKeyPaths must be set";
      }
      {
        assertion = !(cfg.age.keyFile != null && cfg.age.sshKeyPaths != [ ]);
        message = "sops.age.keyFile is mutually exclusive with sops.age.sshKeyPaths";
      }
    ];
    system.activationScripts.setupSecrets.text = "echo ${
      toString (map (secret: "${secret.sopsFile}") (lib.attrValues cfg.secrets))
    }";
  };
}
