//! The repository of hosts that the bench walks with: a flake with plain `nixosConfigurations`, as users have it.

use crate::{Error, Result};
use flk_tests::{Flk, KeyPair, init_git, run};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The host that is installed.
pub(super) const HOST: &str = "NixOS";

/// A repository, and the operator whose it is.
pub(super) struct Repository {
    pub(super) root: PathBuf,
    pub(super) home: PathBuf,
    pub(super) key: KeyPair,
    pub(super) flk: Flk,
}

/// The page's host: BIOS with GRUB, one partition with the label that the page mounts.
const HOST_FILE: &str = r#"{ pkgs, ... }:
{
  networking.hostName = "NixOS";
  fileSystems."/" = {
    device = "/dev/disk/by-label/nixos";
    fsType = "ext4";
  };
  boot.loader.grub.device = "/dev/vda";
  # As nixos-generate-config writes it.
  boot.initrd.availableKernelModules = [ "virtio_pci" "virtio_blk" ];
  boot.kernelParams = [ "console=ttyS0,115200n8" ];
  services.openssh.enable = true;
  security.sudo.wheelNeedsPassword = false;
  users.users.nixos = {
    isNormalUser = true;
    extraGroups = [ "wheel" ];
    openssh.authorizedKeys.keys = [ "@KEY@" ];
  };
  environment.etc.generation.text = "@GENERATION@";
  # The next generation is built on the host, which has no network.
  system.extraDependencies = [ pkgs.stdenvNoCC pkgs.perl ];
}
"#;

/// Plain, with no word of flk in it.
const FLAKE: &str = r#"{
  inputs.nixpkgs.url = "@NIXPKGS@";
  outputs =
    { self, nixpkgs }:
    {
      nixosConfigurations.NixOS = nixpkgs.lib.nixosSystem {
        system = "x86_64-linux";
        modules = [
          ./hosts/NixOS.nix
          # Its next generation is evaluated on the host, which has no network.
          (
            { pkgs, ... }:
            {
              system.extraDependencies = [
                (pkgs.linkFarm "inputs" [
                  {
                    name = "nixpkgs";
                    path = "${nixpkgs}";
                  }
                ])
              ];
            }
          )
        ];
      };
    };
}
"#;

/// The same hosts by `flk.lib.mkHosts`.
const BY_FOLDER: &str = r#"{
  inputs.nixpkgs.url = "@NIXPKGS@";
  inputs.flk.url = "flk";
  outputs =
    { self, nixpkgs, flk }:
    {
      nixosConfigurations = flk.lib.mkHosts { inherit self nixpkgs; };
    };
}
"#;

impl Repository {
    /// Makes it anew in `folder`.
    pub(super) fn make(folder: &Path, nixpkgs: &str) -> Result<Self> {
        let home = folder.join("home");
        let keys = folder.join("keys");
        let key = if keys.join("operator").exists() {
            KeyPair {
                private: keys.join("operator"),
            }
        } else {
            KeyPair::make(&keys, "operator")?
        };
        let repository = Self {
            root: folder.join("repository"),
            flk: Flk::new(&home)?,
            home,
            key,
        };
        for (name, flake) in [("repository", FLAKE), ("by-folder", BY_FOLDER)] {
            let root = folder.join(name);
            if root.exists() {
                fs::remove_dir_all(&root).map_err(Error::file(&root))?;
            }
            fs::create_dir_all(&root).map_err(Error::file(&root))?;
            init_git(&root)?;
            write(
                &root.join("flake.nix"),
                &flake.replace("@NIXPKGS@", nixpkgs),
            )?;
            write(&root.join(".gitignore"), "result\n")?;
            let host = repository.host_file("one")?;
            write(&root.join("hosts/NixOS.nix"), &host)?;
            commit(&root)?;
        }
        // As Nix's own commands leave a flake; the image is to carry it.
        run(Command::new("nix")
            .args(["--extra-experimental-features", "nix-command flakes"])
            .args(["flake", "lock"])
            .arg(&repository.root))?
        .success()?;
        commit(&repository.root)?;
        Ok(repository)
    }

    /// The host's file, with a text that tells generations apart.
    pub(super) fn host_file(&self, generation: &str) -> Result<String> {
        Ok(HOST_FILE
            .replace("@KEY@", self.key.line()?.trim())
            .replace("@GENERATION@", generation))
    }

    /// The same hosts in a flake that lists them by `flk.lib.mkHosts`.
    pub(super) fn by_folder(&self) -> PathBuf {
        self.root.with_file_name("by-folder")
    }

    /// Commits what flk has written, so that the image carries it.
    pub(super) fn commit(&self) -> Result<()> {
        commit(&self.root)
    }
}

fn commit(root: &Path) -> Result<()> {
    let git = |arguments: &[&str]| {
        run(Command::new("git").arg("-C").arg(root).args(arguments))?.success()
    };
    git(&["add", "--all"])?;
    git(&[
        "-c",
        "user.name=bench",
        "-c",
        "user.email=bench@invalid",
        "commit",
        "--quiet",
        "--allow-empty",
        "--message=bench",
    ])?;
    Ok(())
}

/// Writes a file, and the folders above it.
pub(super) fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(Error::file(parent))?;
    }
    fs::write(path, text).map_err(Error::file(path))
}
