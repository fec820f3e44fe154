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
    lock_memory()
}

/// Locks the memory as a start would, and unlocks it.
pub(crate) fn try_to_lock_memory() -> Result<(), ProcessError> {
    lock_memory()?;
    let _ = munlockall();
    Ok(())
}

fn lock_memory() -> Result<(), ProcessError> {
    mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE).map_err(|source| {
        ProcessError::LockMemory {
            variable: MEMORY_LOCK,
            source,
        }
    })
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
