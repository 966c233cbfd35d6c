# A host → its live system's `image.json`: what `flk iso` evaluates.
{
  # The flake flk, as `builtins.fetchTree` gives it.
  flk,
  # The host's name in `nixosConfigurations`.
  name,
  # The repository's source, `{ path; narHash; }`: a store path that is already there.
  repository ? null,
  # The sources of the repository's inputs, by name, likewise.
  inputs ? { },
  # Settings of the live system, `flk.live.*`.
  settings ? { },
}:

let
  fetch = source: "${builtins.fetchTree ({ type = "path"; } // source)}";
in
host:
(host.extendModules {
  modules = [
    ({ modulesPath, ... }: { imports = [ (modulesPath + "/installer/cd-dvd/iso-image.nix") ]; })
    (flk + "/nix/live.nix")
    (flk + "/nix/image.nix")
    {
      _file = "flk iso";
      flk = {
        source = "${flk}";
        host = name;
        hostToplevel = "${host.config.system.build.toplevel}";
        repository = if repository == null then null else fetch repository;
        inputs = builtins.mapAttrs (_: fetch) inputs;
        live = settings;
      };
    }
  ];
}).config.system.build.flkImage
