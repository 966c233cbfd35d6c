//! Waiting for a device, and saying so.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::Boot;
use crate::device::DeviceName;
use crate::error::Result;
use crate::rescue;

/// Nobody is told before this: most devices are there by then.
const FIRST_WORD: Duration = Duration::from_secs(2);
/// And then this often.
const NEXT_WORD: Duration = Duration::from_secs(10);
/// How long to wait for news at a time.
const PAUSE: Duration = Duration::from_millis(50);
/// How long for a device whose file system may be done without.
const NOFAIL_PATIENCE: Duration = Duration::from_secs(10);

/// What is waited for, for a person.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// `the medium with volume ID flk-NixOS`.
    pub(super) what: String,
    /// What to do when it does not come.
    pub(super) advice: String,
    /// Give up after a while, for the boot can go on without.
    pub(super) may_fail: bool,
}

impl Wanted {
    /// Words for a device of a configuration.
    pub(super) fn device(name: &DeviceName, is_medium: bool, may_fail: bool) -> Self {
        let what = match name {
            DeviceName::Label(label) if is_medium => format!("the medium with volume ID {label}"),
            _ if is_medium => format!("the medium, {name}"),
            _ => name.to_string(),
        };
        let advice = match name.advice() {
            Some(advice) => advice.to_owned(),
            None if is_medium => "put the stick or disc in again, or into another port; if it is there and not recognised, write it again".to_owned(),
            None => "check that the disk is connected, and its name in fileSystems or root=".to_owned(),
        };
        Self {
            what,
            advice,
            may_fail,
        }
    }
}

impl Boot {
    /// Waits until `look` finds something. Says what is waited for, offers a shell when it takes long, and goes on looking.
    /// None only for what may fail.
    pub(super) fn wait_for<T>(
        &mut self,
        wanted: &Wanted,
        look: &mut dyn FnMut(&mut Self) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        let mut start = Instant::now();
        let mut next_word = FIRST_WORD;
        let mut offered = false;
        loop {
            if let Some(found) = look(self)? {
                return Ok(Some(found));
            }
            let waited = start.elapsed();
            if wanted.may_fail && waited >= NOFAIL_PATIENCE {
                return Ok(None);
            }
            if waited >= next_word {
                self.log.notice(&format!(
                    "waiting for {} (seen: {})",
                    wanted.what,
                    self.devices.describe()
                ));
                next_word = if next_word == FIRST_WORD {
                    NEXT_WORD
                } else {
                    next_word + NEXT_WORD
                };
            }
            if !offered && waited >= self.request.patience {
                offered = true;
                self.log.error(&format!(
                    "{} did not appear within {} s",
                    wanted.what,
                    waited.as_secs()
                ));
                self.log.error(&format!("hint: {}", wanted.advice));
                if let Some(delay) = self.request.restart_after {
                    self.log
                        .error(&format!("restarting in {} s", delay.as_secs()));
                    std::thread::sleep(delay);
                    rescue::restart(&self.log);
                }
                if self.request.shell_on_fail && rescue::open_shell_on_all(&self.log) {
                    (start, next_word, offered) = (Instant::now(), FIRST_WORD, false);
                } else {
                    rescue::offer_shell(&self.log);
                    self.log.notice("still looking");
                }
            }
            if offered && rescue::answer(&self.log) {
                (start, next_word, offered) = (Instant::now(), FIRST_WORD, false);
            }
            self.devices.update(&self.loader, PAUSE);
        }
    }

    /// Waits for a device and gives its node.
    pub(super) fn wait_for_device(
        &mut self,
        name: &DeviceName,
        wanted: &Wanted,
    ) -> Result<Option<PathBuf>> {
        let found = self.wait_for(wanted, &mut |boot| Ok(boot.devices.find(name)))?;
        if let Some(node) = &found {
            self.log
                .info(&format!("{} is {}", wanted.what, node.display()));
        }
        Ok(found)
    }
}
