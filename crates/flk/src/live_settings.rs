//! Settings of a host's live system (`flk.live.*`): those of the command line, and those that a flake gives as its output `flk.HOST.live`, for
//! hosts that do not declare flk's options.

use flk_nix::quote;
use serde_json::Value;

use crate::{
    error::{Failure, Result},
    workspace::Workspace,
};

/// The options below `flk.live` (`nix/live/options.nix`).
const OPTIONS: [&str; 3] = ["allowNoKeys", "devShell", "disable"];

/// Makes a value of JSON from the output; a path becomes its text, as it would else be copied to the store by itself, and name nothing in the flake.
const AS_JSON: &str = "live: if builtins.isAttrs live && builtins.isList (live.disable or null) then live // { disable = \
                       map (item: if builtins.isPath item then toString item else item) live.disable; } else live";

/// What the ISO is to be, besides what the host file says.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Settings {
    /// An ISO that nobody can log in to is wanted.
    pub(crate) allow_no_keys: bool,
}

impl Settings {
    /// As a Nix expression: values of `flk.live.*`, and nothing that the command line does not say.
    pub(crate) fn expression(self) -> &'static str {
        if self.allow_no_keys {
            "{ allowNoKeys = true; }"
        } else {
            "{ }"
        }
    }

    /// The same over what the flake's output `flk.HOST.live` says.
    ///
    /// # Errors
    /// The output is not a set of these options, or does not evaluate.
    pub(crate) fn with_output(self, workspace: &Workspace, host: &str) -> Result<String> {
        // flk makes the flake of a directory that has none, with no such output.
        let output = match workspace.repository.is_hosts_folder() {
            true => None,
            false => output_of(workspace, host)?,
        };
        let own = self.expression();
        Ok(match output {
            None => own.to_owned(),
            Some(json) => format!("(builtins.fromJSON {} // {own})", quote(&json.to_string())),
        })
    }
}

/// The output `flk.HOST.live` of the flake; none where it does not have it.
fn output_of(workspace: &Workspace, host: &str) -> Result<Option<Value>> {
    let attribute = format!("flk.{}.live", quote(host));
    let evaluated = workspace
        .nix
        .evaluate(&workspace.flake, &attribute, AS_JSON, &mut |_| {});
    let json = match evaluated {
        Ok(json) => json,
        Err(error) if error.is_missing_output() => return Ok(None),
        Err(error) => {
            return Err(
                Failure::new(format!("the output flk.{host}.live does not evaluate"))
                    .because(workspace.explain(error)),
            );
        }
    };
    check(host, &json)?;
    Ok(Some(json))
}

fn check(host: &str, json: &Value) -> Result<()> {
    let options = OPTIONS.join(", ");
    let Some(set) = json.as_object() else {
        return Err(Failure::new(format!(
            "the output flk.{host}.live of flake.nix is not a set"
        ))
        .hint(format!("it can have: {options}")));
    };
    match set.keys().find(|key| !OPTIONS.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => Err(Failure::new(format!(
            "the output flk.{host}.live of flake.nix has an unknown option {key}"
        ))
        .hint(format!("it can have: {options}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_options_of_a_live_system_are_taken() {
        let refusal = |json| check("NixOS", &json).err().map(|failure| failure.render());
        assert_eq!(
            refusal(serde_json::json!({ "disable": ["nginx"], "devShell": false })),
            None
        );
        let unknown = refusal(serde_json::json!({ "disabled": [] })).unwrap();
        assert!(unknown.contains("unknown option disabled"), "{unknown}");
        let other = refusal(serde_json::json!(["nginx"])).unwrap();
        assert!(other.contains("is not a set"), "{other}");
    }
}
