# nixpkgs.*, pkgs
{
  config,
  lib,
  channel,
  ...
}:

let
  cfg = config.nixpkgs;
in
{
  options.nixpkgs = {
    config = lib.mkOption {
      type = lib.types.attrs;
      default = { };
      description = "The package set's configuration. `allowUnfree` opens Debian's non-free-firmware.";
    };

    overlays = lib.mkOption {
      type = lib.types.listOf (lib.types.functionTo (lib.types.functionTo lib.types.attrs)) // {
        merge = _: definitions: lib.concatMap (definition: definition.value) definitions;
      };
      default = [ ];
      description = "Overlays over the package set.";
    };

    pkgs = lib.mkOption {
      type = lib.types.raw;
      default = channel.pkgs {
        config =
          cfg.config
          // lib.optionalAttrs config.hardware.enableRedistributableFirmware { allowUnfreeFirmware = true; };
        overlays = cfg.overlays;
      };
      defaultText = "Debian's packages, as flk.lock pins them";
      description = "The package set.";
    };

    system = lib.mkOption {
      type = lib.types.str;
      default = "x86_64-linux";
      description = "The host's platform.";
    };

    localSystem = lib.mkOption {
      type = lib.types.attrs;
      default.system = cfg.system;
      description = "The platform that builds.";
    };

    hostPlatform = lib.mkOption {
      type = lib.types.either lib.types.str lib.types.attrs;
      default = cfg.system;
      description = "The host's platform.";
    };
  };

  config = {
    _module.args.pkgs = lib.mkOverride 1000 cfg.pkgs;
    _module.unknownOptionsHint = "The built-in channel knows the options that hosts use most; nixpkgs has them all: `flk init --channel nixpkgs`.";
    assertions = [
      {
        assertion = cfg.system == "x86_64-linux" && cfg.hostPlatform.system or cfg.hostPlatform == "x86_64-linux";
        message = "nixpkgs.system: the built-in channel has packages for x86_64-linux only; use a nixpkgs flake for this host";
      }
    ];
  };
}
