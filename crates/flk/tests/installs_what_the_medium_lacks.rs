//! `flk install` of a system that this machine's store lacks: what it has is copied, the rest is downloaded and built on the target, whose store has nothing
//! else afterwards. Without a network the missing is told, and nothing is written.
//!
//! A system with nothing to boot onto ext4 on a loop device, from a mirror of the test's own: needs root, Nix and flk-debian, its builder.

mod workbench;

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use workbench::{Workbench, nix_is_here, skipped};

/// What the mirror has: any file will do, the test's system copies it.
const THING: &[u8] = b"the thing that the medium lacks\n";
const FILE: &str = "pool/main/t/thing/thing_1%3a1.0-1_amd64.deb";

/// The mirror hangs up.
const AWAY: u8 = 0;
/// The mirror says that it is there, but has no file.
const EMPTY: u8 = 1;
/// The mirror has the file.
const WHOLE: u8 = 2;

/// A mirror on this machine.
struct Mirror {
    address: String,
    state: Arc<AtomicU8>,
}

impl Mirror {
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/debian", listener.local_addr().unwrap());
        let state = Arc::new(AtomicU8::new(AWAY));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that hangs up is none of the mirror's concern.
                let _ = answer(stream, shared.load(Ordering::SeqCst));
            }
        });
        Self { address, state }
    }

    fn becomes(&self, state: u8) {
        self.state.store(state, Ordering::SeqCst);
    }
}

fn answer(mut stream: TcpStream, state: u8) -> std::io::Result<()> {
    if state == AWAY {
        return Ok(());
    }
    let mut request = String::new();
    let mut reader = BufReader::new(stream.try_clone()?);
    reader.read_line(&mut request)?;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let has_it = state == WHOLE && request.contains(FILE);
    let status = if has_it { "200 OK" } else { "404 Not Found" };
    let body = if has_it { THING } else { b"" };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )?;
    if request.starts_with("GET") {
        stream.write_all(body)?;
    }
    Ok(())
}

/// A repository whose host `box` is made of a library, which this machine's store has, and of the thing.
fn flake(salt: &str) -> String {
    let size = THING.len();
    format!(
        r#"{{
  outputs =
    {{ self }}:
    let
      tree = name: entries: derivation {{
        inherit name entries;
        system = "x86_64-linux";
        builder = "${{./flk-debian}}";
        args = [ "tree" ];
        outputs = [ "out" ];
        __structuredAttrs = true;
      }};
      sha256 = builtins.hashFile "sha256" ./thing;
      thing = derivation {{
        name = "thing_1-3a1.0-1_amd64.deb";
        system = "builtin";
        builder = "builtin:fetchurl";
        url = "none";
        outputHashMode = "flat";
        outputHashAlgo = "sha256";
        outputHash = sha256;
        flkMirror = "debian";
        flkPath = "{FILE}";
        flkSize = "{size}";
        flkSha256 = sha256;
      }};
      unpacked = tree "unpacked" [ {{ path = "thing"; copy = "${{thing}}"; }} ];
    in
    {{
      library = tree "library" [ {{ path = "book"; text = "{salt}"; }} ];
      nixosConfigurations.box.config = {{
        networking.hostName = "box";
        fileSystems = {{ }};
        swapDevices = [ ];
        boot = {{ loader = {{ }}; kernelPackages.kernel = {{ version = "0"; file = "/none"; }}; }};
        system.nixos.label = "none";
        system.build = {{
          stage2Users = {{ }};
          initialRamdisk = "/none";
          toplevel = tree "nixos-system-box" [
            {{ path = "library"; link = "${{self.library}}"; }}
            {{ path = "thing"; copy = "${{unpacked}}/thing"; }}
          ];
        }};
      }};
    }};
}}
"#
    )
}

struct Bench {
    bench: Workbench,
    mirror: Mirror,
    root: PathBuf,
}

impl Bench {
    /// `None`: something is missing here.
    fn open() -> Option<Self> {
        let missing = |what: &str| {
            assert!(
                std::env::var_os("CI").is_none(),
                "in CI nothing is skipped: {what}"
            );
            skipped(what);
        };
        let builder = Path::new(env!("CARGO_BIN_EXE_flk")).with_file_name("flk-debian");
        if !nix_is_here() {
            return None;
        }
        if !rustix::process::geteuid().is_root() {
            missing("this user is not root");
            return None;
        }
        if !builder.exists() {
            missing("flk-debian is not built");
            return None;
        }
        let mirror = Mirror::open();
        let bench = Workbench::new()
            .variable("FLK_DEBIAN_MIRROR", &mirror.address)
            .variable("NIX_CONFIG", "substituters =");
        let (disk, root) = (bench.at("disk"), bench.at("root"));
        fs::create_dir(&root).unwrap();
        fs::File::create(&disk).unwrap().set_len(768 << 20).unwrap();
        let made = Command::new("mkfs.ext4")
            .args(["-q", "-F"])
            .arg(&disk)
            .status();
        let mounted = Command::new("mount")
            .args(["-o", "loop"])
            .args([&disk, &root])
            .status();
        if ![made, mounted]
            .into_iter()
            .all(|status| status.is_ok_and(|status| status.success()))
        {
            missing("nothing can be mounted here");
            return None;
        }
        // New with each run, so that an earlier one has not built it here.
        let salt = format!("{}", bench.at("").display());
        bench.write("r/flake.nix", &flake(&salt));
        fs::write(bench.at("r/thing"), THING).unwrap();
        fs::copy(builder, bench.at("r/flk-debian")).unwrap();
        let here = Self {
            bench,
            mirror,
            root,
        };
        let library = format!("path:{}#library", here.bench.at("r").display());
        here.nix(&["build", "--no-link", &library]);
        Some(here)
    }

    fn nix(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("nix");
        command
            .env(
                "NIX_CONFIG",
                "substituters =\nexperimental-features = nix-command flakes\nbuild-users-group =",
            )
            .args(arguments);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{command:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn install(&self, further: &[&str]) -> workbench::Run {
        let root = self.root.display().to_string();
        let arguments = ["install", "box", "--yes", "--json", "--root", &root];
        self.bench.flk_in("r", &[&arguments[..], further].concat())
    }

    fn files(&self, folder: &str) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.root.join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "lost+found" && name != ".links")
            .collect();
        names.sort();
        names
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.root).status();
    }
}

fn json(run: &workbench::Run) -> serde_json::Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {}", run.stdout))
}

#[test]
fn it_is_made_on_the_target_and_told_where_it_cannot_be() {
    let Some(bench) = Bench::open() else { return };
    let missing = format!("thing 1:1.0-1, {} B", THING.len());

    // No network: told, and nothing is written.
    let planned = bench.install(&["--dry-run"]).ended(0).said(&missing);
    let plan = json(&planned);
    let from = &plan["plan"]["from"];
    assert_eq!(plan["missing"][0], missing.as_str());
    assert_eq!(from["download"]["count"], 1);
    assert_eq!(from["download"]["bytes"], THING.len());
    assert_eq!(from["build"], 2);
    // The library, and the repository, in which the builder is.
    assert_eq!(from["copy"]["count"], 2);
    bench
        .install(&[])
        .ended(1)
        .said(&missing)
        .said("hint: connect a network")
        .said("`flk iso box`");
    assert_eq!(bench.files(""), [""; 0]);

    // Cut off after the copy.
    bench.mirror.becomes(EMPTY);
    bench.install(&[]).ended(1).said("gone from the mirror");
    assert!(bench.root.join("nix/var/flk-install").exists());
    assert!(!bench.root.join("nix/var/nix/profiles/system").exists());

    // It goes on, and leaves nothing but the system.
    bench.mirror.becomes(WHOLE);
    let installed = json(&bench.install(&[]).ended(0));
    assert_eq!(installed["installed"]["written"], 0);
    assert_eq!(installed["installed"]["kept"], 2);
    let toplevel = installed["plan"]["toplevel"].as_str().unwrap();
    let there = bench.root.join(toplevel.trim_start_matches('/'));
    assert_eq!(fs::read(there.join("thing")).unwrap(), THING);
    assert!(!bench.root.join("nix/var/flk-install").exists());
    let store = format!("local?root={}", bench.root.display());
    let closure = bench.nix(&["path-info", "--store", &store, "--recursive", toplevel]);
    let mut closure: Vec<&str> = closure
        .lines()
        .map(|path| path.trim_start_matches("/nix/store/"))
        .collect();
    closure.sort_unstable();
    assert_eq!(bench.files("nix/store"), closure);
    assert_eq!(closure.len(), 2, "the system and the library: {closure:?}");
    // Nothing of it came to this machine's store.
    assert!(!Path::new(toplevel).exists());
    let record = fs::read_to_string(bench.root.join("var/lib/flk/mirrors.json")).unwrap();
    assert!(record.contains(&bench.mirror.address), "{record}");

    // Again: it is there already, and needs no mirror.
    bench.mirror.becomes(AWAY);
    let again = json(&bench.install(&[]).ended(0));
    assert_eq!(again["plan"]["from"]["build"], 0);
    assert_eq!(again["installed"]["generation"], 1);
}
