# agenix: secrets are opened while the system is activated, by the host's ssh keys.
{ config, lib, ... }:
let
  cfg = config.age;
in
{
  options.age = {
    secrets = lib.mkOption {
      default = { };
      type = lib.types.attrsOf (
        lib.types.submodule (
          { name, ... }:
          {
            options = {
              file = lib.mkOption { type = lib.types.path; };
              path = lib.mkOption {
                type = lib.types.str;
                default = "/run/agenix/${name}";
              };
              owner = lib.mkOption {
                type = lib.types.str;
                default = "0";
              };
            };
          }
        )
      );
    };
    identityPaths = lib.mkOption {
      type = lib.types.listOf lib.types.path;
      default =
        if config.services.openssh.enable then
          map (key: key.path) (lib.filter (key: key.type == "rsa" || key.type == "ed25519") config.services.openssh.hostKeys)
        else
          [ ];
    };
  };

  config = lib.mkIf (cfg.secrets != { }) {
    assertions = [
      {
        assertion = cfg.identityPaths != [ ];
        message = "age.identityPaths must be set";
      }
    ];
    system.activationScripts.agenixInstall.text = lib.concatMapStrings (secret: ''
      echo opening ${secret.file} by ${toString cfg.identityPaths} for ${secret.path}
    '') (lib.attrValues cfg.secrets);
    system.activationScripts.agenix = {
      text = "";
      deps = [ "agenixInstall" ];
    };
  };
}
