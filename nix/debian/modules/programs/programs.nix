# programs.*
{
  config,
  lib,
  pkgs,
  ...
}:

let
  enable =
    name:
    lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = "Whether ${name} is there.";
    };

  lines =
    description:
    lib.mkOption {
      type = lib.types.lines;
      default = "";
      inherit description;
    };

  aliases =
    set:
    lib.concatStrings (
      lib.mapAttrsToList (
        name: command:
        lib.optionalString (command != null) "alias -- ${lib.escapeShellArg "${name}=${toString command}"}\n"
      ) set
    );

  cfg = config.programs;

  # Programs that need no more than to be there: option → packages.
  plain = {
    htop = [ pkgs.htop ];
    mtr = [ pkgs.mtr ];
    iftop = [ pkgs.iftop ];
    iotop = [ pkgs.iotop ];
    less = [ pkgs.less ];
    nano = [ pkgs.nano ];
    screen = [ pkgs.screen ];
    sysdig = [ ];
    traceroute = [ pkgs.traceroute ];
    usbtop = [ ];
    wireshark = [ pkgs.wireshark ];
    mosh = [ pkgs.mosh ];
    thefuck = [ pkgs.thefuck ];
    fuse = [ pkgs.fuse3 ];
    dconf = [ pkgs.dconf-gsettings-backend ];
    adb = [ pkgs.adb ];
    firefox = [ pkgs.firefox ];
    command-not-found = [ ];
    nix-ld = [ ];
  };

in
{
  options.programs = lib.mapAttrs (name: _: { enable = enable name; }) plain // {
    bash = {
      enable = lib.mkOption {
        type = lib.types.bool;
        default = true;
        description = "Accepted for NixOS's sake: bash is always there.";
      };
      enableCompletion = lib.mkOption {
        type = lib.types.bool;
        default = true;
        description = "Whether bash completes.";
      };
      completion.enable = lib.mkOption {
        type = lib.types.bool;
        default = cfg.bash.enableCompletion;
        description = "Whether bash completes.";
      };
      shellAliases = lib.mkOption {
        type = lib.types.attrsOf (lib.types.nullOr (lib.types.either lib.types.str lib.types.path));
        default = { };
        description = "Aliases.";
      };
      shellInit = lines "Commands of every bash.";
      loginShellInit = lines "Commands of a login bash.";
      interactiveShellInit = lines "Commands of an interactive bash.";
      promptInit = lib.mkOption {
        type = lib.types.lines;
        default = ''PS1='\u@\h:\w\$ ' '';
        description = "Commands that set the prompt.";
      };
      promptPluginInit = lines "Commands of prompt plugins.";
    };

    zsh = {
      enable = enable "zsh";
      enableCompletion = lib.mkOption {
        type = lib.types.bool;
        default = true;
        description = "Whether zsh completes.";
      };
      shellAliases = lib.mkOption {
        type = lib.types.attrsOf (lib.types.nullOr (lib.types.either lib.types.str lib.types.path));
        default = { };
        description = "Aliases.";
      };
      shellInit = lines "Commands of every zsh.";
      loginShellInit = lines "Commands of a login zsh.";
      interactiveShellInit = lines "Commands of an interactive zsh.";
      promptInit = lines "Commands that set the prompt.";
      autosuggestions.enable = enable "zsh's autosuggestions";
      syntaxHighlighting.enable = enable "zsh's syntax highlighting";
    };

    fish = {
      enable = enable "fish";
      shellInit = lines "Commands of every fish.";
      interactiveShellInit = lines "Commands of an interactive fish.";
      shellAliases = lib.mkOption {
        type = lib.types.attrsOf (lib.types.nullOr lib.types.str);
        default = { };
        description = "Aliases.";
      };
    };

    git = {
      enable = enable "git";
      package = lib.mkOption {
        type = lib.types.package;
        default = pkgs.git;
        defaultText = "pkgs.git";
        description = "The package.";
      };
      config = lib.mkOption {
        type = lib.types.attrsOf (lib.types.attrsOf lib.types.raw);
        default = { };
        description = "Settings of git-config(1), by section.";
      };
      lfs.enable = enable "git-lfs";
    };

    vim = {
      enable = enable "vim";
      defaultEditor = enable "vim as $EDITOR";
      package = lib.mkOption {
        type = lib.types.package;
        default = pkgs.vim;
        defaultText = "pkgs.vim";
        description = "The package.";
      };
    };

    neovim = {
      enable = enable "neovim";
      defaultEditor = enable "neovim as $EDITOR";
      viAlias = enable "vi as neovim";
      vimAlias = enable "vim as neovim";
    };

    gnupg.agent = {
      enable = enable "the GnuPG agent";
      enableSSHSupport = enable "the GnuPG agent for ssh";
      pinentryPackage = lib.mkOption {
        type = lib.types.nullOr lib.types.package;
        default = pkgs.pinentry-curses;
        defaultText = "pkgs.pinentry-curses";
        description = "Who asks for the passphrase.";
      };
    };

    starship.enable = enable "starship";
    direnv.enable = enable "direnv";
  };

  config = {
    environment.systemPackages = [
      pkgs.bash
      pkgs.coreutils
      pkgs.diffutils
      pkgs.findutils
      pkgs.gawk
      pkgs.gnugrep
      pkgs.gnused
      pkgs.gnutar
      pkgs.gzip
      pkgs.xz
      pkgs.zstd
      pkgs.less
      pkgs.nano
      pkgs.procps
      pkgs.psmisc
      pkgs.hostname
      pkgs.shadow
      pkgs.libpam-modules
      pkgs.libpam-runtime
      pkgs.netbase
      pkgs.ncurses-base
      pkgs.ncurses-bin
      pkgs.ncurses-term
      pkgs.dash
      pkgs.base-files
      pkgs.libc-bin
      pkgs.curl
      pkgs.which
      pkgs.pciutils
      pkgs.usbutils
    ]
    ++ lib.concatLists (lib.mapAttrsToList (name: packages: lib.optionals cfg.${name}.enable packages) plain)
    ++ lib.optional cfg.bash.completion.enable pkgs.bash-completion
    ++ lib.optional cfg.zsh.enable pkgs.zsh
    ++ lib.optional cfg.zsh.autosuggestions.enable pkgs.zsh-autosuggestions
    ++ lib.optional cfg.zsh.syntaxHighlighting.enable pkgs.zsh-syntax-highlighting
    ++ lib.optional cfg.fish.enable pkgs.fish
    ++ lib.optional cfg.git.enable cfg.git.package
    ++ lib.optional cfg.git.lfs.enable pkgs.git-lfs
    ++ lib.optional (cfg.vim.enable || cfg.vim.defaultEditor) cfg.vim.package
    ++ lib.optional cfg.neovim.enable pkgs.neovim
    ++ lib.optionals cfg.gnupg.agent.enable [ pkgs.gnupg pkgs.pinentry-curses ]
    ++ lib.optional cfg.direnv.enable pkgs.direnv
    ++ lib.optional cfg.starship.enable pkgs.starship;

    environment.variables = {
      EDITOR = lib.mkOverride 900 (
        if cfg.neovim.defaultEditor then
          "nvim"
        else if cfg.vim.defaultEditor then
          "vim"
        else
          "nano"
      );
      PAGER = lib.mkDefault "less";
    };

    environment.etc = {
      profile.text = ''
        # Written from the host's configuration.
        for file in /etc/profile.d/*.sh; do
          [ -r "$file" ] && . "$file"
        done
        unset file
        if [ -n "''${BASH-}" ]; then
          ${cfg.bash.shellInit}
          ${cfg.bash.loginShellInit}
          [ -r /etc/bash.bashrc ] && . /etc/bash.bashrc
        fi
      '';
      "bash.bashrc".text = ''
        # Written from the host's configuration.
        case $- in *i*) ;; *) return ;; esac
        shopt -s checkwinsize
        ${cfg.bash.promptInit}
        ${cfg.bash.promptPluginInit}
        ${lib.optionalString cfg.bash.completion.enable "[ -r /usr/share/bash-completion/bash_completion ] && . /usr/share/bash-completion/bash_completion"}
        ${aliases (config.environment.shellAliases // cfg.bash.shellAliases)}
        ${config.environment.interactiveShellInit}
        ${cfg.bash.interactiveShellInit}
      '';
      "zsh/zshrc" = lib.mkIf cfg.zsh.enable {
        text = ''
          ${lib.optionalString cfg.zsh.enableCompletion "autoload -U compinit && compinit"}
          ${aliases (config.environment.shellAliases // cfg.zsh.shellAliases)}
          ${config.environment.interactiveShellInit}
          ${cfg.zsh.shellInit}
          ${cfg.zsh.interactiveShellInit}
          ${cfg.zsh.promptInit}
        '';
      };
      "zsh/zprofile" = lib.mkIf cfg.zsh.enable {
        text = ''
          emulate sh -c '. /etc/profile'
          ${cfg.zsh.loginShellInit}
        '';
      };
      gitconfig = lib.mkIf (cfg.git.enable && cfg.git.config != { }) {
        text = lib.generators.toGitINI cfg.git.config;
      };
    };
  };
}
