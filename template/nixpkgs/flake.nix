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
      # Every hosts/NAME.nix but default.nix is the host NAME.
      nixosConfigurations = flk.lib.mkHosts { inherit self inputs nixpkgs; };

      # `nix run .# -- iso NixOS`
      inherit (flk) apps;

      # `nix develop`
      devShells.x86_64-linux.default =
        let
          pkgs = nixpkgs.legacyPackages.x86_64-linux;
        in
        pkgs.mkShell {
          packages = [ pkgs.git ];
          shellHook = "PATH=${flk}/bin:$PATH";
        };
    };
}
