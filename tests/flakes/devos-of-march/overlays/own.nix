final: prev: { ofOverlays = "${final.ofPkgs}-overlays"; }
