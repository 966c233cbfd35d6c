//! What a user asks of Nix itself with one run of flk, passed on with each call.

/// Settings and inputs from the command line; they come after flk's own, so they win.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Names and values of nix.conf(5).
    pub settings: Vec<(String, String)>,
    /// Inputs of the flake, and the references that stand in for them.
    pub overrides: Vec<(String, String)>,
    /// Evaluation may look at the environment and at files outside of the flake.
    pub impure: bool,
}

impl Request {
    /// Whether an evaluation depends on more than the flake, so that its result cannot be remembered.
    pub fn changes_evaluation(&self) -> bool {
        self.impure || !self.overrides.is_empty()
    }

    /// Asks for a setting.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.settings.push((name.to_owned(), value.into()));
    }

    /// Nothing is fetched: neither store paths nor sources, which count as fresh however old they are (what `nix --offline` does, by settings
    /// that the daemon takes from anybody).
    pub fn set_offline(&mut self) {
        for (name, value) in [
            ("substituters", ""),
            ("tarball-ttl", "4294967295"),
            ("download-attempts", "1"),
            ("connect-timeout", "1"),
        ] {
            self.set(name, value);
        }
    }

    pub(crate) fn sets(&self, name: &str) -> bool {
        self.settings.iter().any(|(other, _)| other == name)
    }
}
