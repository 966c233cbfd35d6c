//! The devices that are there and what is on them, kept up to date while drivers are loaded.
//!
//! Each device is read in a thread of its own, so that a drive which takes half a minute to say that it is empty holds nobody up.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use crate::block::{self, BlockDevice};
use crate::device::DeviceName;
use crate::error::Result;
use crate::modules::Loader;
use crate::probe::{Identity, probe};
use crate::uevent::{Events, walk_aliases};

/// Everything is looked at again this often, whatever the kernel announced.
const FULL_LOOK: Duration = Duration::from_secs(2);
/// A device on which nothing was found, or that could not be read, is read again this often.
const READ_AGAIN: Duration = Duration::from_secs(5);

/// Block devices and what is on them.
#[derive(Debug)]
pub struct Devices {
    events: Events,
    asked: HashSet<String>,
    known: BTreeMap<String, Known>,
    /// Names in the order of [`block::list`].
    order: Vec<String>,
    answers: Receiver<Answer>,
    answer: Sender<Answer>,
    last_full_look: Instant,
}

#[derive(Debug)]
struct Known {
    device: BlockDevice,
    reading: bool,
    read_at: Instant,
    identity: Option<Identity>,
}

#[derive(Debug)]
struct Answer {
    device: BlockDevice,
    identity: Option<Identity>,
}

impl Devices {
    /// Listens for devices, and asks for the drivers of those that are there.
    ///
    /// # Errors
    /// The kernel gives no socket for its events.
    pub fn start(loader: &Loader) -> Result<Self> {
        let events = Events::listen()?;
        let (answer, answers) = channel();
        let mut devices = Self {
            events,
            asked: HashSet::new(),
            known: BTreeMap::new(),
            order: Vec::new(),
            answers,
            answer,
            last_full_look: Instant::now(),
        };
        devices.look(loader);
        Ok(devices)
    }

    /// Waits for news, at most this long, and takes them in.
    pub fn update(&mut self, loader: &Loader, longest: Duration) {
        let busy = self.known.values().any(|known| known.reading);
        let wait = if busy {
            longest.min(Duration::from_millis(10))
        } else {
            longest
        };
        match self.events.wait(wait) {
            Some(events) => {
                for event in &events {
                    if event.action == "add"
                        && let Some(alias) = &event.alias
                    {
                        self.ask(loader, alias);
                    }
                }
                if events.iter().any(|event| event.subsystem == "block") {
                    self.scan();
                }
                if self.last_full_look.elapsed() >= FULL_LOOK {
                    self.look(loader);
                }
            }
            None => self.look(loader),
        }
        while let Ok(answer) = self.answers.try_recv() {
            if let Some(known) = self.known.get_mut(&answer.device.name)
                && known.device == answer.device
            {
                known.reading = false;
                known.read_at = Instant::now();
                known.identity = answer.identity;
            }
        }
    }

    /// The node of a device, when it is there.
    pub fn find(&self, name: &DeviceName) -> Option<PathBuf> {
        let by = |test: &dyn Fn(&Known) -> bool| {
            self.each()
                .find(|known| test(known))
                .map(|known| known.device.node())
        };
        let same =
            |a: &Option<String>, b: &str| a.as_deref().is_some_and(|a| a.eq_ignore_ascii_case(b));
        match name {
            DeviceName::Node(path) => path.exists().then(|| path.clone()),
            DeviceName::Label(label) => by(&|known| {
                known
                    .identity
                    .as_ref()
                    .is_some_and(|identity| identity.label.as_deref() == Some(label))
            }),
            DeviceName::Uuid(uuid) => by(&|known| {
                known
                    .identity
                    .as_ref()
                    .is_some_and(|identity| same(&identity.uuid, uuid))
            }),
            DeviceName::PartLabel(label) => {
                by(&|known| known.device.table.label.as_deref() == Some(label))
            }
            DeviceName::PartUuid(uuid) => by(&|known| same(&known.device.table.uuid, uuid)),
            DeviceName::InRoot(_) | DeviceName::Nothing(_) => None,
        }
    }

    /// What is on a device, as far as it has been read.
    pub fn identity(&self, node: &std::path::Path) -> Option<&Identity> {
        self.each()
            .find(|known| known.device.node() == node)
            .and_then(|known| known.identity.as_ref())
    }

    /// The devices with a file system that can be mounted: node and type.
    pub fn mountable(&self) -> Vec<(PathBuf, &'static str)> {
        let each = self
            .each()
            .filter_map(|known| Some((known, known.identity.as_ref()?)));
        each.filter(|(_, identity)| identity.is_mountable())
            .map(|(known, identity)| (known.device.node(), identity.fs_type))
            .collect()
    }

    /// What is there, for a person: `sr0 iso9660 'X', sda ext4, sr1 (no medium)`.
    pub fn describe(&self) -> String {
        let each = self.each().map(|known| {
            let name = &known.device.name;
            match &known.identity {
                _ if known.device.bytes == 0 => format!("{name} (no medium)"),
                Some(Identity {
                    fs_type,
                    label: Some(label),
                    ..
                }) => format!("{name} {fs_type} ‘{label}’"),
                Some(Identity {
                    fs_type,
                    label: None,
                    ..
                }) => format!("{name} {fs_type}"),
                None if known.reading => format!("{name} (being read)"),
                None => format!("{name} (unknown)"),
            }
        });
        let text = each.collect::<Vec<_>>().join(", ");
        if text.is_empty() {
            "no disk or drive at all".to_owned()
        } else {
            text
        }
    }

    fn each(&self) -> impl Iterator<Item = &Known> {
        self.order.iter().filter_map(|name| self.known.get(name))
    }

    fn ask(&mut self, loader: &Loader, alias: &str) {
        if self.asked.insert(alias.to_owned()) {
            loader.request_alias(alias);
        }
    }

    /// Looks at everything.
    fn look(&mut self, loader: &Loader) {
        walk_aliases(&mut |alias| self.ask(loader, alias));
        self.scan();
        self.last_full_look = Instant::now();
    }

    /// Looks at the block devices, and reads what is new or has changed.
    fn scan(&mut self) {
        let devices = block::list();
        self.order = devices.iter().map(|device| device.name.clone()).collect();
        self.known.retain(|name, _| self.order.contains(name));
        for device in devices {
            let read = match self.known.get(&device.name) {
                None => true,
                Some(known) if known.device != device => true,
                Some(known) => {
                    !known.reading
                        && known.identity.is_none()
                        && known.read_at.elapsed() > READ_AGAIN
                }
            };
            if !read {
                continue;
            }
            // A drive without a medium is opened too: that is what makes the kernel look for one.
            let (opened, answer) = (device.clone(), self.answer.clone());
            std::thread::spawn(move || {
                let identity = File::open(opened.node())
                    .and_then(|file| probe(&file))
                    .unwrap_or(None);
                let _ = answer.send(Answer {
                    device: opened,
                    identity,
                });
            });
            self.known.insert(
                device.name.clone(),
                Known {
                    device,
                    reading: true,
                    read_at: Instant::now(),
                    identity: None,
                },
            );
        }
    }
}
