//! The names of WASI preview 1, which is all that a module may import beside our own host functions.

use serde::{Deserialize, Serialize};

use crate::PolicyError;

/// Refused attempts that disable a function.
pub const MAX_VIOLATIONS: u32 = 5;

/// An import of `wasi_snapshot_preview1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Syscall(u8);

/// Fewer than 64: [`SyscallSet`] has a bit for each.
const NAMES: [&str; 46] = [
    "args_get",
    "args_sizes_get",
    "clock_res_get",
    "clock_time_get",
    "environ_get",
    "environ_sizes_get",
    "fd_advise",
    "fd_allocate",
    "fd_close",
    "fd_datasync",
    "fd_fdstat_get",
    "fd_fdstat_set_flags",
    "fd_fdstat_set_rights",
    "fd_filestat_get",
    "fd_filestat_set_size",
    "fd_filestat_set_times",
    "fd_pread",
    "fd_prestat_dir_name",
    "fd_prestat_get",
    "fd_pwrite",
    "fd_read",
    "fd_readdir",
    "fd_renumber",
    "fd_seek",
    "fd_sync",
    "fd_tell",
    "fd_write",
    "path_create_directory",
    "path_filestat_get",
    "path_filestat_set_times",
    "path_link",
    "path_open",
    "path_readlink",
    "path_remove_directory",
    "path_rename",
    "path_symlink",
    "path_unlink_file",
    "poll_oneoff",
    "proc_exit",
    "proc_raise",
    "random_get",
    "sched_yield",
    "sock_accept",
    "sock_recv",
    "sock_send",
    "sock_shutdown",
];

const DEFAULT: [&str; 5] = ["clock_time_get", "random_get", "proc_exit", "environ_get", "environ_sizes_get"];

impl Syscall {
    /// Names are case-sensitive: they are a module's imports.
    pub fn parse(name: &str) -> Result<Syscall, PolicyError> {
        let index = NAMES
            .iter()
            .position(|known| *known == name)
            .and_then(|index| u8::try_from(index).ok());
        index.map(Syscall).ok_or_else(|| PolicyError::UnknownSyscall(name.to_string()))
    }

    pub fn name(self) -> &'static str {
        NAMES.get(usize::from(self.0)).copied().unwrap_or("")
    }

    pub fn all() -> impl Iterator<Item = Syscall> {
        (0_u8..).take(NAMES.len()).map(Syscall)
    }
}

impl std::fmt::Display for Syscall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl TryFrom<String> for Syscall {
    type Error = PolicyError;

    fn try_from(name: String) -> Result<Syscall, PolicyError> {
        Syscall::parse(&name)
    }
}

impl From<Syscall> for String {
    fn from(syscall: Syscall) -> String {
        syscall.name().to_string()
    }
}

/// The syscalls that a function may make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyscallSet(u64);

impl SyscallSet {
    /// The five that every function may make. What they return is still a matter of capabilities.
    pub fn default_allowed() -> SyscallSet {
        DEFAULT.iter().filter_map(|name| Syscall::parse(name).ok()).collect()
    }

    pub fn contains(self, syscall: Syscall) -> bool {
        self.0 & (1 << syscall.0) != 0
    }

    pub fn with(self, more: impl IntoIterator<Item = Syscall>) -> SyscallSet {
        SyscallSet(more.into_iter().fold(self.0, |bits, syscall| bits | 1 << syscall.0))
    }

    pub fn iter(self) -> impl Iterator<Item = Syscall> {
        Syscall::all().filter(move |syscall| self.contains(*syscall))
    }
}

impl FromIterator<Syscall> for SyscallSet {
    fn from_iter<I: IntoIterator<Item = Syscall>>(iter: I) -> SyscallSet {
        SyscallSet(0).with(iter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_fit_the_set() {
        assert!(NAMES.is_sorted());
        assert!(NAMES.len() <= 64);
        for syscall in Syscall::all() {
            assert_eq!(Syscall::parse(syscall.name()), Ok(syscall));
        }
        assert_eq!(Syscall::parse("open"), Err(PolicyError::UnknownSyscall("open".into())));
        assert!(Syscall::parse("CLOCK_TIME_GET").is_err());
    }

    #[test]
    fn the_default_is_the_five_of_the_document() {
        let names: Vec<&str> = SyscallSet::default_allowed().iter().map(Syscall::name).collect();
        assert_eq!(
            names,
            ["clock_time_get", "environ_get", "environ_sizes_get", "proc_exit", "random_get"]
        );
    }
}
