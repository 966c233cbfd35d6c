final: prev: { ofPkgs = "pkgs"; }
