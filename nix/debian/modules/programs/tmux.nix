# programs.tmux.*
{ config, lib, pkgs, ... }:

let
  cfg = config.programs.tmux;
in
{
  options.programs.tmux = {
    enable = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = "Whether tmux is there.";
    };
    aggressiveResize = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = "Whether a window is as large as the smallest session that shows it.";
    };
    baseIndex = lib.mkOption {
      type = lib.types.int;
      default = 0;
      description = "The number of the first window.";
    };
    clock24 = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = "Whether the clock has 24 hours.";
    };
    escapeTime = lib.mkOption {
      type = lib.types.int;
      default = 500;
      description = "How long tmux waits after Escape, in milliseconds.";
    };
    historyLimit = lib.mkOption {
      type = lib.types.int;
      default = 2000;
      description = "Lines of history.";
    };
    keyMode = lib.mkOption {
      type = lib.types.enum [
        "emacs"
        "vi"
      ];
      default = "emacs";
      description = "The keys' style.";
    };
    shortcut = lib.mkOption {
      type = lib.types.str;
      default = "b";
      description = "The prefix, with Ctrl.";
    };
    terminal = lib.mkOption {
      type = lib.types.str;
      default = "screen";
      description = "$TERM in tmux.";
    };
    newSession = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = "Whether attaching without a session makes one.";
    };
    extraConfig = lib.mkOption {
      type = lib.types.lines;
      default = "";
      description = "Lines of tmux.conf.";
    };
  };

  config = lib.mkIf cfg.enable {
    environment.systemPackages = [ pkgs.tmux ];
    environment.etc."tmux.conf".text = ''
      set  -g default-terminal "${cfg.terminal}"
      set  -g base-index      ${toString cfg.baseIndex}
      setw -g pane-base-index ${toString cfg.baseIndex}
      ${lib.optionalString cfg.newSession "new-session"}
      set -g status-keys ${cfg.keyMode}
      set -g mode-keys   ${cfg.keyMode}
      ${lib.optionalString (cfg.shortcut != "b") ''
        unbind C-b
        set -g prefix C-${cfg.shortcut}
        bind C-${cfg.shortcut} send-prefix
      ''}
      setw -g aggressive-resize ${if cfg.aggressiveResize then "on" else "off"}
      setw -g clock-mode-style  ${if cfg.clock24 then "24" else "12"}
      set  -s escape-time       ${toString cfg.escapeTime}
      set  -g history-limit     ${toString cfg.historyLimit}
      ${cfg.extraConfig}
    '';
  };
}
