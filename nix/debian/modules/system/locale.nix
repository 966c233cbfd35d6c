# time.*, i18n.*, console.*, documentation.*
{
  config,
  lib,
  pkgs,
  ...
}:

let
  i18n = config.i18n;

  # `en_US.UTF-8` or `en_US.UTF-8/UTF-8` → what localedef takes. C.UTF-8 comes with the C library.
  parse =
    locale:
    let
      bare = lib.head (lib.splitString "/" locale);
      parts = lib.splitString "." bare;
      modifier = lib.splitString "@" bare;
    in
    {
      name = bare;
      input =
        lib.head (lib.splitString "." (lib.head modifier))
        + lib.optionalString (lib.length modifier > 1) "@${lib.last modifier}";
      charset = if lib.length parts > 1 then lib.head (lib.splitString "@" (lib.last parts)) else "ISO-8859-1";
    };

  asked = lib.filter (
    locale:
    !lib.elem locale.name [
      "C"
      "C.UTF-8"
      "POSIX"
    ]
  ) (map parse (lib.unique ([ i18n.defaultLocale ] ++ i18n.wantedLocales)));

  # The archive of locales with one more. localedef adds to the archive that is there.
  addLocale =
    archive: locale:
    pkgs.builder.build {
      name = "locale-archive";
      command = "exec";
      parameters = {
        packages = map (name: pkgs.debian.raws.${name}) (pkgs.debian.closureOf [ "libc-bin" ]);
        command = [
          "localedef"
          "--prefix=@scratch@"
          "--no-warnings=ascii"
          "-i"
          locale.input
          "-f"
          locale.charset
          locale.name
        ];
        environment.I18NPATH = "@scratch@/i18n";
        scratch = [
          {
            path = "i18n/locales";
            link = "${pkgs.debian.raws.locales}/usr/share/i18n/locales";
          }
          {
            path = "i18n/charmaps/${locale.charset}";
            gunzip = "${pkgs.debian.raws.locales}/usr/share/i18n/charmaps/${locale.charset}.gz";
          }
          {
            path = "usr/lib/locale/.keep";
            text = "";
          }
        ]
        ++ lib.optional (archive != null) {
          path = "usr/lib/locale/locale-archive";
          copy = "${archive}";
        };
        result = "usr/lib/locale/locale-archive";
      };
    };

  flag =
    description:
    lib.mkOption {
      type = lib.types.bool;
      default = true;
      inherit description;
    };
in
{
  options = {
    time = {
      timeZone = lib.mkOption {
        type = lib.types.nullOr lib.types.str;
        default = null;
        description = "The time zone, such as `Europe/Berlin`; null: UTC, changed by `timedatectl`.";
      };
      hardwareClockInLocalTime = lib.mkOption {
        type = lib.types.bool;
        default = false;
        description = "Whether the hardware's clock shows local time.";
      };
    };

    i18n = {
      defaultLocale = lib.mkOption {
        type = lib.types.str;
        default = "en_US.UTF-8";
        description = "The locale.";
      };
      extraLocaleSettings = lib.mkOption {
        type = lib.types.attrsOf lib.types.str;
        default = { };
        description = "LC_* variables.";
      };
      supportedLocales = lib.mkOption {
        type = lib.types.listOf lib.types.str;
        default = [ ];
        description = "The locales that are made, such as `de_DE.UTF-8/UTF-8`.";
      };
      extraLocales = lib.mkOption {
        type = lib.types.either (lib.types.enum [ "all" ]) (lib.types.listOf lib.types.str);
        default = [ ];
        description = "Further locales that are made.";
      };
      wantedLocales = lib.mkOption {
        type = lib.types.listOf lib.types.str;
        internal = true;
        default =
          lib.filter (locale: locale != "all") i18n.supportedLocales
          ++ lib.optionals (lib.isList i18n.extraLocales) i18n.extraLocales
          ++ lib.attrValues i18n.extraLocaleSettings;
        description = "All locales that are made besides the default one.";
      };
    };

    console = {
      enable = flag "Whether there are virtual consoles.";
      keyMap = lib.mkOption {
        type = lib.types.either lib.types.str lib.types.path;
        default = "us";
        description = "The keyboard's layout on the console.";
      };
      font = lib.mkOption {
        type = lib.types.nullOr (lib.types.either lib.types.str lib.types.path);
        default = null;
        description = "The console's font.";
      };
      packages = lib.mkOption {
        type = lib.types.listOf lib.types.package;
        default = [ ];
        description = "Packages of fonts and layouts.";
      };
      earlySetup = lib.mkOption {
        type = lib.types.bool;
        default = false;
        description = "Accepted for NixOS's sake.";
      };
      useXkbConfig = lib.mkOption {
        type = lib.types.bool;
        default = false;
        description = "Whether the console's layout follows `services.xserver.xkb`.";
      };
      colors = lib.mkOption {
        type = lib.types.listOf lib.types.str;
        default = [ ];
        description = "The console's sixteen colours.";
      };
    };

    documentation = {
      enable = flag "Whether there is documentation.";
      man.enable = flag "Whether there are manual pages.";
      nixos.enable = flag "Accepted for NixOS's sake.";
      doc.enable = flag "Accepted for NixOS's sake.";
      info.enable = flag "Accepted for NixOS's sake.";
      dev.enable = lib.mkOption {
        type = lib.types.bool;
        default = false;
        description = "Accepted for NixOS's sake.";
      };
    };
  };

  config = {
    environment.systemPackages = [
      pkgs.tzdata
      pkgs.kbd
    ]
    ++ lib.optional config.documentation.man.enable pkgs.man-db
    ++ config.console.packages;

    environment.etc = {
      localtime = lib.mkIf (config.time.timeZone != null) {
        source = "/usr/share/zoneinfo/${config.time.timeZone}";
        mode = "direct-symlink";
      };
      "locale.conf".text =
        "LANG=${i18n.defaultLocale}\n"
        + lib.concatStrings (lib.mapAttrsToList (name: value: "${name}=${value}\n") i18n.extraLocaleSettings);
      "default/locale".text =
        "LANG=${i18n.defaultLocale}\n"
        + lib.concatStrings (lib.mapAttrsToList (name: value: "${name}=${value}\n") i18n.extraLocaleSettings);
      "vconsole.conf".text =
        "KEYMAP=${toString config.console.keyMap}\n"
        + lib.optionalString (config.console.font != null) "FONT=${toString config.console.font}\n";
      adjtime = lib.mkIf config.time.hardwareClockInLocalTime { text = "0.0 0 0.0\n0\nLOCAL\n"; };
    };

    environment.sessionVariables = {
      LANG = lib.mkDefault i18n.defaultLocale;
    }
    // i18n.extraLocaleSettings;

    system.build.locales = lib.foldl' addLocale null asked;
  };
}
