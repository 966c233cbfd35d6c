//! Bringing a configuration's users and groups into what the machine has, by NixOS's rules:
//!
//! - A number in the files wins over another one in the configuration (files on disk belong to it); that is said.
//! - A password in the files is kept while `mutableUsers`; `initialHashedPassword` counts when a user is made; without any, the password is `!`.
//! - Members of groups who are not declared users are kept while `mutableUsers`.
//! - What was declared before, is not any more, and `mutableUsers` is false, is removed. What packages made (`systemd-sysusers`) is left alone.

use std::collections::BTreeSet;

use super::files::{Database, Table};
use super::ids::Ids;
use crate::config::{Stage2, User};

/// Free numbers for those who log in, from below.
const NORMAL: std::ops::RangeInclusive<u32> = 1000..=29999;
/// Free numbers for services, from above.
const SYSTEM: std::ops::RangeInclusive<u32> = 400..=999;
/// The first subordinate id, and how many each user gets (`login.defs(5)`, `SUB_UID_*`).
const SUBORDINATE_START: u32 = 100_000;
const SUBORDINATE_COUNT: u32 = 65_536;
/// `nogroup`.
const NO_GROUP: u32 = 65_534;

/// When the merge takes place: groups that packages bring are there only afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Before `systemd-sysusers`: whoever has an unknown group waits.
    BeforePackages,
    /// After it: an unknown group is a mistake, and is said.
    AfterPackages,
}

/// The outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The files as they should be.
    pub database: Database,
    /// What to remember.
    pub ids: Ids,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// Merges. Merging the outcome again changes nothing.
pub fn merge(configuration: &Stage2, database: Database, ids: Ids, stage: Stage) -> Merged {
    let mut merge = Merge {
        configuration,
        ids,
        database,
        warnings: Vec::new(),
        stage,
    };
    merge.ensure_root();
    merge.remove_undeclared();
    merge.groups();
    for user in &configuration.users {
        merge.user(user);
    }
    merge.memberships();
    merge.finish()
}

struct Merge<'a> {
    configuration: &'a Stage2,
    database: Database,
    ids: Ids,
    warnings: Vec<String>,
    stage: Stage,
}

impl Merge<'_> {
    /// No machine works without root, declared or not.
    fn ensure_root(&mut self) {
        if self.database.gid("root").is_none() {
            self.database.group.put(entry(["root", "x", "0", ""]));
        }
        if self.database.uid("root").is_none() {
            self.database.passwd.put(entry([
                "root",
                "x",
                "0",
                "0",
                "System administrator",
                "/root",
                "/bin/bash",
            ]));
        }
        if self.database.shadow.get("root").is_none()
            && !self
                .configuration
                .users
                .iter()
                .any(|user| user.name == "root")
        {
            self.put_shadow("root", "!");
        }
    }

    fn remove_undeclared(&mut self) {
        if self.configuration.mutable_users {
            return;
        }
        let users: BTreeSet<&str> = self
            .configuration
            .users
            .iter()
            .map(|user| user.name.as_str())
            .collect();
        for name in self
            .ids
            .declared_users
            .clone()
            .iter()
            .filter(|name| *name != "root" && !users.contains(name.as_str()))
        {
            for table in [
                &mut self.database.passwd,
                &mut self.database.shadow,
                &mut self.database.subuid,
                &mut self.database.subgid,
            ] {
                table.remove(name);
            }
            for group in &mut self.database.group.entries {
                let kept: Vec<String> = members(&group[3])
                    .into_iter()
                    .filter(|member| member != name)
                    .collect();
                group[3] = kept.join(",");
            }
        }
        let groups: BTreeSet<&str> = self
            .configuration
            .groups
            .iter()
            .map(|group| group.name.as_str())
            .collect();
        for name in self
            .ids
            .declared_groups
            .clone()
            .iter()
            .filter(|name| *name != "root" && !groups.contains(name.as_str()))
        {
            self.database.group.remove(name);
            self.database.gshadow.remove(name);
        }
    }

    fn groups(&mut self) {
        // Numbers that are asked for come first, so that nobody is given one of them.
        let (fixed, free): (Vec<_>, Vec<_>) = self
            .configuration
            .groups
            .iter()
            .partition(|group| group.gid.is_some());
        for group in fixed.into_iter().chain(free) {
            if !is_valid(&group.name) {
                self.warnings.push(format!(
                    "group '{}' is left out: its name cannot be written to /etc/group",
                    group.name
                ));
                continue;
            }
            let existing = self.database.gid(&group.name);
            if let (Some(existing), Some(wanted)) = (existing, group.gid)
                && existing != wanted
            {
                self.warnings.push(format!("group '{}' keeps its gid {existing}: changing it to {wanted} would orphan its files", group.name));
            }
            let Some(gid) = existing
                .or(group.gid)
                .or_else(|| self.free_gid(&group.name))
            else {
                self.warnings.push(format!(
                    "group '{}' is left out: no gid is free",
                    group.name
                ));
                continue;
            };
            self.ids.groups.insert(group.name.clone(), gid);
            let (password, members) = match self.database.group.get(&group.name) {
                Some(existing) => (existing[1].clone(), existing[3].clone()),
                None => ("x".to_owned(), String::new()),
            };
            self.database
                .group
                .put(vec![group.name.clone(), password, gid.to_string(), members]);
        }
    }

    fn user(&mut self, user: &User) {
        let name = &user.name;
        let shell_and_home = [user.shell.as_str(), &user.home.to_string_lossy()].concat();
        if !is_valid(name) || shell_and_home.contains([':', '\n']) {
            self.warnings.push(format!("user '{name}' is left out: its name, home or shell cannot be written to /etc/passwd"));
            return;
        }
        let gid = match self
            .database
            .gid(&user.group)
            .or_else(|| user.group.parse().ok())
        {
            Some(gid) => gid,
            // A package may bring the group.
            None if self.stage == Stage::BeforePackages => return,
            None => {
                self.warnings.push(format!(
                    "user '{name}' has the unknown group '{}': declare it in users.groups",
                    user.group
                ));
                NO_GROUP
            }
        };
        let existing = self.database.uid(name);
        if let (Some(existing), Some(wanted)) = (existing, user.uid)
            && existing != wanted
        {
            self.warnings.push(format!("user '{name}' keeps its uid {existing}: changing it to {wanted} would orphan its files"));
        }
        let Some(uid) = existing.or(user.uid).or_else(|| self.free_uid(user)) else {
            self.warnings
                .push(format!("user '{name}' is left out: no uid is free"));
            return;
        };
        self.ids.users.insert(name.clone(), uid);
        let description = user.description.replace([':', '\n'], " ");
        let home = user.home.to_string_lossy().into_owned();
        let line = vec![
            name.clone(),
            "x".to_owned(),
            uid.to_string(),
            gid.to_string(),
            description,
            home,
            user.shell.clone(),
        ];
        self.database.passwd.put(line);
        self.password(user);
        if !user.is_system_user && uid != 0 {
            self.subordinate_ids(name);
        }
    }

    fn password(&mut self, user: &User) {
        let declared = user
            .hashed_password
            .as_ref()
            .or(user.initial_hashed_password.as_ref());
        let hash = match self.database.shadow.get(&user.name) {
            Some(existing) if self.configuration.mutable_users => existing[1].clone(),
            _ => declared.cloned().unwrap_or_else(|| "!".to_owned()),
        };
        if hash.contains([':', '\n']) {
            self.warnings.push(format!("the password hash of user '{}' cannot be written to /etc/shadow: the account is locked", user.name));
            self.put_shadow(&user.name, "!");
        } else {
            self.put_shadow(&user.name, &hash);
        }
    }

    fn put_shadow(&mut self, name: &str, hash: &str) {
        // The day of the last change is the first one: 0 would ask for a new password at the next login.
        let mut line = self
            .database
            .shadow
            .get(name)
            .cloned()
            .unwrap_or_else(|| entry([name, "", "1", "", "", "", "", "", ""]));
        hash.clone_into(&mut line[1]);
        self.database.shadow.put(line);
    }

    fn subordinate_ids(&mut self, name: &str) {
        let existing = self
            .database
            .subuid
            .number(name, 1)
            .or_else(|| self.ids.subordinate.get(name).copied());
        let start = existing.or_else(|| {
            let given = self.ids.subordinate.values().copied();
            let written = [&self.database.subuid, &self.database.subgid]
                .into_iter()
                .flat_map(|table| table.entries.iter());
            let written = written.filter_map(|entry| {
                Some((entry[1].parse::<u32>().ok()?, entry[2].parse::<u32>().ok()?))
            });
            let taken: Vec<(u32, u32)> = given
                .map(|start| (start, SUBORDINATE_COUNT))
                .chain(written)
                .collect();
            let is_free = |start: u32| {
                taken.iter().all(|&(other, count)| {
                    start >= other.saturating_add(count) || other >= start + SUBORDINATE_COUNT
                })
            };
            (0..u32::MAX / SUBORDINATE_COUNT - 4)
                .map(|index| SUBORDINATE_START + index * SUBORDINATE_COUNT)
                .find(|&start| is_free(start))
        });
        let Some(start) = start else { return };
        self.ids.subordinate.insert(name.to_owned(), start);
        for table in [&mut self.database.subuid, &mut self.database.subgid] {
            if table.get(name).is_none() {
                table.put(vec![
                    name.to_owned(),
                    start.to_string(),
                    SUBORDINATE_COUNT.to_string(),
                ]);
            }
        }
    }

    fn memberships(&mut self) {
        let declared: BTreeSet<&str> = self
            .configuration
            .users
            .iter()
            .map(|user| user.name.as_str())
            .collect();
        let names: Vec<String> = self
            .database
            .group
            .entries
            .iter()
            .map(|entry| entry[0].clone())
            .collect();
        for user in &self.configuration.users {
            for group in user
                .extra_groups
                .iter()
                .filter(|group| !names.contains(group))
            {
                if self.stage == Stage::AfterPackages {
                    self.warnings.push(format!(
                        "user '{}' cannot belong to '{group}': there is no such group",
                        user.name
                    ));
                }
            }
        }
        for name in names {
            let by_user = self
                .configuration
                .users
                .iter()
                .filter(|user| user.extra_groups.contains(&name))
                .map(|user| user.name.clone());
            let by_group = self
                .configuration
                .groups
                .iter()
                .find(|group| group.name == name);
            let is_declared = by_group.is_some();
            let by_group = by_group
                .into_iter()
                .flat_map(|group| group.members.iter().cloned());
            let Some(line) = self.database.group.get(&name) else {
                continue;
            };
            let existing = members(&line[3]).into_iter();
            // Whoever the configuration knows is a member by the configuration alone; a package's group keeps the package's users.
            let keep_others = self.configuration.mutable_users || !is_declared;
            let kept = existing.filter(|member| {
                keep_others
                    && !declared.contains(member.as_str())
                    && !self.ids.declared_users.contains(member)
            });
            let all: BTreeSet<String> = by_user
                .chain(by_group)
                .chain(kept)
                .filter(|member| is_valid(member))
                .collect();
            let mut line = line.clone();
            line[3] = all.into_iter().collect::<Vec<_>>().join(",");
            let secret = self.database.gshadow.get(&name);
            let (password, administrators) = secret
                .map_or(("!".to_owned(), String::new()), |entry| {
                    (entry[1].clone(), entry[2].clone())
                });
            self.database
                .gshadow
                .put(vec![name, password, administrators, line[3].clone()]);
            self.database.group.put(line);
        }
    }

    fn free_gid(&self, name: &str) -> Option<u32> {
        let remembered = self.ids.groups.get(name).copied();
        let asked = self
            .configuration
            .groups
            .iter()
            .filter_map(|group| group.gid);
        let taken = taken(&self.database.group, 2, asked);
        if let Some(remembered) = remembered.filter(|gid| !taken.contains(gid)) {
            return Some(remembered);
        }
        SYSTEM
            .rev()
            .find(|gid| !taken.contains(gid) && !self.ids.groups.values().any(|other| other == gid))
    }

    fn free_uid(&self, user: &User) -> Option<u32> {
        let remembered = self.ids.users.get(&user.name).copied();
        let asked = self.configuration.users.iter().filter_map(|user| user.uid);
        let taken = taken(&self.database.passwd, 2, asked);
        if let Some(remembered) = remembered.filter(|uid| !taken.contains(uid)) {
            return Some(remembered);
        }
        let is_free =
            |uid: &u32| !taken.contains(uid) && !self.ids.users.values().any(|other| other == uid);
        if user.is_system_user {
            SYSTEM.rev().find(is_free)
        } else {
            NORMAL.into_iter().find(is_free)
        }
    }

    fn finish(mut self) -> Merged {
        // The list is for the next configuration: users who still wait for their group are declared all the same.
        self.ids.declared_users = self
            .configuration
            .users
            .iter()
            .map(|user| user.name.clone())
            .collect();
        self.ids.declared_groups = self
            .configuration
            .groups
            .iter()
            .map(|group| group.name.clone())
            .collect();
        self.database.passwd.sort_by_number(2);
        self.database.group.sort_by_number(2);
        self.database.shadow.sort_like(&self.database.passwd);
        self.database.gshadow.sort_like(&self.database.group);
        Merged {
            database: self.database,
            ids: self.ids,
            warnings: self.warnings,
        }
    }
}

fn taken(table: &Table, field: usize, asked: impl Iterator<Item = u32>) -> BTreeSet<u32> {
    table
        .entries
        .iter()
        .filter_map(|entry| entry[field].parse().ok())
        .chain(asked)
        .collect()
}

fn members(field: &str) -> Vec<String> {
    field
        .split(',')
        .filter(|member| !member.is_empty())
        .map(str::to_owned)
        .collect()
}

fn entry<const COUNT: usize>(fields: [&str; COUNT]) -> Vec<String> {
    fields.map(str::to_owned).to_vec()
}

/// Whether a name can stand in the files without breaking a line or a list.
fn is_valid(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(['-', '+', '#'])
        && !name.contains([':', ',', '\n', '/', ' ', '\t'])
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
