//! The devices that are there and what is on them, kept up to date while drivers are loaded.
//!
//! Each device is read in a thread of its own, so that a drive which takes half a minute to say that it is empty holds nobody up.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use rustix::io::Errno;

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
    read_at: Instant,
    content: Content,
}

/// What is on a device, as far as that is known.
#[derive(Debug)]
enum Content {
    BeingRead,
    NoMedium,
    Unreadable(std::io::Error),
    Unknown,
    Known(Identity),
}

impl Content {
    fn read(device: &BlockDevice) -> Self {
        match File::open(device.node()).and_then(|file| probe(&file)) {
            Ok(Some(identity)) => Self::Known(identity),
            Ok(None) => Self::Unknown,
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NOMEDIUM) => Self::NoMedium,
            Err(error) => Self::Unreadable(error),
        }
    }
}

impl Known {
    fn identity(&self) -> Option<&Identity> {
        match &self.content {
            Content::Known(identity) => Some(identity),
            _ => None,
        }
    }

    fn is_being_read(&self) -> bool {
        matches!(self.content, Content::BeingRead)
    }
}

#[derive(Debug)]
struct Answer {
    device: BlockDevice,
    content: Content,
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
        let busy = self.known.values().any(|known| known.is_being_read());
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
                known.read_at = Instant::now();
                known.content = answer.content;
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
                    .identity()
                    .is_some_and(|identity| identity.label.as_deref() == Some(label))
            }),
            DeviceName::Uuid(uuid) => by(&|known| {
                known
                    .identity()
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
            .and_then(Known::identity)
    }

    /// The devices with a file system that can be mounted: node and type.
    pub fn mountable(&self) -> Vec<(PathBuf, &'static str)> {
        let each = self
            .each()
            .filter_map(|known| Some((known, known.identity()?)));
        each.filter(|(_, identity)| identity.is_mountable())
            .map(|(known, identity)| (known.device.node(), identity.fs_type))
            .collect()
    }

    /// What is there, for a person: `sr0 iso9660 'X', sda ext4, sr1 (no medium)`.
    pub fn describe(&self) -> String {
        // A disk with a partition table has nothing of its own to tell.
        let is_divided = |disk: &str| {
            let mut partitions = self
                .each()
                .filter_map(|known| known.device.partition.as_ref());
            partitions.any(|(_, parent)| parent == disk)
        };
        let each = self
            .each()
            .filter(|known| known.identity().is_some() || !is_divided(&known.device.name));
        let each = each.map(|known| {
            let name = &known.device.name;
            match &known.content {
                Content::Known(Identity {
                    fs_type,
                    label: Some(label),
                    ..
                }) => format!("{name} {fs_type} '{label}'"),
                Content::Known(Identity {
                    fs_type,
                    label: None,
                    ..
                }) => format!("{name} {fs_type}"),
                Content::BeingRead => format!("{name} (being read)"),
                Content::NoMedium => format!("{name} (no medium)"),
                Content::Unreadable(error) => format!("{name} (cannot be read: {error})"),
                Content::Unknown => format!("{name} (nothing known)"),
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
                    !known.is_being_read()
                        && known.identity().is_none()
                        && known.read_at.elapsed() > READ_AGAIN
                }
            };
            if !read {
                continue;
            }
            // A drive without a medium is opened too: that is what makes the kernel look for one.
            let (opened, answer) = (device.clone(), self.answer.clone());
            std::thread::spawn(move || {
                let content = Content::read(&opened);
                let _ = answer.send(Answer {
                    device: opened,
                    content,
                });
            });
            let known = Known {
                device,
                read_at: Instant::now(),
                content: Content::BeingRead,
            };
            self.known.insert(known.device.name.clone(), known);
        }
    }
}
