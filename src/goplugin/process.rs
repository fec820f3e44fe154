//! What the process asks of the operating system: to keep secrets out of swap and core dumps, to
//! allow open files enough, and to leave the terminal's interrupt to the host.

use nix::sys::{
    mman::{MlockAllFlags, mlockall, munlockall},
    prctl::set_dumpable,
    resource::{Resource, getrlimit, setrlimit},
};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::environment::Environment;

/// The variable by which a host asks for locked memory, without its prefix.
const MEMORY_LOCK: &str = "PLUGIN_MLOCK_ENABLED";
/// With this capability no limit counts: capabilities(7).
const CAP_IPC_LOCK: u64 = 1 << 14;
/// Stacks of all threads, what the allocator reserves, and a crowd of requests have room in it.
const LOCK_FLOOR: u64 = 512 * 1024 * 1024;

/// Why the process was not given what it needs.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProcessError {
    /// Memory is to be locked, and the system says no.
    #[error(
        "cannot lock memory, which {variable}=true asks for; grant the plugin the capability \
         CAP_IPC_LOCK (setcap cap_ipc_lock=+ep), raise its memlock limit, or set \
         disable_mlock = true on the server"
    )]
    LockMemory {
        /// The variable, without its prefix.
        variable: &'static str,
        /// The system's reason.
        source: nix::Error,
    },
    /// Signals cannot be handled.
    #[error("cannot handle signals")]
    Signals(#[from] std::io::Error),
}

impl Environment {
    /// Whether the host asks that no memory be swapped to disk.
    pub(crate) fn asks_for_memory_lock(&self) -> bool {
        self.paired(MEMORY_LOCK) == Some("true")
    }
}

/// Forbids core dumps and debuggers, which would hold every secret in memory.
///
/// Best effort: a system that refuses leaves the process as safe as it found it.
pub(crate) fn forbid_core_dumps() {
    let _ = set_dumpable(false);
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
}

/// Takes as many open files as the system allows: a crowd of requests that wait for the outside world
/// holds a connection each, and one that must get through needs one more.
///
/// Best effort; Go's programs do the same at their start.
pub(crate) fn allow_many_open_files() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// Locks all present and future memory if the host asks for it, so that none is swapped to disk.
///
/// Source: Vault's `pluginutil.OptionallyEnableMlock`.
pub(crate) fn lock_memory_if_asked(environment: &Environment) -> Result<(), ProcessError> {
    if !environment.asks_for_memory_lock() {
        return Ok(());
    }
    if lock_memory()? == MemoryLock::Tight {
        tracing::warn!(
            "little memory may be locked; the process may end in the middle of its work: set \
             LimitMEMLOCK=infinity"
        );
    }
    Ok(())
}

/// Locks the memory as a start would, and unlocks it.
pub(crate) fn try_to_lock_memory() -> Result<MemoryLock, ProcessError> {
    let lock = lock_memory()?;
    let _ = munlockall();
    Ok(lock)
}

/// What the system tells of this process: proc(5).
#[derive(Debug, Default)]
pub(crate) struct ProcessStatus(String);

impl ProcessStatus {
    /// One that cannot be read tells nothing.
    pub(crate) fn read() -> Self {
        Self(std::fs::read_to_string("/proc/self/status").unwrap_or_default())
    }

    /// The first word of the line that begins with `name`.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut lines = self.0.lines();
        let value = lines.find_map(|line| line.strip_prefix(name))?;
        value.split_ascii_whitespace().next()
    }

    /// The set of capabilities of that name, a bit each.
    pub(crate) fn capabilities(&self, name: &str) -> Option<u64> {
        u64::from_str_radix(self.field(name)?, 16).ok()
    }
}

#[cfg(test)]
impl From<&str> for ProcessStatus {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// How much may be locked. What is mapped later counts as well: once the limit is reached, no thread starts
/// and no memory is had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MemoryLock {
    /// All that is ever needed.
    Ample,
    /// Enough for the start alone.
    Tight,
}

impl MemoryLock {
    /// With a limit of so many bytes.
    fn of(limit: u64, status: &ProcessStatus) -> Self {
        let capabilities = status.capabilities("CapEff:");
        let is_free = capabilities.is_some_and(|set| set & CAP_IPC_LOCK != 0);
        if is_free || limit >= LOCK_FLOOR {
            Self::Ample
        } else {
            Self::Tight
        }
    }
}

fn lock_memory() -> Result<MemoryLock, ProcessError> {
    let locked =
        mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE).map_err(|source| {
            ProcessError::LockMemory {
                variable: MEMORY_LOCK,
                source,
            }
        });
    locked?;
    // A limit that cannot be read is taken for none.
    let limit = getrlimit(Resource::RLIMIT_MEMLOCK).map_or(u64::MAX, |(soft, _)| soft);
    Ok(MemoryLock::of(limit, &ProcessStatus::read()))
}

/// The signals that a host's terminal or an operator may send.
pub(crate) struct Signals {
    terminate: Signal,
}

impl Signals {
    /// From here on SIGINT does nothing, as Ctrl-C reaches the host's whole process group and the
    /// host ends its plugins itself; SIGTERM is reported by [`Signals::terminated`].
    pub(crate) fn install() -> Result<Self, ProcessError> {
        // The handler stays in place when the stream of its events is dropped.
        let _ = signal(SignalKind::interrupt())?;
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Returns at the next SIGTERM.
    pub(crate) async fn terminated(&mut self) {
        self.terminate.recv().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_the_start_alone_keeps_is_tight() {
        let none = "Name:\tx\nCapEff:\t0000000000000000\n";
        let lock = "Name:\tx\nCapEff:\t0000000000004000\n";
        let small = 64 * 1024 * 1024;
        let lock_of = |limit, status: &str| MemoryLock::of(limit, &status.into());
        assert_eq!(lock_of(small, none), MemoryLock::Tight);
        assert_eq!(lock_of(small, ""), MemoryLock::Tight);
        assert_eq!(lock_of(small, lock), MemoryLock::Ample);
        assert_eq!(lock_of(LOCK_FLOOR, none), MemoryLock::Ample);
        assert_eq!(lock_of(u64::MAX, none), MemoryLock::Ample);
    }
}
