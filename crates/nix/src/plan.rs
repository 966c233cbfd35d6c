//! What a build would do: `nix-store --realise --dry-run`, whose report is text on standard error.

use crate::{Nix, Result, nix::last_error, process, text::plain};

/// What is missing for a derivation's output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuildPlan {
    /// Derivations that will be built, in Nix's order.
    pub build: Vec<String>,
    /// Store paths that a substituter has.
    pub fetch: Vec<String>,
    /// What the substituters would send, in bytes, as far as Nix says (to two digits).
    pub download_size: u64,
    /// What that becomes in the store, in bytes, likewise.
    pub unpacked_size: u64,
}

impl BuildPlan {
    /// Nothing is missing.
    pub fn is_empty(&self) -> bool {
        self.build.is_empty() && self.fetch.is_empty()
    }
}

impl Nix {
    /// What realising a derivation, or a store path, would build and fetch.
    ///
    /// # Errors
    /// [`crate::Error::Command`] with Nix's message.
    pub fn plan(&self, derivation: &str) -> Result<BuildPlan> {
        let mut command = self.nix_store();
        command.args(["--realise", "--dry-run", derivation]);
        let output = process::run(command, &mut |_| {})?;
        if !output.status.success() {
            return Err(crate::Error::Command {
                command: "nix-store --realise --dry-run".to_owned(),
                message: last_error(&output.stderr),
            });
        }
        Ok(parse(&plain(&output.stderr)))
    }
}

fn parse(text: &str) -> BuildPlan {
    let mut plan = BuildPlan::default();
    let mut section = None;
    for line in text.lines() {
        if line.ends_with("will be built:") {
            section = Some(true);
        } else if line.contains("will be fetched") {
            section = Some(false);
            plan.download_size = size(line, '(').unwrap_or_default();
            plan.unpacked_size = size(line, ',').unwrap_or_default();
        } else if let Some(path) = line.strip_prefix("  ").filter(|path| path.starts_with('/')) {
            match section {
                Some(true) => plan.build.push(path.to_owned()),
                Some(false) => plan.fetch.push(path.to_owned()),
                None => {}
            }
        } else {
            section = None;
        }
    }
    plan
}

/// `these 2 paths will be fetched (1.25 MiB download, 5.00 MiB unpacked):`
fn size(line: &str, before: char) -> Option<u64> {
    let (_, rest) = line.split_once(before)?;
    let mut words = rest.split_whitespace();
    let number: f64 = words.next()?.parse().ok()?;
    let unit = match words.next()? {
        "B" => 1.0,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    Some((number * unit) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_is_read() {
        let plan = parse(
            "warning: something
these 2 derivations will be built:
  /nix/store/a.drv
  /nix/store/b.drv
these 2 paths will be fetched (1.50 MiB download, 5.00 MiB unpacked):
  /nix/store/c
  /nix/store/d
warning: you did not specify '--add-root'
",
        );
        assert_eq!(plan.build, ["/nix/store/a.drv", "/nix/store/b.drv"]);
        assert_eq!(plan.fetch, ["/nix/store/c", "/nix/store/d"]);
        assert_eq!(plan.download_size, 1_572_864);
        assert_eq!(plan.unpacked_size, 5_242_880);
    }

    #[test]
    fn one_of_a_kind_is_read_too() {
        let plan = parse(
            "this derivation will be built:
  /nix/store/a.drv
this path will be fetched (0.00 MiB download, 0.01 MiB unpacked):
  /nix/store/c
",
        );
        assert_eq!(plan.build.len(), 1);
        assert_eq!(plan.fetch.len(), 1);
        assert!(parse("").is_empty());
    }
}
