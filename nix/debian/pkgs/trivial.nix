# nixpkgs' trivial builders, on a shell and coreutils that run in Nix's sandbox with nothing else in it.
{
  lib,
  builder,
  debian,
  system,
  self,
}:

let
  # Applets of busybox that stand in for nixpkgs' coreutils, findutils, grep, sed, awk, diff, tar and gzip.
  applets = [
    "[" "arch" "awk" "base32" "base64" "basename" "bunzip2" "bzcat" "cat" "chgrp" "chmod" "chown" "cksum" "clear" "cmp" "comm" "cp"
    "cpio" "cut" "date" "dd" "df" "diff" "dirname" "du" "echo" "egrep" "env" "expand" "expr" "factor" "false" "fgrep" "find"
    "fold" "grep" "groups" "gunzip" "gzip" "head" "hexdump" "hostname" "id" "install" "less" "link" "ln" "ls" "lzma" "md5sum" "mkdir"
    "mkfifo" "mknod" "mktemp" "mv" "nl" "nproc" "od" "paste" "patch" "printenv" "printf" "ps" "pwd" "readlink" "realpath" "rev"
    "rm" "rmdir" "sed" "seq" "sha1sum" "sha256sum" "sha512sum" "shuf" "sleep" "sort" "split" "stat" "strings" "stty" "sum" "sync"
    "tac" "tail" "tar" "tee" "test" "timeout" "touch" "tr" "true" "truncate" "tsort" "tty" "uname" "unexpand" "uniq" "unlzma"
    "unxz" "unzip" "uudecode" "uuencode" "wc" "which" "whoami" "xargs" "xxd" "xz" "xzcat" "yes" "zcat"
  ];

  sandboxShell = tree "sandbox-shell" (
    [
      {
        path = "bin/bash";
        link = "${debian.raws.bash-static}/usr/bin/bash-static";
      }
      {
        path = "bin/sh";
        link = "${debian.raws.bash-static}/usr/bin/bash-static";
      }
    ]
    ++ map (applet: {
      path = "bin/${applet}";
      link = "${debian.raws.busybox-static}/usr/bin/busybox";
    }) applets
  );

  tree =
    name: entries:
    builder.build {
      inherit name;
      command = "tree";
      parameters = { inherit entries; };
    };

  shell = "${sandboxShell}/bin/bash";

  writeTextFile =
    {
      name,
      text,
      executable ? false,
      destination ? "",
      meta ? { },
      ...
    }:
    tree name [
      {
        path = lib.removePrefix "/" destination;
        inherit text executable;
      }
    ]
    // {
      inherit meta;
      # No store path is named in it.
      refersToNothing = !builtins.hasContext "${text}";
    };

  toolPath = packages: lib.makeBinPath (packages ++ [ sandboxShell ]);

  # What a derivation that runs a script has in common: `environment` becomes environment variables.
  scripted =
    name: environment: script:
    let
      inputs = (environment.nativeBuildInputs or [ ]) ++ (environment.buildInputs or [ ]);
      passed = removeAttrs environment [
        "meta"
        "passthru"
        "nativeBuildInputs"
        "buildInputs"
      ];
    in
    derivation (
      {
        inherit name system;
        builder = shell;
        # Said even though it is the default: `nix develop` reads it from the environment.
        outputs = [ "out" ];
        args = [
          "-e"
          (builtins.toFile "run-command.sh" ''
            export HOME=/homeless-shelter
            if [ -n "''${buildCommandPath-}" ]; then . "$buildCommandPath"; else eval "$buildCommand"; fi
          '')
        ];
        PATH = toolPath inputs;
        buildCommand = script;
        passAsFile = [ "buildCommand" ];
        preferLocalBuild = true;
      }
      // passed
    )
    // {
      meta = environment.meta or { };
    }
    // environment.passthru or { };
in
rec {
  inherit sandboxShell writeTextFile;

  bash-in-sandbox = sandboxShell;
  runtimeShell = shell;
  runtimeShellPackage = sandboxShell;

  writeText = name: text: writeTextFile { inherit name text; };

  writeScript =
    name: text:
    writeTextFile {
      inherit name text;
      executable = true;
    };

  writeScriptBin =
    name: text:
    writeTextFile {
      inherit name text;
      executable = true;
      destination = "/bin/${name}";
      meta.mainProgram = name;
    };

  writeShellScript = name: text: writeScript name "#!${shell}\n${text}\n";

  writeShellScriptBin = name: text: writeScriptBin name "#!${shell}\n${text}\n";

  writeShellApplication =
    {
      name,
      text,
      runtimeInputs ? [ ],
      ...
    }:
    writeShellScriptBin name ''
      set -o errexit -o nounset -o pipefail
      ${lib.optionalString (runtimeInputs != [ ]) "export PATH=${lib.makeBinPath runtimeInputs}:$PATH"}
      ${text}
    '';

  runCommand = scripted;
  runCommandLocal = scripted;
  runCommandNoCC = scripted;

  concatText = name: files: writeText name (lib.concatMapStrings builtins.readFile files);

  linkFarm =
    name: entries:
    tree name (
      map
        (entry: {
          path = lib.removePrefix "/" entry.name;
          link = "${entry.path}";
        })
        (
          if lib.isAttrs entries then
            lib.mapAttrsToList (name: path: { inherit name path; }) entries
          else
            entries
        )
    );

  linkFarmFromDrvs =
    name: drvs:
    linkFarm name (
      map (drv: {
        inherit (drv) name;
        path = drv;
      }) drvs
    );

  symlinkJoin =
    {
      name ? "${pname}-${version}",
      pname ? "join",
      version ? "0",
      paths,
      postBuild ? "",
      meta ? { },
      ...
    }:
    let
      joined = builder.build {
        inherit name;
        command = "join";
        parameters = {
          inherit paths;
          pathsToLink = [ "/" ];
        };
      };
    in
    if postBuild == "" then
      joined // { inherit meta; }
    else
      scripted name { inherit meta; } ''
        cp -a ${joined} $out
        chmod -R u+w $out
        ${postBuild}
      '';

  buildEnv =
    {
      name,
      paths,
      pathsToLink ? [ "/" ],
      meta ? { },
      ...
    }:
    builder.build {
      inherit name;
      command = "join";
      parameters = { inherit paths pathsToLink; };
      attributes = { inherit meta; };
    };

  # What `nix develop` enters.
  mkShell =
    {
      name ? "nix-shell",
      packages ? [ ],
      nativeBuildInputs ? [ ],
      buildInputs ? [ ],
      inputsFrom ? [ ],
      shellHook ? "",
      ...
    }@args:
    let
      tools =
        packages ++ nativeBuildInputs ++ buildInputs ++ lib.concatMap (shell: shell.shellTools or [ ]) inputsFrom;
      hooks = lib.concatMapStrings (shell: shell.shellHook or "") inputsFrom;
    in
    scripted name (
      removeAttrs args [
        "name"
        "packages"
        "nativeBuildInputs"
        "buildInputs"
        "inputsFrom"
        "shellHook"
      ]
      // {
        # Appended to the caller's PATH by `nix develop`; the sandbox's own tools come last.
        nativeBuildInputs = tools;
        shellHook = hooks + shellHook;
        passthru = {
          shellTools = tools;
          shellHook = hooks + shellHook;
        };
      }
    ) ''printf '%s\n' "This is a development shell, entered by nix develop; it builds nothing." > $out'';
  mkShellNoCC = mkShell;

  formats = import ./formats.nix {
    inherit lib;
    inherit writeText;
  };

  # nixpkgs' fetchers need the wide world; here they say so instead of an unexplained missing attribute.
  fetchFromGitHub = _: throw "`pkgs.fetchFromGitHub' is not on the built-in channel: make it a flake input, or use nixpkgs for this host";
  fetchurl = _: throw "`pkgs.fetchurl' is not on the built-in channel: use `builtins.fetchurl' with a hash, or a flake input";
}
