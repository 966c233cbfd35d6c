//! What flk says of hosts that do not evaluate: the user's file and line, and all that is missing at once. And what NixOS takes, the built-in channel takes.
//!
//! The repositories have the shapes of public ones. flk's own files are in a message with `--verbose` alone.

mod workbench;

use workbench::{Workbench, with_mirror};

/// What every host here has.
const BASE: &str = "{ fileSystems.\"/\" = { device = \"/dev/disk/by-label/nixos\"; fsType = \"ext4\"; }; boot.loader.systemd-boot.enable = true; }\n";

/// A host that is not to evaluate: its name and text, and what flk is to say.
type Refused = (&'static str, &'static str, &'static [&'static str]);

const REFUSED: &[Refused] = &[
    (
        "files",
        "{ modulesPath, ... }:\n{\n  imports = [\n    ../base.nix\n    (modulesPath + \"/profiles/hardened.nix\")\n    ../bsae.nix\n  ];\n}\n",
        &[
            "2 files that are imported do not exist:",
            "- `modulesPath'/profiles/hardened.nix (hosts/files.nix:5)",
            "- bsae.nix (hosts/files.nix:6)",
            "did you mean `base.nix'?",
            "profiles/qemu-guest.nix",
            "flk init --channel nixpkgs",
        ],
    ),
    (
        "argument",
        "{ hardware, ... }:\n{\n  imports = [ ../base.nix hardware.common-pc ];\n}\n",
        &[
            "An argument that a module asks for is given by nobody:",
            "- hardware (hosts/argument.nix:1)",
            "Give it in `specialArgs'",
        ],
    ),
    (
        "arguments",
        "{ pkgs, inptus\n, secrets, ... }:\n{\n  imports = [ ../base.nix ../asks.nix ];\n  networking.domain = secrets.domain;\n}\n",
        &[
            "3 arguments that modules ask for are given by nobody:",
            "- inptus (hosts/arguments.nix:1)",
            "did you mean `inputs'?",
            "- secrets (hosts/arguments.nix:2)",
            "- home-manager (asks.nix:1)",
        ],
    ),
    (
        "given-too-late",
        "{ late, ... }:\n{\n  imports = [ ../base.nix late ];\n  _module.args.late = { };\n}\n",
        &[
            "The `imports' of `hosts/given-too-late.nix' depend on the argument `late'",
            "special arguments alone: inputs, lib, modulesPath,",
        ],
    ),
    (
        "config",
        "{ config, lib, ... }:\n{\n  imports = [ ../base.nix ] ++ lib.optional config.networking.useDHCP ./x.nix;\n}\n",
        &[
            "The `imports' of `hosts/config.nix' depend on `config'",
            "mkIf",
        ],
    ),
    (
        "rounds",
        "{ config, ... }:\n{\n  imports = [ ../base.nix ];\n  services.nosuch.enable = true;\n  networking.hostName = config.services.nosuch.name;\n  networking.interfaces.eth0.ipv4.routes = [\n    { address = \"10.0.0.0\"; prefixLength = 8; onlink = true; }\n  ];\n  users.users.me.isNoramlUser = true;\n  systemd.services.one.servceConfig.ExecStart = \"/bin/true\";\n}\n",
        &[
            "4 options that are set do not exist:",
            "- services.nosuch.enable (hosts/rounds.nix:4)",
            "onlink (hosts/rounds.nix:7)",
            "- users.users.me.isNoramlUser (hosts/rounds.nix:9)",
            "did you mean `users.users.me.isNormalUser'?",
            "- systemd.services.one.servceConfig.ExecStart (hosts/rounds.nix:10)",
        ],
    ),
    (
        "old-names-within",
        "{\n  imports = [ ../base.nix ];\n  users.extraUsers.me.isNoramlUser = true;\n}\n",
        &["- users.users.me.isNoramlUser (hosts/old-names-within.nix:3)"],
    ),
    (
        "derivation",
        "{ pkgs, ... }:\n{\n  imports = [ ../base.nix ];\n  environment.systemPackages = [\n    (pkgs.stdenv.mkDerivation {\n      pname = \"own\"; version = \"1\"; src = ./.;\n    })\n  ];\n}\n",
        &[
            "`stdenv.mkDerivation' has nothing to make `own' (hosts/derivation.nix:6) with",
            "pkgs.runCommand",
            "flk init --channel nixpkgs",
        ],
    ),
    (
        "type",
        "{\n  imports = [ ../base.nix ];\n  users.users.me = {\n    isNormalUser = \"yes\";\n  };\n}\n",
        &["- In `hosts/type.nix:4': \"yes\""],
    ),
    // Nix fails in flk's library; what called it is the user's.
    (
        "deep",
        "{ lib, ... }:\n{\n  imports = [ ../base.nix ];\n  networking.domain = lib.concatMapStrings (x: x) 5;\n}\n",
        &["hosts/deep.nix:4"],
    ),
    (
        "go",
        "{ pkgs, ... }:\n{\n  imports = [ ../base.nix ];\n  environment.systemPackages = [ (pkgs.callPackage ../own.nix { }) ];\n}\n",
        &["`buildGoModule' has nothing to make `of-own-nix' (own.nix:3) with"],
    ),
];

/// A host that lacks packages, in three of its files.
const PACKAGES: &[Refused] = &[(
    "packages",
    "{ pkgs, lib, ... }:\n{\n  imports = [ ../base.nix ../desktop.nix ../unused ];\n  environment.systemPackages = with pkgs; [\n    vim helix\n    exa (lib.getBin nixpkgs-fmt)\n  ];\n  programs.zsh.enable = lib.mkIf false pkgs.no-such-shell;\n}\n",
    &[
        "7 packages that the host asks for do not exist:",
        "- helix (hosts/packages.nix:5)\n    Debian has: hx",
        "- exa (hosts/packages.nix:6)\n    Debian has: eza",
        "- nixpkgs-fmt (hosts/packages.nix:6)",
        "- no-such-shell (hosts/packages.nix:8)",
        "- noto-fonts (desktop.nix:3)\n    Debian has: fonts-noto",
        "- discord (desktop.nix:3)",
        "- python3Packages.requsts (unused/default.nix:2)\n    Debian has: requests",
        "--channel nixpkgs",
    ],
)];

/// Hosts that NixOS takes.
const TAKEN: &[(&str, &str)] = &[
    (
        "generated",
        "{ modulesPath, ... }: { imports = [ ../base.nix (modulesPath + \"/installer/scan/not-detected.nix\") (modulesPath + \"/installer/scan/detected.nix\")
           \"${modulesPath}/profiles/qemu-guest.nix\" \"${modulesPath}/profiles/minimal.nix\" \"${modulesPath}/profiles/headless.nix\" ]; }",
    ),
    // Options and lists of the same setting in several modules.
    (
        "settings",
        "{ imports = [ ../base.nix { nix.settings = { trusted-users = [ \"@wheel\" ]; substituters = [ \"https://a.example\" ]; }; services.openssh.settings.AllowUsers = [ \"a\" ]; } ];
           nix.settings = { trusted-users = [ \"root\" ]; substituters = [ \"https://b.example\" ]; experimental-features = [ \"flakes\" ]; cores = 0; };
           services.openssh.settings = { AllowUsers = [ \"b\" ]; Ciphers = [ \"aes256-ctr\" ]; MaxAuthTries = 3; }; }",
    ),
    ("unused-argument", "{ hardware, ... }: { imports = [ ../base.nix ]; }"),
    ("old-names", OLD_NAMES),
];

/// Options by every name that NixOS gave up and the channel knows.
const OLD_NAMES: &str = r#"{
  imports = [ ../base.nix ];
  services.openssh = {
    permitRootLogin = "no"; passwordAuthentication = false; kbdInteractiveAuthentication = false; challengeResponseAuthentication = false;
    forwardX11 = true; useDns = false; gatewayPorts = "no"; logLevel = "VERBOSE"; ciphers = [ "aes256-ctr" ]; macs = [ "hmac-sha2-512" ]; kexAlgorithms = [ "curve25519-sha256" ];
  };
  services.sshd.enable = true;
  nix = {
    autoOptimiseStore = true; allowedUsers = [ "@wheel" ]; trustedUsers = [ "root" "@wheel" ]; binaryCaches = [ "https://c.example" ]; trustedBinaryCaches = [ ];
    binaryCachePublicKeys = [ ]; systemFeatures = [ "kvm" ]; maxJobs = 4; buildCores = 2; useSandbox = true; sandboxPaths = [ ]; requireSignedBinaryCaches = true;
    daemonNiceLevel = 10;
  };
  boot.earlyVconsoleSetup = true;
  boot.loader.grub.version = 2;
  boot.loader.gummiboot.timeout = 3;
  boot.systemd.services.old.script = "true";
  boot.tmpOnTmpfsSize = "10%";
  fonts.enableDefaultFonts = false;
  hardware.opengl.driSupport = true;
  i18n.consoleFont = "Lat2-Terminus16"; i18n.consoleKeyMap = "us";
  networking.enableRalinkFirmware = false;
  programs.tmux.extraTmuxConf = "set -g mouse on";
  programs.man.enable = false; programs.info.enable = false; services.nixosManual.enable = false;
  security.rngd.enable = false;
  sound.enable = true;
  system.nixosLabel = "mine";
  systemd.enableUnifiedCgroupHierarchy = true;
  users.extraUsers.me.isNormalUser = true;
  users.extraGroups.docker.members = [ "me" ];
}"#;

fn bench() -> Option<Workbench> {
    let bench = with_mirror("r")?;
    for (file, text) in [
        ("base.nix", BASE),
        ("asks.nix", "{ home-manager, ... }: { }\n"),
        (
            "desktop.nix",
            "{ pkgs, ... }:\n{\n  fonts.packages = [ pkgs.noto-fonts pkgs.discord pkgs.vim ];\n}\n",
        ),
        (
            "unused/default.nix",
            "{ pkgs, ... }:\n{ environment.systemPackages = with pkgs; [ python3Packages.requsts ]; }\n",
        ),
        (
            "own.nix",
            "{ buildGoModule }:\nbuildGoModule {\n  name = \"of-own-nix\";\n}\n",
        ),
    ] {
        bench.write(&format!("r/{file}"), text);
    }
    let refused = REFUSED
        .iter()
        .chain(PACKAGES)
        .map(|(name, text, _)| (*name, *text));
    for (name, text) in refused.chain(TAKEN.iter().copied()) {
        bench.write(&format!("r/hosts/{name}.nix"), text);
    }
    bench.git("r", &["add", "."]);
    Some(bench)
}

#[test]
fn messages_name_the_users_files_and_all_that_is_missing() {
    let Some(bench) = bench() else { return };
    // One evaluation for all that is good, one for each that is not.
    let run = bench.flk_in("r", &["hosts", "--json"]).ended(0);
    let hosts: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
    let host = |name: &str| {
        let hosts = hosts.as_array().unwrap();
        hosts.iter().find(|host| host["name"] == name).unwrap()
    };
    for (name, _) in TAKEN {
        assert_eq!(host(name)["evaluates"], true, "{}", host(name));
    }
    for (name, _, expected) in REFUSED.iter().chain(PACKAGES) {
        let error = host(name)["error"].as_str().unwrap_or_default();
        for text in *expected {
            // In a line.
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(
                error.contains(&text),
                "{name}: {text:?} is not in:\n{error}"
            );
        }
        for noise in ["/nix/store", "<flk>"] {
            assert!(!error.contains(noise), "{name}: {error}");
        }
    }

    // The same in full, where the host is what was asked for; Nix's trace with --verbose alone.
    for host in ["packages", "deep", "files"] {
        let (_, _, expected) = REFUSED
            .iter()
            .chain(PACKAGES)
            .find(|(name, _, _)| *name == host)
            .unwrap();
        let run = bench.flk_in("r", &["iso", host, "--dry-run"]).ended(1);
        for text in *expected {
            // Set in below `caused by:`.
            let text = text.replace('\n', "\n    ");
            assert!(
                run.stderr.contains(&text),
                "{host}: {text:?}\n{}",
                run.stderr
            );
        }
        assert!(!run.stderr.contains("<flk>"), "{host}: {}", run.stderr);
    }
    let run = bench
        .flk_in("r", &["iso", "old-names", "--no-keys", "--dry-run"])
        .ended(0)
        .said("warning: The option `nix.maxJobs' defined in `hosts/old-names.nix' has been renamed to `nix.settings.max-jobs'.")
        .said("warning: `sound.enable' in `hosts/old-names.nix' has no effect");
    assert_eq!(run.stderr.matches("`nix.maxJobs'").count(), 1, "once");
    bench
        .flk_in("r", &["iso", "deep", "--dry-run", "--verbose"])
        .ended(1)
        .said("<flk>/nix/debian/lib/")
        .said("hosts/deep.nix:4");
}
