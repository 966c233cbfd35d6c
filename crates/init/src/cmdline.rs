//! The kernel command line, as `/proc/cmdline` gives it.
//!
//! Follows the kernel's own reading (`lib/cmdline.c`, `next_arg`): words are separated by white space, double quotes keep white space
//! together and are dropped where they enclose a value or a whole word. Of a name given twice the last one counts.

use std::path::PathBuf;
use std::time::Duration;

use crate::stage1::check::Mode;

/// The words of a kernel command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandLine {
    words: Vec<(String, Option<String>)>,
}

impl CommandLine {
    /// Splits a command line into words.
    pub fn parse(text: &str) -> Self {
        let mut words = Vec::new();
        let mut word = String::new();
        let mut quoted = false;
        for character in text.chars().chain([' ']) {
            match character {
                '"' => quoted = !quoted,
                c if c.is_whitespace() && !(quoted && c == ' ') => {
                    if !word.is_empty() {
                        words.push(split_word(&std::mem::take(&mut word)));
                    }
                    quoted = false;
                }
                c => word.push(c),
            }
        }
        if !word.trim().is_empty() {
            words.push(split_word(word.trim_end()));
        }
        Self { words }
    }

    /// Whether the word is there, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.words.iter().any(|(key, _)| key == name)
    }

    /// The last value given for a name.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.words
            .iter()
            .rev()
            .find(|(key, _)| key == name)
            .and_then(|(_, value)| value.as_deref())
    }

    /// Every value of a name that holds a list separated by commas, as `modprobe.blacklist=a,b`.
    pub fn list(&self, name: &str) -> Vec<String> {
        let values = self
            .words
            .iter()
            .filter(|(key, _)| key == name)
            .filter_map(|(_, value)| value.as_deref());
        values
            .flat_map(|value| value.split(','))
            .filter(|item| !item.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// What is given to a loadable module (`module.parameter=value`), as `finit_module(2)` wants it.
    pub fn module_parameters(&self, module: &str) -> String {
        let mut parameters = Vec::new();
        for (key, value) in &self.words {
            let Some((owner, name)) = key.split_once('.') else {
                continue;
            };
            if owner.replace('-', "_") != module.replace('-', "_") {
                continue;
            }
            parameters.push(match value {
                Some(value) if value.contains(char::is_whitespace) => format!("{name}=\"{value}\""),
                Some(value) => format!("{name}={value}"),
                None => name.to_owned(),
            });
        }
        parameters.join(" ")
    }
}

fn split_word(word: &str) -> (String, Option<String>) {
    match word.split_once('=') {
        Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
        None => (word.to_owned(), None),
    }
}

/// What the command line asks of stage 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootRequest {
    /// `init=`: the program to execute in the new root.
    pub init: Option<PathBuf>,
    /// `root=`: takes the place of the device of `/`.
    pub root: Option<String>,
    /// `rootfstype=`.
    pub root_fs_type: Option<String>,
    /// `rootflags=`.
    pub root_flags: Option<String>,
    /// `copytoram`: the medium goes to memory and can be removed.
    pub copy_to_ram: bool,
    /// `rd.live.check`, as dracut has it: every byte of the medium is checked before anything starts from it.
    pub check_medium: bool,
    /// `findiso=`: the medium is an ISO that lies as a file on some file system.
    pub find_iso: Option<PathBuf>,
    /// `boot.shell_on_fail`: a shell at once, without asking.
    pub shell_on_fail: bool,
    /// `flk.debug1`: a shell before anything is mounted.
    pub shell_first: bool,
    /// `panic=` or `boot.panic_on_fail`: a failure restarts the machine after this time.
    pub restart_after: Option<Duration>,
    /// `fsck.mode=`.
    pub check: Mode,
    /// How long to look for a device before offering a shell: `rootdelay=` in seconds, or 60.
    pub patience: Duration,
}

impl BootRequest {
    /// Reads the request from the command line.
    pub fn new(line: &CommandLine) -> Self {
        let text = |name: &str| {
            line.value(name)
                .filter(|value| !value.is_empty())
                .map(str::to_owned)
        };
        let panic: Option<i64> = line
            .value("panic")
            .and_then(|value| value.parse().ok())
            .filter(|&seconds| seconds != 0);
        let restart_after = match panic {
            Some(seconds) => Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0))),
            None if line.has("boot.panic_on_fail") => Some(Duration::from_secs(10)),
            None => None,
        };
        Self {
            init: text("init").map(PathBuf::from),
            root: text("root").filter(|root| !matches!(root.as_str(), "fstab" | "gpt-auto")),
            root_fs_type: text("rootfstype"),
            root_flags: text("rootflags"),
            copy_to_ram: line.has("copytoram"),
            check_medium: line.has("rd.live.check"),
            find_iso: text("findiso").map(PathBuf::from),
            shell_on_fail: line.has("boot.shell_on_fail"),
            shell_first: line.has("flk.debug1"),
            restart_after,
            check: Mode::parse(line.value("fsck.mode")),
            patience: Duration::from_secs(
                line.value("rootdelay")
                    .and_then(|value| value.parse().ok())
                    .unwrap_or(60),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_the_kernel_splits_them() {
        let line = CommandLine::parse(
            "BOOT_IMAGE=/boot/bzImage quiet init=/a init=/b dyndbg=\"file a.c +p\" \"loud=x y\" e=\n",
        );
        assert!(line.has("quiet"));
        assert!(!line.has("qui"));
        assert_eq!(line.value("init"), Some("/b"));
        assert_eq!(line.value("dyndbg"), Some("file a.c +p"));
        assert_eq!(line.value("loud"), Some("x y"));
        assert_eq!(line.value("e"), Some(""));
        assert_eq!(line.value("quiet"), None);
        assert_eq!(CommandLine::parse(" \n"), CommandLine::default());
        assert_eq!(CommandLine::parse("a=\"b").value("a"), Some("b"));
    }

    #[test]
    fn parameters_go_to_their_module() {
        let line = CommandLine::parse(
            "usb-storage.quirks=1:2:u usb_storage.delay_use=0 loop.max_loop=8 nvme.poll",
        );
        assert_eq!(
            line.module_parameters("usb_storage"),
            "quirks=1:2:u delay_use=0"
        );
        assert_eq!(line.module_parameters("nvme"), "poll");
        assert_eq!(line.module_parameters("isofs"), "");
        let black = CommandLine::parse("modprobe.blacklist=a,b modprobe.blacklist=c");
        assert_eq!(black.list("modprobe.blacklist"), ["a", "b", "c"]);
    }

    #[test]
    fn a_request_is_read() {
        let request = BootRequest::new(&CommandLine::parse(
            "copytoram findiso=/isos/a.iso root=LABEL=nixos panic=-1 rootdelay=5 init=",
        ));
        assert!(request.copy_to_ram && !request.check_medium);
        assert!(BootRequest::new(&CommandLine::parse("rd.live.check")).check_medium);
        assert_eq!(request.find_iso.as_deref(), Some("/isos/a.iso".as_ref()));
        assert_eq!(request.root.as_deref(), Some("LABEL=nixos"));
        assert_eq!(request.restart_after, Some(Duration::ZERO));
        assert_eq!(request.patience, Duration::from_secs(5));
        assert_eq!(request.init, None);
        let quiet = BootRequest::new(&CommandLine::parse("panic=0 root=fstab"));
        assert_eq!((quiet.restart_after, quiet.root), (None, None));
        let headless = BootRequest::new(&CommandLine::parse("boot.panic_on_fail"));
        assert_eq!(headless.restart_after, Some(Duration::from_secs(10)));
    }
}
