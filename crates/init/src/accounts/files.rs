//! The files themselves: lines of fields separated by colons.

use std::fs::{self, File};
use std::path::Path;

use crate::atomic_file::{self, Ownership};
use crate::error::{IoContext, Result};

/// One line: its fields, the name first.
pub type Entry = Vec<String>;

/// One file. Lines that are not of its shape (comments, NIS's `+`) are kept, after the others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// The lines of the right shape.
    pub entries: Vec<Entry>,
    others: Vec<String>,
}

impl Table {
    /// Reads a file whose lines have so many fields.
    pub fn parse(text: &str, fields: usize) -> Self {
        let mut table = Self::default();
        for line in text.lines().filter(|line| !line.is_empty()) {
            let entry: Entry = line.split(':').map(str::to_owned).collect();
            if entry.len() == fields
                && !entry[0].is_empty()
                && !entry[0].starts_with(['+', '-', '#'])
            {
                table.entries.push(entry);
            } else {
                table.others.push(line.to_owned());
            }
        }
        table
    }

    /// The file's text.
    pub fn render(&self) -> String {
        let entries = self.entries.iter().map(|entry| entry.join(":"));
        entries
            .chain(self.others.iter().cloned())
            .map(|line| line + "\n")
            .collect()
    }

    /// The line with this name.
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry[0] == name)
    }

    /// A line's field as a number.
    pub fn number(&self, name: &str, field: usize) -> Option<u32> {
        self.get(name)?[field].parse().ok()
    }

    /// Puts a line in the place of the one with its name, or at the end.
    pub fn put(&mut self, entry: Entry) {
        match self.entries.iter_mut().find(|old| old[0] == entry[0]) {
            Some(old) => *old = entry,
            None => self.entries.push(entry),
        }
    }

    /// Removes the lines with this name.
    pub fn remove(&mut self, name: &str) {
        self.entries.retain(|entry| entry[0] != name);
    }

    /// Sorts by the number in a field, then by name.
    pub fn sort_by_number(&mut self, field: usize) {
        self.entries.sort_by_key(|entry| {
            (
                entry[field].parse::<u32>().unwrap_or(u32::MAX),
                entry[0].clone(),
            )
        });
    }

    /// Sorts in the order that another file has.
    pub fn sort_like(&mut self, other: &Self) {
        let place = |name: &str| {
            other
                .entries
                .iter()
                .position(|entry| entry[0] == name)
                .unwrap_or(usize::MAX)
        };
        self.entries.sort_by_cached_key(|entry| place(&entry[0]));
    }
}

/// All six files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Database {
    /// `name:x:uid:gid:gecos:home:shell`.
    pub passwd: Table,
    /// `name:x:gid:members`.
    pub group: Table,
    /// `name:hash:…`, nine fields.
    pub shadow: Table,
    /// `name:hash:administrators:members`.
    pub gshadow: Table,
    /// `name:start:count`.
    pub subuid: Table,
    /// `name:start:count`.
    pub subgid: Table,
}

impl Database {
    /// Reads the files in `/etc`. One that is not there is empty.
    ///
    /// # Errors
    /// One that is there cannot be read.
    pub fn read(etc: &Path) -> Result<Self> {
        let table = |name: &str, fields| -> Result<Table> {
            let path = etc.join(name);
            match fs::read(&path) {
                Ok(bytes) => Ok(Table::parse(&String::from_utf8_lossy(&bytes), fields)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Table::default()),
                Err(error) => Err(error).at("read", path),
            }
        };
        Ok(Self {
            passwd: table("passwd", 7)?,
            group: table("group", 4)?,
            shadow: table("shadow", 9)?,
            gshadow: table("gshadow", 4)?,
            subuid: table("subuid", 3)?,
            subgid: table("subgid", 3)?,
        })
    }

    /// Writes what has changed. The secret ones come first, so that no user is ever without a line in `shadow`; they are `root:shadow` and 0640 where
    /// there is such a group.
    ///
    /// # Errors
    /// A file cannot be written; those before it are new then, and each is whole.
    pub fn write(&self, etc: &Path) -> Result<()> {
        let secret = match self.gid("shadow") {
            Some(gid) => Ownership {
                mode: 0o640,
                uid: 0,
                gid,
            },
            None => Ownership::root(0o600),
        };
        let public = Ownership::root(0o644);
        for (name, table, ownership) in [
            ("shadow", &self.shadow, secret),
            ("gshadow", &self.gshadow, secret),
            ("group", &self.group, public),
            ("passwd", &self.passwd, public),
            ("subuid", &self.subuid, public),
            ("subgid", &self.subgid, public),
        ] {
            atomic_file::write(&etc.join(name), table.render().as_bytes(), ownership)?;
        }
        Ok(())
    }

    /// A user's number.
    pub fn uid(&self, user: &str) -> Option<u32> {
        self.passwd.number(user, 2)
    }

    /// A group's number.
    pub fn gid(&self, group: &str) -> Option<u32> {
        self.group.number(group, 2)
    }
}

/// The lock that `passwd(1)`, `useradd(8)` and `systemd-sysusers(8)` take (`lckpwdf(3)`). It ends with the value.
#[derive(Debug)]
pub struct Lock(#[allow(dead_code, reason = "the open file is the lock")] File);

impl Lock {
    /// Takes the lock, waiting for it at most 15 s.
    ///
    /// # Errors
    /// The file cannot be made, or somebody else holds on to it.
    pub fn take(etc: &Path) -> Result<Self> {
        use rustix::fs::{FlockOperation, fcntl_lock};
        let path = etc.join(".pwd.lock");
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .at("open", &path)?;
        let mut tries = 150;
        loop {
            match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self(file)),
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::ACCESS) if tries > 0 => {
                    tries -= 1;
                    std::thread::sleep(std::time::Duration::from_millis(100));
                }
                Err(error) => return Err(error).at("lock", &path),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_keeps_what_it_does_not_know() {
        let text = "root:x:0:0::/root:/bin/sh\nbroken:x:1\n+::::::\n#c\n\na:x:1:1::/:/x\n";
        let mut table = Table::parse(text, 7);
        assert_eq!(table.entries.len(), 2);
        assert_eq!(table.number("a", 2), Some(1));
        table.remove("a");
        assert_eq!(
            table.render(),
            "root:x:0:0::/root:/bin/sh\nbroken:x:1\n+::::::\n#c\n"
        );
    }
}
