//! An ssh certificate authority for fleets (OpenSSH's PROTOCOL.certkeys; ssh-keygen(1), "CERTIFICATES"): who trusts it knows every
//! machine that it has certified.
//!
//! Its private key is made and used by ssh-keygen alone: encrypted in a file, whose passphrase ssh-keygen asks for, or in the user's agent.
//! flk never sees it. Certificates are for hosts, have an end, and name the host for which they are good.

use std::{
    fs,
    net::Ipv6Addr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use flk_identity::{Identity, is_encrypted};
use flk_lan::ALIAS;

use crate::{
    error::{Context, Failure, Result},
    place::{self, Places},
    ui,
};

/// The private key; the public one has `.pub` after it. In the agent's case only that is there.
const KEY: &str = "authority";
/// Days for which a certificate is good.
pub(crate) const DAYS: u32 = 30;
/// Links whose names go into a certificate, which has room for 256 names.
const LINKS_MAX: usize = 8;
/// Clocks of machines without a network may be behind.
const BEFORE: &str = "-1d";

/// What is done with an ssh certificate authority.
#[derive(Clone, Debug, clap::Subcommand)]
pub(crate) enum Verb {
    /// Make the authority's key; ssh-keygen asks for its passphrase.
    Init {
        /// Use this key of your ssh agent instead: the file of its public half.
        #[arg(long, value_name = "KEY.pub")]
        agent: Option<PathBuf>,
    },
    /// Print the line for known_hosts by which ssh accepts every machine with a certificate of this authority.
    KnownHosts,
    /// Certify a host key, and print the certificate. `flk iso --sign` does it for an ISO's.
    Sign {
        /// The host.
        host: String,
        /// Its public key's file.
        #[arg(value_name = "KEY.pub")]
        key: PathBuf,
        /// Days for which the certificate is good; 0: it is out of date already, for trying that out.
        #[arg(long, value_name = "DAYS", default_value_t = DAYS)]
        days: u32,
    },
}

/// Runs the verb.
pub(crate) fn run(verb: Verb, identities: &[Identity]) -> Result<()> {
    let authority = Authority::of(&Places::find()?);
    match verb {
        Verb::Init { agent } => authority.make(agent.as_deref()),
        Verb::KnownHosts => {
            let public = authority.public_key()?;
            let mut words = public.split_whitespace();
            let (kind, key) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
            ui::data(format_args!(
                "@cert-authority *.local,fe80::* {kind} {key} flk"
            ));
            Ok(())
        }
        Verb::Sign { host, key, days } => {
            let public =
                fs::read_to_string(&key).context(|| format!("cannot read {}", key.display()))?;
            let addresses = addresses_of(identities, &host);
            let certificate = authority.certify(&public, &host, &addresses, days)?;
            ui::data(certificate.trim_end());
            Ok(())
        }
    }
}

/// The registered link-local addresses of a host.
pub(crate) fn addresses_of(identities: &[Identity], host: &str) -> Vec<Ipv6Addr> {
    let of_host = identities.iter().filter(|one| one.is_called(host));
    of_host.flat_map(Identity::addresses).collect()
}

/// The operator's authority, which need not have been made yet.
pub(crate) struct Authority {
    folder: PathBuf,
    certificates: PathBuf,
}

impl Authority {
    /// By the operator's folders.
    pub(crate) fn of(places: &Places) -> Self {
        Self {
            folder: places.data().join("authority"),
            certificates: places.data().join("certificates"),
        }
    }

    fn private(&self) -> PathBuf {
        self.folder.join(KEY)
    }

    fn public(&self) -> PathBuf {
        self.folder.join(format!("{KEY}.pub"))
    }

    fn public_key(&self) -> Result<String> {
        fs::read_to_string(self.public()).map_err(|error| {
            Failure::new(format!(
                "there is no authority: cannot read {}",
                self.public().display()
            ))
            .because(error)
            .hint("`flk identity ca init` makes one")
        })
    }

    fn make(&self, agent: Option<&Path>) -> Result<()> {
        if self.public().exists() {
            return Err(Failure::new(format!("{} is there already", self.public().display()))
                .hint("another authority is not known to those who trust this one; remove the file if that is what you want"));
        }
        make_private_folder(&self.folder)?;
        if let Some(agent) = agent {
            let line =
                fs::read_to_string(agent).context(|| format!("cannot read {}", agent.display()))?;
            let fingerprint = flk_identity::fingerprint(&line)?;
            place::write_whole(&self.public(), line.as_bytes())
                .context(|| format!("cannot write {}", self.public().display()))?;
            ui::note(format_args!(
                "the authority is the agent's key {fingerprint}"
            ));
            return Ok(());
        }
        let made = self.generate();
        if made.is_err() {
            let _ = fs::remove_file(self.private());
            let _ = fs::remove_file(self.public());
        }
        made?;
        let fingerprint = flk_identity::fingerprint(&self.public_key()?)?;
        ui::note(format_args!(
            "the authority's key: {fingerprint}, in {}",
            self.private().display()
        ));
        ui::note(
            "`flk iso HOST --sign` certifies an ISO's host key; `flk identity ca known-hosts` is for those who are to trust it",
        );
        Ok(())
    }

    fn generate(&self) -> Result<()> {
        let mut command = ssh_keygen()?;
        command
            .args(["-q", "-t", "ed25519", "-C", "flk authority", "-f"])
            .arg(self.private());
        let status = command
            .status()
            .context(|| "cannot run ssh-keygen".into())?;
        if !status.success() {
            return Err(Failure::new("ssh-keygen made no key"));
        }
        let private = fs::read_to_string(self.private())
            .context(|| format!("cannot read {}", self.private().display()))?;
        if !is_encrypted(&private)? {
            return Err(
                Failure::new("the authority's key has no passphrase, so it was removed").hint(
                    "give ssh-keygen a passphrase, or use a key of your agent: --agent KEY.pub",
                ),
            );
        }
        Ok(())
    }

    /// A certificate for a host's key: good for `HOST.local`, `fe80::47` and the host's addresses, as they are dialled from this machine's links.
    pub(crate) fn certify(
        &self,
        public: &str,
        host: &str,
        addresses: &[Ipv6Addr],
        days: u32,
    ) -> Result<String> {
        self.public_key()?;
        let scratch = tempfile::tempdir().context(|| "cannot create a temporary folder".into())?;
        let key = scratch.path().join("host.pub");
        fs::write(&key, public).context(|| format!("cannot write {}", key.display()))?;
        let links = links()?;
        let mut names = vec![format!("{host}.local")];
        for address in std::iter::once(&ALIAS).chain(addresses) {
            names.push(address.to_string());
            // ssh compares with what was dialled, its link included, and knows no patterns there.
            names.extend(links.iter().map(|link| format!("{address}%{link}")));
        }
        // ssh compares names in lower case.
        let names = names.join(",").to_lowercase();
        let validity = match days {
            0 => "-2d:-1d".to_owned(),
            days => format!("{BEFORE}:+{days}d"),
        };
        let mut command = ssh_keygen()?;
        command.arg("-q").arg("-s");
        if self.private().exists() {
            command.arg(self.private());
        } else {
            // The key is the agent's.
            command.arg(self.public()).arg("-U");
        }
        command
            .args([
                "-h",
                "-I",
                &format!("flk {host}"),
                "-n",
                &names,
                "-V",
                &validity,
            ])
            .arg(&key)
            .stdout(Stdio::null());
        let status = command
            .status()
            .context(|| "cannot run ssh-keygen".into())?;
        if !status.success() {
            return Err(Failure::new(format!("the host key of {host} was not certified"))
                .hint("ssh-keygen says why, above; a key of the agent has to be loaded there: `ssh-add -l`"));
        }
        let certificate = scratch.path().join("host-cert.pub");
        fs::read_to_string(&certificate)
            .context(|| format!("cannot read {}", certificate.display()))
    }

    /// The certificate of an ISO's key: the one that was made before, as long as it is good for half of `days` and for the same names; else a
    /// new one. So the same ISO is not made again each time.
    pub(crate) fn certificate_of_build(
        &self,
        (build, public): (&str, &str),
        host: &str,
        addresses: &[Ipv6Addr],
        days: u32,
    ) -> Result<String> {
        let path = self.certificates.join(format!("{build}-cert.pub"));
        let terms = format!(
            "{host} {days} {addresses:?} {:?} {}",
            links()?,
            self.public_key()?.trim()
        );
        let note = self.certificates.join(format!("{build}.terms"));
        let age = fs::metadata(&path)
            .and_then(|meta| meta.modified())
            .ok()
            .and_then(|made| made.elapsed().ok());
        let is_young = age.is_some_and(|age| age.as_secs() < u64::from(days) * 86_400 / 2);
        if is_young && fs::read_to_string(&note).is_ok_and(|kept| kept == terms) {
            return fs::read_to_string(&path).context(|| format!("cannot read {}", path.display()));
        }
        let certificate = self.certify(public, host, addresses, days)?;
        make_private_folder(&self.certificates)?;
        place::write_whole(&path, certificate.as_bytes())
            .and_then(|()| place::write_whole(&note, terms.as_bytes()))
            .context(|| format!("cannot write {}", path.display()))?;
        Ok(certificate)
    }
}

/// The names of this machine's links, as far as there is room for them in a certificate.
fn links() -> Result<Vec<String>> {
    let links = flk_lan::links().context(|| "cannot tell this machine's links".into())?;
    let ethernet = links.into_iter().filter(|link| link.mac.is_some());
    Ok(ethernet.map(|link| link.name).take(LINKS_MAX).collect())
}

fn make_private_folder(folder: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .context(|| format!("cannot create {}", folder.display()))
}

fn ssh_keygen() -> Result<Command> {
    let program = place::program("ssh-keygen", &[]).ok_or_else(|| {
        Failure::new("there is no ssh-keygen on this machine")
            .hint("on Debian and Ubuntu: `apt install openssh-client`")
    })?;
    Ok(Command::new(program))
}
