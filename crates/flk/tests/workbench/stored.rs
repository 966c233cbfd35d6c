//! Systems of a test's own making in this machine's store: their derivations say what comes out, and that is there, so nothing is built.
#![allow(dead_code, reason = "each test file uses its part")]

use std::{path::Path, process::Command};

/// A folder in the store, and a host whose system it is.
pub(crate) struct Stored {
    /// Its store path.
    pub(crate) path: String,
    /// A Nix expression for the host, as far as flk asks.
    pub(crate) host: String,
}

impl Stored {
    /// Puts a folder into the store.
    pub(crate) fn add(folder: &Path, name: &str) -> Self {
        let nix = |arguments: &[&str]| {
            let mut command = Command::new("nix");
            command.args(["--option", "extra-experimental-features", "nix-command"]);
            let output = command.args(arguments).arg(folder).output().unwrap();
            assert!(output.status.success(), "{command:?}: {output:?}");
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        let path = nix(&["store", "add-path", "--name", name]);
        let hash = nix(&["hash", "path", "--base32", "--type", "sha256"]);
        let host = format!(
            r#"{{ config = {{
                networking.hostName = "box";
                fileSystems = {{ }};
                swapDevices = [ ];
                boot = {{ loader = {{ }}; kernelPackages.kernel.version = "0"; }};
                system = {{
                    nixos.label = "none";
                    boot.loader = {{ kernelFile = "kernel"; initrdFile = "initrd"; }};
                    build = {{
                        kernel = "/none";
                        initialRamdisk = "/none";
                        toplevel = derivation {{
                            name = "{name}"; system = "x86_64-linux"; builder = "/none";
                            outputHashMode = "recursive"; outputHashAlgo = "sha256"; outputHash = "{hash}";
                        }};
                    }};
                }};
            }}; }}"#
        );
        Self { path, host }
    }
}

/// Gone from the store, as soon as no link of the test's keeps it.
impl Drop for Stored {
    fn drop(&mut self) {
        let _ = Command::new("nix-store")
            .args(["--delete", &self.path])
            .output();
    }
}
