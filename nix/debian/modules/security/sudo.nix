# security.sudo.*
{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.security.sudo;

  commandText =
    command:
    if lib.isString command then
      command
    else
      "${lib.concatMapStrings (option: "${option}: ") command.options}${command.command}";

  ruleText =
    rule:
    let
      who =
        map (user: if lib.isInt user then "#${toString user}" else user) rule.users
        ++ map (group: if lib.isInt group then "%#${toString group}" else "%${group}") rule.groups;
    in
    lib.optionalString (rule.commands != [ ]) (
      lib.concatMapStrings (
        name:
        "${name} ${rule.host}=(${rule.runAs}) ${lib.concatMapStringsSep ", " commandText rule.commands}\n"
      ) who
    );

  commandType = lib.types.submodule {
    options = {
      command = lib.mkOption {
        type = lib.types.str;
        description = "A command, or `ALL`.";
      };
      options = lib.mkOption {
        type = lib.types.listOf (
          lib.types.enum [
            "NOPASSWD"
            "PASSWD"
            "NOEXEC"
            "EXEC"
            "SETENV"
            "NOSETENV"
            "LOG_INPUT"
            "NOLOG_INPUT"
            "LOG_OUTPUT"
            "NOLOG_OUTPUT"
          ]
        );
        default = [ ];
        description = "sudo's tags for it.";
      };
    };
  };

  ruleType = lib.types.submodule {
    options = {
      users = lib.mkOption {
        type = lib.types.listOf (lib.types.either lib.types.str lib.types.int);
        default = [ ];
        description = "Users for whom it holds.";
      };
      groups = lib.mkOption {
        type = lib.types.listOf (lib.types.either lib.types.str lib.types.int);
        default = [ ];
        description = "Groups for whom it holds.";
      };
      host = lib.mkOption {
        type = lib.types.str;
        default = "ALL";
        description = "Hosts on which it holds.";
      };
      runAs = lib.mkOption {
        type = lib.types.str;
        default = "ALL:ALL";
        description = "As whom the commands may be run.";
      };
      commands = lib.mkOption {
        type = lib.types.listOf (lib.types.either lib.types.str commandType);
        description = "The commands.";
      };
    };
  };
in
{
  options.security.sudo = {
    enable = lib.mkOption {
      type = lib.types.bool;
      default = true;
      description = "Whether sudo is there.";
    };
    package = lib.mkOption {
      type = lib.types.package;
      default = pkgs.sudo;
      defaultText = "pkgs.sudo";
      description = "The package.";
    };
    wheelNeedsPassword = lib.mkOption {
      type = lib.types.bool;
      default = true;
      description = "Whether members of `wheel` give their password.";
    };
    execWheelOnly = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = "Whether only members of `wheel` may run sudo.";
    };
    extraRules = lib.mkOption {
      type = lib.types.listOf ruleType;
      default = [ ];
      description = "Rules, the later stronger.";
    };
    extraConfig = lib.mkOption {
      type = lib.types.lines;
      default = "";
      description = "Lines at the end of sudoers.";
    };
    configFile = lib.mkOption {
      type = lib.types.lines;
      default = "";
      description = "The whole of sudoers.";
    };
  };

  config = lib.mkIf cfg.enable {
    security.sudo.extraRules = lib.mkBefore [
      {
        users = [ "root" ];
        commands = [
          {
            command = "ALL";
            options = [ "SETENV" ];
          }
        ];
      }
      {
        groups = [ "wheel" ];
        commands = [
          {
            command = "ALL";
            options = lib.optional (!cfg.wheelNeedsPassword) "NOPASSWD" ++ [ "SETENV" ];
          }
        ];
      }
    ];

    security.sudo.configFile = lib.mkMerge [
      (lib.mkBefore ''
        # Written from `security.sudo' of the host.
        Defaults env_keep += "SSH_AUTH_SOCK"
        Defaults secure_path = "/run/wrappers/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
      '')
      (lib.concatMapStrings ruleText cfg.extraRules)
      (lib.mkAfter cfg.extraConfig)
    ];

    environment.systemPackages = [ cfg.package ];
    environment.etc.sudoers = {
      text = cfg.configFile;
      mode = "0440";
    };

    security.wrappers.sudo = {
      source = "/usr/bin/sudo";
      setuid = true;
      group = lib.mkIf cfg.execWheelOnly "wheel";
      permissions = lib.mkIf cfg.execWheelOnly "u+rx,g+x";
    };
  };
}
