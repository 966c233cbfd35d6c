# fonts.*
{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.fonts;

  families =
    description:
    lib.mkOption {
      type = lib.types.listOf lib.types.str;
      default = [ ];
      inherit description;
    };

  alias =
    generic: names:
    lib.optionalString (names != [ ]) ''
      <alias binding="same">
        <family>${generic}</family>
        <prefer>${lib.concatMapStrings (name: "<family>${lib.escapeXML name}</family>") names}</prefer>
      </alias>
    '';
in
{
  imports = [ (lib.mkRenamedOptionModule [ "fonts" "fonts" ] [ "fonts" "packages" ]) ];

  options.fonts = {
    packages = lib.mkOption {
      type = lib.types.listOf lib.types.package;
      default = [ ];
      description = "Packages of fonts.";
    };
    enableDefaultPackages = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = "Whether the usual fonts are there.";
    };
    fontconfig = {
      enable = lib.mkOption {
        type = lib.types.bool;
        default = cfg.packages != [ ];
        defaultText = "whether there are fonts";
        description = "Whether fontconfig is there.";
      };
      defaultFonts = {
        serif = families "Families that `serif` stands for.";
        sansSerif = families "Families that `sans-serif` stands for.";
        monospace = families "Families that `monospace` stands for.";
        emoji = families "Families that `emoji` stands for.";
      };
      localConf = lib.mkOption {
        type = lib.types.lines;
        default = "";
        description = "The file /etc/fonts/local.conf.";
      };
    };
  };

  config = {
    environment.systemPackages =
      cfg.packages
      ++ lib.optional cfg.fontconfig.enable pkgs.fontconfig
      ++ lib.optionals cfg.enableDefaultPackages [
        pkgs.fonts-dejavu-core
        pkgs.fonts-noto-color-emoji
      ];
    environment.etc = lib.mkIf cfg.fontconfig.enable {
      "fonts/local.conf" = lib.mkIf (cfg.fontconfig.localConf != "") { text = cfg.fontconfig.localConf; };
      "fonts/conf.d/52-flk-defaults.conf".text = ''
        <?xml version="1.0"?>
        <!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
        <fontconfig>
        ${alias "serif" cfg.fontconfig.defaultFonts.serif}
        ${alias "sans-serif" cfg.fontconfig.defaultFonts.sansSerif}
        ${alias "monospace" cfg.fontconfig.defaultFonts.monospace}
        ${alias "emoji" cfg.fontconfig.defaultFonts.emoji}
        </fontconfig>
      '';
    };
  };
}
