# Paths and packages.
{ lib }:
let
  inherit (builtins)
    hasContext
    isPath
    isString
    substring
    ;
  inherit (lib) isDerivation isStorePath isStringLike;
  inherit (lib.options) mergeEqualOption mergeOneOption;
  inherit (lib.types) addCheck defaultFunctor mkOptionType;

  isBelowStore = path: lib.hasPrefix "${builtins.storeDir}/" path;
in
rec {
  # `inStore` and `absolute` are true, false, or null for either.
  pathWith =
    {
      inStore ? null,
      absolute ? null,
    }:
    if inStore == true && absolute == false then
      throw "In pathWith, inStore means the path must be absolute"
    else
      mkOptionType {
        name = "path";
        description =
          {
            null = "";
            true = "absolute ";
            false = "relative ";
          }
          .${builtins.toJSON absolute}
          + "path"
          + {
            null = "";
            true = " in the Nix store";
            false = " not in the Nix store";
          }
          .${builtins.toJSON inStore};
        descriptionClass = "noun";
        merge = mergeEqualOption;
        check =
          value:
          (if inStore == false then isString value else isStringLike value)
          && (
            let
              path = toString value;
            in
            (inStore == null || inStore == isBelowStore path)
            && (absolute == null || absolute == (substring 0 1 path == "/"))
          );
        functor = defaultFunctor "path" // {
          type = pathWith;
          payload = { inherit inStore absolute; };
          binOp = a: b: if a == b then a else null;
        };
      };

  path = pathWith { absolute = true; };
  pathInStore = pathWith { inStore = true; };
  externalPath = pathWith {
    absolute = true;
    inStore = false;
  };

  # A store path without context becomes a package, so that what refers to it depends on it.
  package = mkOptionType {
    name = "package";
    descriptionClass = "noun";
    check = value: isDerivation value || isStorePath value;
    merge =
      loc: definitions:
      let
        value = mergeOneOption loc definitions;
      in
      if isPath value || (isString value && !hasContext value) then lib.toDerivation value else value;
  };

  shellPackage = package // {
    check = value: isDerivation value && value ? shellPath;
  };

  pkgs = addCheck (
    lib.types.unique {
      message = "A Nixpkgs pkgs set can not be merged with another pkgs set.";
    } lib.types.attrs
    // {
      name = "pkgs";
      descriptionClass = "noun";
      description = "Nixpkgs package set";
    }
  ) (value: value._type or null == "pkgs");
}
