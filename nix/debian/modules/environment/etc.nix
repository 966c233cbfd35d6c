# environment.etc
{
  config,
  lib,
  pkgs,
  ...
}:

let
  enabled = lib.filter (file: file.enable) (lib.attrValues config.environment.etc);

  entry =
    {
      name,
      config,
      options,
      ...
    }:
    {
      options = {
        enable = lib.mkOption {
          type = lib.types.bool;
          default = true;
          description = "Whether the file is there.";
        };
        target = lib.mkOption {
          type = lib.types.str;
          default = name;
          description = "Its path under /etc.";
        };
        text = lib.mkOption {
          type = lib.types.nullOr lib.types.lines;
          default = null;
          description = "Its content.";
        };
        source = lib.mkOption {
          type = lib.types.path;
          description = "The file or folder that it is.";
        };
        mode = lib.mkOption {
          type = lib.types.str;
          default = "symlink";
          description = "`symlink`, `direct-symlink`, or an octal mode, with which it is a copy.";
        };
        uid = lib.mkOption {
          type = lib.types.int;
          default = 0;
          description = "Owner of a copy.";
        };
        gid = lib.mkOption {
          type = lib.types.int;
          default = 0;
          description = "Group of a copy.";
        };
        user = lib.mkOption {
          type = lib.types.str;
          default = "+${toString config.uid}";
          description = "Owner of a copy, by name.";
        };
        group = lib.mkOption {
          type = lib.types.str;
          default = "+${toString config.gid}";
          description = "Group of a copy, by name.";
        };
      };

      config = {
        source = lib.mkIf (config.text != null) (
          lib.mkDerivedConfig options.text (
            pkgs.writeText (lib.strings.sanitizeDerivationName "etc-${baseNameOf name}")
          )
        );
      };
    };
in
{
  options = {
    environment.etc = lib.mkOption {
      type = lib.types.attrsOf (lib.types.submodule entry);
      default = { };
      description = "Files under /etc.";
    };

    system.build = lib.mkOption {
      type = lib.types.lazyAttrsOf lib.types.unspecified;
      default = { };
      description = "What the system is built of.";
    };
  };

  config.system.build.etcEntries = map (file: {
    inherit (file) target mode;
    source = "${file.source}";
    refersToNothing = file.source.refersToNothing or false;
  }) (lib.sort (a: b: a.target < b.target) enabled);
}
