{ pkgs, ... }: { networking.hostName = "${pkgs.ofPkgs}-${pkgs.ofOverlays}"; }
