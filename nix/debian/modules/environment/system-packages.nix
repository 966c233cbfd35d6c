# environment.systemPackages, environment.variables, shells
{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.environment;

  variableType = lib.types.attrsOf (
    lib.types.oneOf [
      (lib.types.listOf (lib.types.oneOf [ lib.types.int lib.types.str lib.types.path ]))
      lib.types.int
      lib.types.str
      lib.types.path
    ]
  );

  # nixpkgs' rule: the elements of a list are separated by colons.
  export =
    variables:
    lib.concatStrings (
      lib.mapAttrsToList (
        name: value:
        "export ${name}=\"${if lib.isList value then lib.concatMapStringsSep ":" toString value else toString value}\"\n"
      ) variables
    );
in
{
  options.environment = {
    systemPackages = lib.mkOption {
      type = lib.types.listOf lib.types.package;
      default = [ ];
      description = "Packages that everyone on the machine has.";
    };

    defaultPackages = lib.mkOption {
      type = lib.types.listOf lib.types.package;
      default = with pkgs; [
        perl
        rsync
        strace
      ];
      defaultText = "[ perl rsync strace ]";
      description = "Packages that are there unless removed.";
    };

    pathsToLink = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      default = [ ];
      description = "Accepted for NixOS's sake: on this channel every folder of a package is linked.";
    };

    variables = lib.mkOption {
      type = variableType;
      default = { };
      description = "Environment variables of every shell.";
    };

    sessionVariables = lib.mkOption {
      type = variableType;
      default = { };
      description = "Environment variables set when a session opens (PAM).";
    };

    shellAliases = lib.mkOption {
      type = lib.types.attrsOf (lib.types.nullOr (lib.types.either lib.types.str lib.types.path));
      default = { };
      description = "Aliases of interactive shells.";
    };

    shellInit = lib.mkOption {
      type = lib.types.lines;
      default = "";
      description = "Commands of every shell.";
    };

    loginShellInit = lib.mkOption {
      type = lib.types.lines;
      default = "";
      description = "Commands of login shells.";
    };

    interactiveShellInit = lib.mkOption {
      type = lib.types.lines;
      default = "";
      description = "Commands of interactive shells.";
    };

    extraInit = lib.mkOption {
      type = lib.types.lines;
      default = "";
      description = "Commands of every shell, after the others.";
    };

    homeBinInPath = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = "Whether ~/bin is on the PATH.";
    };

    localBinInPath = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = "Whether ~/.local/bin is on the PATH.";
    };

    shells = lib.mkOption {
      type = lib.types.listOf (lib.types.either lib.types.shellPackage lib.types.path);
      default = [ ];
      description = "Login shells that are allowed.";
    };
  };

  config = {
    environment.sessionVariables = lib.mapAttrs (_: lib.mkDefault) cfg.variables;

    environment.etc = {
      # Read by every POSIX shell at login; bash reads it through /etc/profile.
      "profile.d/00-flk.sh".text = ''
        export PATH="/run/wrappers/bin:/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"
        ${lib.optionalString cfg.localBinInPath ''export PATH="$HOME/.local/bin:$PATH"''}
        ${lib.optionalString cfg.homeBinInPath ''export PATH="$HOME/bin:$PATH"''}
        ${export cfg.variables}
        ${cfg.shellInit}
        ${cfg.loginShellInit}
        ${cfg.extraInit}
      '';
      # pam_env, for sessions without a shell (ssh HOST COMMAND).
      environment.text = ''
        PATH="/run/wrappers/bin:/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"
        ${lib.concatStrings (
          lib.mapAttrsToList (
            name: value:
            "${name}=\"${if lib.isList value then lib.concatMapStringsSep ":" toString value else toString value}\"\n"
          ) cfg.sessionVariables
        )}'';
      shells.text = ''
        /bin/sh
        /bin/bash
        /usr/bin/bash
        ${lib.concatMapStrings (shell: "${shell.shellPath or (toString shell)}\n") cfg.shells}'';
    };
  };
}
