# programs.flk.*: flk on the installed host, and what it needs there without a network.
{
  config,
  lib,
  pkgs,
  ...
}:

{
  options.programs.flk.enable = lib.mkOption {
    type = lib.types.bool;
    default = config.nix.enable;
    defaultText = "config.nix.enable";
    description = "Whether flk is there, with what evaluates the host's repository without a network.";
  };

  config = lib.mkIf config.programs.flk.enable {
    # The keyring is what `flk update` trusts a mirror by.
    environment.systemPackages = [
      pkgs.flk
      pkgs.debian-archive-keyring
    ];

    # Evaluation begins with the pinned archive's index; scripts are built by the sandbox's shell. pkgs.flk refers to the flake flk.
    system.extraDependencies = [
      pkgs.archive.index
      pkgs.sandboxShell
    ]
    ++ map (index: index.path) pkgs.archive.indices;
  };
}
