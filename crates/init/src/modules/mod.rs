//! Kernel modules: which one a device wants, what it depends on, and loading them.
//!
//! Follows the text tables that `depmod(8)` writes (`modules.dep(5)`, `modules.alias`, `modules.softdep`, `modules.builtin`).
//! Not supported: `modprobe.d` (but `modprobe.blacklist=` and `module.parameter=` on the kernel command line are), weak dependencies,
//! `install` and `remove` commands, unloading.

mod glob;
mod load;
mod tables;

pub use glob::matches;
pub use load::{Loader, load_now};
pub use tables::{Module, ModuleId, ModuleTables};
