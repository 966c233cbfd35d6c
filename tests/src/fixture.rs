//! The image that the tests share: `flk init`, a repository with the tests' keys, `flk iso NixOS`, once for one flk.
//!
//! It is kept in the target folder under a name made of flk's binaries and of this file, so a second run finds it done.

use crate::{Bench, BenchError, Flk, Link, Ssh, bench::folder, binary, run};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

/// The host that the tests boot.
const HOST: &str = "NixOS";

/// The host file of the tests: the template's own, with one key given by `keys` and one by `keyFiles`.
const HOST_FILE: &str = r#"{ ... }:
{
  imports = [ ./template.nix ];
  users.users.nixos.openssh.authorizedKeys.keys = [ "@LISTED@" ];
  users.users.nixos.openssh.authorizedKeys.keyFiles = [ ../keys/filed.pub ];
}
"#;

/// Further hosts of the same repository, by their names; only the first host's image is made at once.
const OTHER_HOSTS: [(&str, &str); 2] = [
    // Boots by BIOS, gives its operator no rights without a password, and has a variant.
    (
        "Grub",
        r#"{ lib, ... }:
{
  imports = [ ./default.nix ../profiles/ssh.nix ];
  boot.loader.grub.enable = true;
  boot.loader.grub.device = "/dev/vda";
  fileSystems."/" = {
    device = "/dev/disk/by-label/nixos";
    fsType = "ext4";
  };
  swapDevices = [ { device = "/dev/disk/by-label/swap"; } ];
  security.sudo.wheelNeedsPassword = lib.mkOverride 90 true;
  specialisation.quiet.configuration = {
    boot.kernelParams = [ "quiet" ];
    environment.etc.variant.text = "quiet";
  };
  users.users.nixos = {
    isNormalUser = true;
    extraGroups = [ "wheel" ];
    openssh.authorizedKeys.keys = [ "@LISTED@" ];
  };
}
"#,
    ),
    // Has packages that are on no other host's image.
    (
        "Other",
        r#"{ pkgs, ... }:
{
  imports = [ ./NixOS.nix ];
  environment.systemPackages = [ pkgs.sl pkgs.cowsay ];
}
"#,
    ),
];

/// An ssh key pair.
#[derive(Debug, Clone)]
pub struct KeyPair {
    /// The private key's file; the public one is beside it, with `.pub`.
    pub private: PathBuf,
}

impl KeyPair {
    /// Makes a pair `folder/name`, or takes the one that is there.
    ///
    /// # Errors
    /// When `ssh-keygen` fails.
    pub fn make(folder: &Path, name: &str) -> Result<Self, BenchError> {
        let private = folder.join(name);
        if !private.exists() {
            fs::create_dir_all(folder).map_err(BenchError::file(folder))?;
            run(Command::new("ssh-keygen")
                .args([
                    "-q",
                    "-t",
                    "ed25519",
                    "-N",
                    "",
                    "-C",
                    &format!("{name}@bench"),
                    "-f",
                ])
                .arg(&private))?
            .success()?;
        }
        Ok(KeyPair { private })
    }

    /// The public key's file.
    pub fn public(&self) -> PathBuf {
        self.private.with_extension("pub")
    }

    /// The public key's one line.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn line(&self) -> Result<String, BenchError> {
        Ok(read(&self.public())?.trim().to_owned())
    }
}

/// A repository, its image and the keys that open it.
#[derive(Debug, Clone)]
pub struct Fixture {
    /// flk, for the user whose repository it is.
    pub flk: Flk,
    /// The repository's folder.
    pub repository: PathBuf,
    /// The image.
    pub iso: PathBuf,
    /// The key that `flk init` was given.
    pub operator: KeyPair,
    /// The key in `openssh.authorizedKeys.keys`.
    pub listed: KeyPair,
    /// The key in `openssh.authorizedKeys.keyFiles`.
    pub filed: KeyPair,
    /// A key that the host file does not give.
    pub stranger: KeyPair,
    /// A known-hosts file with the image's host key, for `live`.
    pub known_hosts: PathBuf,
}

impl Fixture {
    /// The shared image, built if it is not there yet.
    ///
    /// # Errors
    /// When flk fails; with everything that it said.
    pub fn shared(_place: &Bench) -> Result<Self, BenchError> {
        let _turn = turn()?;
        let folder = folder().join(name()?);
        let done = folder.join("done");
        if !done.exists() {
            if folder.exists() {
                fs::remove_dir_all(&folder).map_err(BenchError::file(&folder))?;
            }
            let fixture = Self::at(&folder)?;
            fixture.make_repository()?;
            let start = Instant::now();
            let report = fixture
                .flk
                .run(&fixture.repository, &["iso", HOST, "--json"])?
                .success()?;
            fixture.pin()?;
            let took = start.elapsed();
            write(
                &done,
                &format!(
                    "{}\n{}\n{}",
                    took.as_secs_f64(),
                    report.stdout,
                    report.stderr
                ),
            )?;
        }
        Self::at(&folder)
    }

    /// The same repository in another folder, for the same user: a clone of the commit, without an image.
    ///
    /// # Errors
    /// When git fails.
    pub fn copy(&self, folder: &Path) -> Result<Self, BenchError> {
        let repository = folder.join("repository");
        run(Command::new("git")
            .args(["clone", "--quiet"])
            .arg(&self.repository)
            .arg(&repository))?
        .success()?;
        Ok(Fixture {
            iso: repository.join("result/iso").join(format!("{HOST}.iso")),
            repository,
            ..self.clone()
        })
    }

    /// The same repository in another folder, with one option of the first host changed, and its image.
    ///
    /// # Errors
    /// When git or flk fails; with everything that it said.
    pub fn with_one_option_more(&self, folder: &Path) -> Result<Self, BenchError> {
        let next = self.copy(folder)?;
        let host = "hosts/NixOS.nix";
        let text = read(&next.repository.join(host))?;
        let (options, _) = text.rsplit_once('}').unwrap_or_default();
        next.put(
            host,
            &format!("{options}  environment.etc.\"motto\".text = \"one option more\";\n}}\n"),
        )?;
        next.flk.run(&next.repository, &["iso", HOST])?.success()?;
        Ok(next)
    }

    /// Writes a file of the repository and has git track it.
    ///
    /// # Errors
    /// When it cannot be written, or git fails.
    pub fn put(&self, name: &str, text: &str) -> Result<(), BenchError> {
        write(&self.repository.join(name), text)?;
        run(Command::new("git")
            .arg("-C")
            .arg(&self.repository)
            .args(["add", "--", name]))?
        .success()
        .map(drop)
    }

    /// The home of the user who has made the image.
    pub fn home(&self) -> &Path {
        self.flk.home()
    }

    /// An ssh client for `link` with the key that `flk init` was given.
    pub fn ssh<'l>(&self, link: &'l Link) -> Ssh<'l> {
        Ssh::new(link, &self.operator.private, &self.known_hosts)
    }

    /// The image of another host of the repository, built if it is not there yet.
    ///
    /// # Errors
    /// When flk fails; with everything that it said.
    pub fn image_of(&self, host: &str) -> Result<PathBuf, BenchError> {
        let _turn = turn()?;
        let iso = self.iso.with_file_name(format!("{host}.iso"));
        if !iso.exists() {
            self.flk.run(&self.repository, &["iso", host])?.success()?;
        }
        Ok(iso)
    }

    /// The closure of the system that an image installs, sorted, by the operator's own store, after the system itself.
    ///
    /// # Errors
    /// When the image does not say, or Nix does not know it.
    pub fn closure_on(iso: &Path) -> Result<(String, Vec<String>), BenchError> {
        let build = file_on_iso(iso, "/flk/build.json")?;
        let document: Option<serde_json::Value> = serde_json::from_str(&build).ok();
        let toplevel = document
            .as_ref()
            .and_then(|document| document["hostToplevel"].as_str())
            .ok_or_else(|| BenchError::Understand {
                what: "build.json".into(),
                text: build.clone(),
            })?;
        let mut query = Command::new("nix-store");
        query.args(["--query", "--requisites", toplevel]);
        let mut closure: Vec<String> = run(&mut query)?
            .success()?
            .stdout
            .lines()
            .map(str::to_owned)
            .collect();
        closure.sort();
        Ok((toplevel.to_owned(), closure))
    }

    /// All files of the image in a folder, as xorriso reads them; kept beside the repository.
    ///
    /// # Errors
    /// When xorriso fails.
    pub fn medium(&self) -> Result<PathBuf, BenchError> {
        let _turn = turn()?;
        let medium = self.repository.with_file_name("medium");
        if !medium.exists() {
            let new = medium.with_extension("new");
            if new.exists() {
                fs::remove_dir_all(&new).map_err(BenchError::file(&new))?;
            }
            run(Command::new("xorriso")
                .args(["-osirrox", "on", "-indev"])
                .arg(&self.iso)
                .args(["-extract", "/"])
                .arg(&new))?
            .success()?;
            fs::rename(&new, &medium).map_err(BenchError::file(&medium))?;
        }
        Ok(medium)
    }

    /// A file of the image, as xorriso reads it.
    ///
    /// # Errors
    /// When the image has no such file.
    pub fn file_on_iso(&self, path: &str) -> Result<String, BenchError> {
        file_on_iso(&self.iso, path)
    }

    /// The lines of `git ls-files` in the repository: what the image carries at `/devos`.
    ///
    /// # Errors
    /// When git fails.
    pub fn tracked_files(&self) -> Result<Vec<String>, BenchError> {
        let list = run(Command::new("git")
            .arg("-C")
            .arg(&self.repository)
            .arg("ls-files"))?
        .success()?;
        Ok(list.stdout.lines().map(str::to_owned).collect())
    }

    fn at(folder: &Path) -> Result<Self, BenchError> {
        let keys = folder.join("ssh");
        let repository = folder.join("repository");
        Ok(Fixture {
            flk: Flk::new(&folder.join("home"))?,
            iso: repository.join("result/iso").join(format!("{HOST}.iso")),
            repository,
            operator: KeyPair::make(&keys, "operator")?,
            listed: KeyPair::make(&keys, "listed")?,
            filed: KeyPair::make(&keys, "filed")?,
            stranger: KeyPair::make(&keys, "stranger")?,
            known_hosts: keys.join("known_hosts"),
        })
    }

    fn make_repository(&self) -> Result<(), BenchError> {
        // The target folder is in flk's own repository, which ignores it: this one is to be its own.
        init_git(&self.repository)?;
        let key = self.operator.public();
        let arguments = ["init", ".", "--key", &key.to_string_lossy()];
        self.flk.run(&self.repository, &arguments)?.success()?;
        let host = self.repository.join("hosts/NixOS.nix");
        let original = self.repository.join("hosts/template.nix");
        fs::rename(&host, &original).map_err(BenchError::file(&host))?;
        write(&host, &HOST_FILE.replace("@LISTED@", &self.listed.line()?))?;
        for (name, text) in OTHER_HOSTS {
            let file = self.repository.join(format!("hosts/{name}.nix"));
            write(&file, &text.replace("@LISTED@", &self.listed.line()?))?;
        }
        write(
            &self.repository.join("keys/filed.pub"),
            &format!("{}\n", self.filed.line()?),
        )?;
        self.commit("the bench's keys")
    }

    /// Commits everything in the repository, as a user would.
    fn commit(&self, message: &str) -> Result<(), BenchError> {
        let git = |arguments: &[&str]| {
            let mut command = Command::new("git");
            command.arg("-C").arg(&self.repository).args([
                "-c",
                "user.name=bench",
                "-c",
                "user.email=bench@invalid",
            ]);
            run(command.args(arguments))?.success().map(drop)
        };
        git(&["add", "--all"])?;
        git(&["commit", "--quiet", "--allow-empty", "--message", message])
    }

    /// Reads the host key off the image, and trusts it.
    fn pin(&self) -> Result<(), BenchError> {
        let key = self.file_on_iso("/flk/ssh_host_ed25519_key.pub")?;
        write(&self.known_hosts, &format!("live {}\n", key.trim()))
    }

    /// How long the shared image took to make, when it was made.
    ///
    /// # Errors
    /// When the note of it cannot be read.
    pub fn made_in(&self) -> Result<Duration, BenchError> {
        let done = self.repository.with_file_name("done");
        let text = read(&done)?;
        let seconds = text.lines().next().and_then(|line| line.parse().ok());
        seconds
            .map(Duration::from_secs_f64)
            .ok_or_else(|| BenchError::Understand {
                what: done.display().to_string(),
                text,
            })
    }
}

/// Makes `folder` a git repository of its own, wherever it is.
///
/// # Errors
/// When git fails.
pub fn init_git(folder: &Path) -> Result<(), BenchError> {
    run(Command::new("git")
        .args(["init", "--quiet", "--initial-branch=main"])
        .arg(folder))?
    .success()
    .map(drop)
}

/// A text file of the image `iso`, as xorriso reads it.
///
/// # Errors
/// When the image has no such file.
pub fn file_on_iso(iso: &Path, path: &str) -> Result<String, BenchError> {
    let folder = tempfile::tempdir().map_err(BenchError::file(std::env::temp_dir()))?;
    let copy = folder.path().join("file");
    run(Command::new("xorriso")
        .args(["-osirrox", "on", "-indev"])
        .arg(iso)
        .args(["-extract", path])
        .arg(&copy))?
    .success()?;
    read(&copy)
}

/// The right to make what is shared, until it is dropped; who comes later finds it made.
fn turn() -> Result<File, BenchError> {
    let path = folder().join("turn");
    let turn = File::create(&path).map_err(BenchError::file(&path))?;
    turn.lock().map_err(BenchError::file(&path))?;
    Ok(turn)
}

/// The name of the shared image's folder: what it is made of.
fn name() -> Result<String, BenchError> {
    let mut hash = blake3::Hasher::new();
    for path in ["flk", "flk-debian", "flk-init"].map(binary) {
        hash.update(&fs::read(&path).map_err(BenchError::file(&path))?);
    }
    hash.update(include_bytes!("fixture.rs"));
    Ok(hash.finalize().to_hex()[..16].to_owned())
}

fn read(path: &Path) -> Result<String, BenchError> {
    fs::read_to_string(path).map_err(BenchError::file(path))
}

fn write(path: &Path, text: &str) -> Result<(), BenchError> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(BenchError::file(folder))?;
    }
    fs::write(path, text).map_err(BenchError::file(path))
}
