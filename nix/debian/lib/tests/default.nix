# Tests of the library: `nix-instantiate --eval --strict` gives the failures, `[ { name; expected; actual; } … ]`, and so `[ ]`.
#
# A file here is a set of lists of tests by subject. A test says that a value is what it should be, or that it fails.
let
  lib = import ../.;

  evaluate = value: builtins.tryEval (builtins.deepSeq value value);

  is = value: expected: {
    actual = evaluate value;
    expected = {
      success = true;
      value = expected;
    };
  };

  # Errors of Nix itself cannot be caught, so this is for `throw` and `assert`.
  fails = value: {
    actual = evaluate value;
    expected = {
      success = false;
      value = false;
    };
  };

  files = [
    "strings"
    "quoting"
    "lists"
    "list-order"
    "attrsets"
    "attrset-paths"
    "trivial"
    "generators"
    "options"
    "types"
    "packages"
    "definitions"
    "modules"
    "submodules"
    "aliases"
    "errors"
    "names"
    "texts"
    "registries"
  ];

  failuresOf =
    file:
    let
      subjects = import (./. + "/${file}.nix") { inherit lib is fails; };
      failure =
        subject: number: test:
        lib.optional (test.actual != test.expected) (
          test // { name = "${file}: ${subject} ${toString number}"; }
        );
    in
    lib.concatLists (
      lib.concatLists (lib.mapAttrsToList (subject: tests: lib.imap1 (failure subject) tests) subjects)
    );
in
builtins.concatMap failuresOf files
