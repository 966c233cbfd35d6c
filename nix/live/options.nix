# flk.live.*: what a host says of its live system. Hosts of `lib.mkHosts` have it, and so has every live system.
{ lib, ... }:

{
  # One module, whichever copies of flk it comes from.
  key = "flk.live";

  options.flk.live = {
    allowNoKeys = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = "Whether an ISO that nobody can log in to over ssh is made all the same.";
    };
    devShell = lib.mkOption {
      type = lib.types.bool;
      default = true;
      description = "Whether the ISO carries what `nix develop` in the repository needs: the packages of the flake's `devShells.SYSTEM.default`.";
    };
    disable = lib.mkOption {
      type = lib.types.listOf (lib.types.either lib.types.str lib.types.path);
      default = [ ];
      example = [
        "nginx"
        "backup.timer"
        "services/databases/postgresql.nix"
      ];
      description = ''
        What the live system does without: units, by name (without a suffix, a service), and modules, which are left out of it: by path, or, one of
        NixOS's own, as text that ends in `.nix`, below NixOS's `nixos/modules`.
      '';
    };
  };
}
