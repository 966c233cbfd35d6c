# Debian's packages: resolution of their dependencies, and a store path for each.
{
  lib,
  builder,
  archive,
  config,
}:

let
  unfreeAllowed = config.allowUnfree or false || config.allowUnfreeFirmware or false;

  known = archive.packages;

  lookUp =
    name:
    let
      package = known.${name} or (throw ''
        Debian ${archive.pin.suite} has no package `${name}'${
          lib.optionalString (nearest name != [ ]) "; near it: ${lib.concatStringsSep ", " (nearest name)}"
        }
      '');
    in
    if package.component != "main" && !unfreeAllowed then
      throw ''
        `${name}' is in Debian's ${package.component}, which is not allowed by default:
        set `hardware.enableRedistributableFirmware = true' or `nixpkgs.config.allowUnfree = true'
      ''
    else
      package;

  # At most five names of packages that may be meant, the likest first.
  nearest = import ./suggestions.nix { inherit lib known; };

  # Without the epoch, as nixpkgs' versions are.
  upstreamVersion = package: lib.last (lib.splitString ":" package.version);

  # One unpacked `.deb`, without references.
  raws = lib.mapAttrs (
    name: _:
    let
      package = lookUp name;
    in
    builder.build {
      name = lib.strings.sanitizeDerivationName "${name}-${upstreamVersion package}-deb";
      command = "unpack";
      parameters = {
        deb = archive.deb package;
        package = name;
      };
    }
  ) known;

  # The names of the packages that `roots` need at run time, themselves included. An alternative that is among the
  # roots comes first, then the first that exists, then the first provider in the order of the index.
  closureOf =
    roots:
    let
      isRoot = lib.genAttrs roots (_: true);
      providers = name: archive.provides.${name} or [ ];
      choose =
        alternatives:
        let
          asked = lib.filter (name: isRoot ? ${name}) (
            alternatives ++ lib.concatMap providers alternatives
          );
          existing = lib.filter (name: known ? ${name}) alternatives;
          provided = lib.concatMap providers alternatives;
        in
        lib.take 1 (asked ++ existing ++ provided);
    in
    map (node: node.key) (
      builtins.genericClosure {
        startSet = map (key: { inherit key; }) roots;
        operator =
          { key }: map (name: { key = name; }) (lib.concatMap choose (lookUp key).depends);
      }
    );

  # What `pkgs.NAME` is: the files of the packages `names`, with references to all that they need.
  package =
    {
      pname,
      names,
      mainProgram ? pname,
    }:
    let
      version = upstreamVersion (lookUp (lib.head names));
    in
    builder.build {
      name = lib.strings.sanitizeDerivationName "${pname}-${version}";
      command = "package";
      parameters = {
        main = map (name: raws.${name}) names;
        closure = map (name: raws.${name}) (lib.sort lib.lessThan (closureOf names));
      };
      attributes = {
        inherit pname version;
        debian = names;
        meta = {
          description = (lookUp (lib.head names)).summary;
          inherit mainProgram;
          available = true;
        };
        override = _: package { inherit pname names mainProgram; };
      };
    };
in
{
  inherit
    raws
    closureOf
    package
    lookUp
    nearest
    ;

  # Every package of the archive under its own name.
  packages = lib.mapAttrs (
    name: _:
    package {
      pname = name;
      names = [ name ];
    }
  ) known;
}
