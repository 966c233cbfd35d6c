# What a list of `flk.live.disable` names: modules, as `disabledModules` takes them, and units, by their file names.
{ lib }:

disable:
let
  isModule = item: !builtins.isString item || lib.hasPrefix "/" item || lib.hasSuffix ".nix" item;
  parted = lib.partition isModule disable;

  # An absolute path given as text. Text that is relative is one of NixOS's own modules.
  asPath = item: if builtins.isString item && lib.hasPrefix "/" item then /. + builtins.unsafeDiscardStringContext item else item;

  hasSuffix = unit: builtins.match ".*\\.(service|socket|timer|path|mount|automount|target|slice|swap)" unit != null;
in
{
  modules = map asPath parted.right;
  units = map (unit: if hasSuffix unit then unit else "${unit}.service") parted.wrong;
}
