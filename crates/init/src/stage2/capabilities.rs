//! File capabilities: from `cap_net_raw,cap_net_admin+ep` (`cap_from_text(3)`) to the attribute `security.capability`
//! (`capabilities(7)`, `struct vfs_cap_data` version 2, `include/uapi/linux/capability.h`).
//!
//! Not supported: several clauses that undo each other, `all`, capabilities by number, name spaces (version 3).

use crate::error::{InitError, Result};

/// In the order of their numbers.
const NAMES: [&str; 41] = [
    "cap_chown",
    "cap_dac_override",
    "cap_dac_read_search",
    "cap_fowner",
    "cap_fsetid",
    "cap_kill",
    "cap_setgid",
    "cap_setuid",
    "cap_setpcap",
    "cap_linux_immutable",
    "cap_net_bind_service",
    "cap_net_broadcast",
    "cap_net_admin",
    "cap_net_raw",
    "cap_ipc_lock",
    "cap_ipc_owner",
    "cap_sys_module",
    "cap_sys_rawio",
    "cap_sys_chroot",
    "cap_sys_ptrace",
    "cap_sys_pacct",
    "cap_sys_admin",
    "cap_sys_boot",
    "cap_sys_nice",
    "cap_sys_resource",
    "cap_sys_time",
    "cap_sys_tty_config",
    "cap_mknod",
    "cap_lease",
    "cap_audit_write",
    "cap_audit_control",
    "cap_setfcap",
    "cap_mac_override",
    "cap_mac_admin",
    "cap_syslog",
    "cap_wake_alarm",
    "cap_block_suspend",
    "cap_audit_read",
    "cap_perfmon",
    "cap_bpf",
    "cap_checkpoint_restore",
];

const REVISION_2: u32 = 0x0200_0000;
const EFFECTIVE: u32 = 1;

/// The attribute's value.
pub(super) fn encode(text: &str) -> Result<Vec<u8>> {
    let (mut permitted, mut inheritable, mut effective) = (0u64, 0u64, false);
    let wrong = || InitError::Capabilities {
        text: text.to_owned(),
    };
    for clause in text.split_whitespace() {
        let at = clause.find(['+', '=']).ok_or_else(wrong)?;
        let (names, flags) = (&clause[..at], &clause[at + 1..]);
        let mut set = 0;
        for name in names.split(',') {
            let number = NAMES
                .iter()
                .position(|known| known.eq_ignore_ascii_case(name))
                .ok_or_else(wrong)?;
            set |= 1u64 << number;
        }
        for flag in flags.chars() {
            match flag {
                'p' => permitted |= set,
                'i' => inheritable |= set,
                'e' => effective = true,
                _ => return Err(wrong()),
            }
        }
    }
    if permitted | inheritable == 0 {
        return Err(wrong());
    }
    let low = |set: u64| u32::try_from(set & u64::from(u32::MAX)).unwrap_or(0);
    let high = |set: u64| u32::try_from(set >> 32).unwrap_or(0);
    let words = [
        REVISION_2 | if effective { EFFECTIVE } else { 0 },
        low(permitted),
        low(inheritable),
        high(permitted),
        high(inheritable),
    ];
    Ok(words.iter().flat_map(|word| word.to_le_bytes()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_encoded() {
        assert_eq!(
            encode("cap_net_raw+ep").unwrap(),
            [
                1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
            ]
        );
        assert_eq!(
            encode("cap_chown,CAP_BPF=pi").unwrap(),
            [
                0, 0, 0, 2, 1, 0, 0, 0, 1, 0, 0, 0, 0x80, 0, 0, 0, 0x80, 0, 0, 0
            ]
        );
        assert_eq!(
            encode("cap_chown+p cap_kill+ep").unwrap()[..8],
            [1, 0, 0, 2, 0x21, 0, 0, 0]
        );
        for wrong in [
            "",
            "cap_net_raw",
            "cap_nothing+ep",
            "cap_chown+x",
            "+ep",
            "cap_chown+e",
        ] {
            assert!(encode(wrong).is_err(), "{wrong}");
        }
    }
}
