{
  description = "My machines";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
    # flk itself resolves this input, and writes its lock.
    flk.url = "flk";
  };

  outputs =
    {
      self,
      nixpkgs,
      flk,
    }@inputs:
    {
      # Every hosts/NAME.nix and hosts/NAME/default.nix is the host NAME.
      nixosConfigurations = flk.lib.mkHosts { inherit self inputs nixpkgs; };

      # `nix run .# -- iso NixOS`
      inherit (flk) apps;

      # `nix develop`: flk and git, also on the live machine.
      devShells.x86_64-linux.default = flk.lib.devShell {
        inherit self nixpkgs;
        packages = pkgs: [ pkgs.git ];
      };
    };
}
