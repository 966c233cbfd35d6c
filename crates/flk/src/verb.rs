//! The verbs, one file each.

pub(crate) mod cache;
pub(crate) mod discover;
pub(crate) mod generations;
pub(crate) mod hosts;
pub(crate) mod identity;
pub(crate) mod init;
pub(crate) mod inspect;
pub(crate) mod install;
pub(crate) mod iso;
pub(crate) mod live;
pub(crate) mod pack;
pub(crate) mod pins;
pub(crate) mod rollback;
pub(crate) mod ssh;
pub(crate) mod ssh_config;
pub(crate) mod switch;
pub(crate) mod up;
pub(crate) mod update;
pub(crate) mod util;
pub(crate) mod verify;
pub(crate) mod vm;
pub(crate) mod write;
