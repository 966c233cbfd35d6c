# Kernel modules that the medium is read with, which a host may forbid itself (CIS's benchmarks forbid squashfs and usb-storage): the host's lists
# without them. modprobe.d(5) has both ways to forbid one: `blacklist` and `install`.
{ host }:

{ lib, ... }:

let
  force = lib.mkOverride 40;
  boot = host.config.boot or { };

  # modprobe takes `-` and `_` for the same.
  normalised = builtins.replaceStrings [ "-" ] [ "_" ];
  isOfMedium =
    name:
    lib.elem (normalised name) [
      "ahci"
      "cdrom"
      "ehci_hcd"
      "ehci_pci"
      "isofs"
      "loop"
      "overlay"
      "sd_mod"
      "sr_mod"
      "squashfs"
      "uas"
      "uhci_hcd"
      "usb_storage"
      "xhci_hcd"
      "xhci_pci"
    ];

  forbidsMedium =
    line:
    let
      words = builtins.match "[[:space:]]*(blacklist|install)[[:space:]]+([^[:space:]]+).*" line;
    in
    words != null && isOfMedium (lib.elemAt words 1);
  lines = lib.splitString "\n" (boot.extraModprobeConfig or "");
in
{
  _file = ./kernel-modules.nix;

  config.boot = lib.mkMerge [
    (lib.optionalAttrs (lib.any isOfMedium (boot.blacklistedKernelModules or [ ])) {
      blacklistedKernelModules = force (lib.filter (name: !isOfMedium name) boot.blacklistedKernelModules);
    })
    (lib.optionalAttrs (lib.any forbidsMedium lines) {
      extraModprobeConfig = force (lib.concatStringsSep "\n" (lib.filter (line: !forbidsMedium line) lines));
    })
  ];
}
