# Packages' meta attributes, and the programs in packages.
{ lib }:
let
  inherit (builtins)
    any
    isString
    match
    typeOf
    ;
in
rec {
  addMetaAttrs =
    additions: package:
    if package ? overrideAttrs then
      package.overrideAttrs (old: {
        meta = old.meta or { } // additions;
      })
    else
      package // { meta = package.meta or { } // additions; };
  dontDistribute = addMetaAttrs { hydraPlatforms = [ ]; };
  setName = name: package: package // { inherit name; };
  updateName = f: package: package // { name = f package.name; };
  appendToName =
    suffix:
    updateName (
      name:
      let
        parts = builtins.parseDrvName name;
      in
      "${parts.name}-${suffix}-${parts.version}"
    );
  mapDerivationAttrset =
    f: builtins.mapAttrs (_: package: if lib.isDerivation package then f package else package);

  # Of two packages with one file, the one with the lower priority is taken.
  defaultPriority = 5;
  setPrio = priority: addMetaAttrs { inherit priority; };
  lowPrio = setPrio 10;
  hiPrio = setPrio (-10);
  lowPrioSet = mapDerivationAttrset lowPrio;
  hiPrioSet = mapDerivationAttrset hiPrio;

  platformMatch =
    platform: pattern:
    if isString pattern then
      platform.system or null == pattern
    else
      lib.matchAttrs (if pattern ? parsed then pattern else { parsed = pattern; }) platform;
  availableOn =
    platform: package:
    (!package ? meta.platforms || any (platformMatch platform) package.meta.platforms)
    && (!package ? meta.badPlatforms || !any (platformMatch platform) package.meta.badPlatforms);

  licensesSpdx = lib.mapAttrs' (_: license: lib.nameValuePair license.spdxId license) (
    lib.filterAttrs (_: license: license ? spdxId) lib.licenses
  );
  getLicenseFromSpdxIdOr =
    let
      byLowerName = lib.mapAttrs' (name: lib.nameValuePair (lib.toLower name)) licensesSpdx;
    in
    id: default: byLowerName.${lib.toLower id} or default;
  getLicenseFromSpdxId =
    id:
    getLicenseFromSpdxIdOr id (
      lib.warn "getLicenseFromSpdxId: No license with the given SPDX ID found: ${id}" {
        shortName = id;
        spdxId = id;
      }
    );

  # The path of a package's main program: `meta.mainProgram`, else what has the package's name.
  getExe = package: getExe' package (package.meta.mainProgram or (lib.getName package));
  getExe' =
    package: program:
    assert lib.assertMsg (lib.isDerivation package)
      "getExe': expected a package, but got a ${typeOf package}";
    assert lib.assertMsg (isString program)
      "getExe': the name of a program is a string, but got a ${typeOf program}";
    assert lib.assertMsg (
      match ".*/.*" program == null
    ) "getExe': `${program}' is a path; expected the name of a program only";
    "${lib.getBin package}/bin/${program}";
}
