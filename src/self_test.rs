//! `--self-test`: what a server would meet on this machine when it starts the plugin. To be run as the
//! server's user, with the server's environment. Sends nothing, and leaves nothing behind.

use std::fmt;

use chrono::{DateTime, Utc};
use tokio::runtime::Builder;

use crate::atlas::check_platform_trust;
use crate::base::{Clock as _, Rfc3339, SystemClock, chain};
use crate::engine::{ProcessSettings, ServerHold, ignored_variable};
use crate::goplugin::process::{MemoryLock, ProcessStatus, try_to_lock_memory};
use crate::goplugin::serve::try_socket;
use crate::goplugin::{Environment, log};
use crate::plugin::{LOG_LEVEL, version};

/// No clock that is right shows an earlier time: this program was not there yet.
const WRITTEN_AFTER: DateTime<Utc> = match DateTime::from_timestamp(1_780_272_000, 0) {
    Some(time) => time,
    None => DateTime::UNIX_EPOCH,
};

/// What was found.
#[derive(Debug)]
pub struct SelfTest {
    /// A line for each thing that was tried.
    pub report: String,
    /// Nothing keeps a server from starting the plugin.
    pub is_good: bool,
}

/// Tries what a start needs.
#[must_use]
pub fn self_test() -> SelfTest {
    let environment = Environment::of_process();
    let mut found = vec![
        release(),
        socket(&environment),
        certificates(),
        memory_lock(&environment),
        clock(SystemClock.now()),
        hold(&environment),
    ];
    found.extend(hidden_folder(&ProcessStatus::read()));
    found.extend(ignored(&environment));
    SelfTest {
        is_good: found.iter().all(|finding| finding.verdict != Verdict::Bad),
        report: found.iter().map(ToString::to_string).collect(),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Good,
    /// It keeps no server from starting the plugin, and may matter all the same.
    Note,
    Bad,
}

#[derive(Debug)]
struct Finding {
    verdict: Verdict,
    about: &'static str,
    text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Good => "ok",
            Verdict::Note => "note",
            Verdict::Bad => "FAILED",
        };
        let Self { about, text, .. } = self;
        writeln!(f, "{verdict:<6} {about}: {text}")
    }
}

fn finding(verdict: Verdict, about: &'static str, text: impl Into<String>) -> Finding {
    let text = text.into();
    Finding {
        verdict,
        about,
        text,
    }
}

fn release() -> Finding {
    let version = version();
    let text = format!(
        "{version}; a registration that names a version must name this one (-version={version})"
    );
    finding(Verdict::Good, "version", text)
}

fn socket(environment: &Environment) -> Finding {
    const ABOUT: &str = "socket folder";
    let tried = Builder::new_current_thread().enable_io().build();
    let tried = tried.map_err(|error| chain(&error)).and_then(|runtime| {
        let _inside = runtime.enter();
        try_socket(environment).map_err(|error| chain(&error))
    });
    match tried {
        Ok(folder) => {
            let text = format!(
                "{} takes a socket; if something else empties that folder, name another by TMPDIR in \
                 the server's environment",
                folder.display()
            );
            finding(Verdict::Good, ABOUT, text)
        }
        Err(reason) => finding(Verdict::Bad, ABOUT, reason),
    }
}

fn certificates() -> Finding {
    const ABOUT: &str = "trusted certificates";
    match check_platform_trust() {
        Ok(()) => {
            let text = "found; a proxy that opens TLS needs its own beside them, by ca_certificate of config";
            finding(Verdict::Good, ABOUT, text)
        }
        // A configuration may bring its own.
        Err(error) => {
            let text = format!(
                "{}; install the package ca-certificates, name a file by SSL_CERT_FILE in the server's \
                 environment, or give ca_certificate when config is written",
                chain(&error)
            );
            finding(Verdict::Note, ABOUT, text)
        }
    }
}

fn memory_lock(environment: &Environment) -> Finding {
    const ABOUT: &str = "memory lock";
    match try_to_lock_memory() {
        Ok(MemoryLock::Ample) => finding(Verdict::Good, ABOUT, "allowed; nothing to do"),
        Ok(MemoryLock::Tight) => {
            let text = "allowed, up to a limit that is too low: where the server locks memory, the plugin may \
                        end in the middle of its work; set LimitMEMLOCK=infinity for its service";
            finding(Verdict::Note, ABOUT, text)
        }
        Err(error) if environment.asks_for_memory_lock() => {
            finding(Verdict::Bad, ABOUT, chain(&error))
        }
        Err(_) => {
            let text = "not allowed, which matters for HashiCorp Vault without disable_mlock alone: there \
                        set LimitMEMLOCK=infinity for its service, or grant this file CAP_IPC_LOCK (setcap \
                        cap_ipc_lock=+ep)";
            finding(Verdict::Note, ABOUT, text)
        }
    }
}

fn clock(now: DateTime<Utc>) -> Finding {
    let shown = Rfc3339(now);
    let (verdict, text) = if now < WRITTEN_AFTER {
        let text = format!("{shown} is before this program was written: set the clock");
        (Verdict::Bad, text)
    } else {
        let text = format!("{shown}; set it if that is wrong by more than a minute");
        (Verdict::Good, text)
    };
    finding(verdict, "clock", text)
}

fn hold(environment: &Environment) -> Finding {
    const ABOUT: &str = "environment";
    let read = ProcessSettings::of_environment(|name| environment.variable(name));
    match read.map(|settings| settings.hold) {
        Ok(ServerHold::Off) => finding(Verdict::Good, ABOUT, "nothing is held; nothing to do"),
        Ok(hold) => finding(Verdict::Note, ABOUT, hold.warning().unwrap_or_default()),
        Err(error) => finding(Verdict::Bad, ABOUT, chain(&error)),
    }
}

fn ignored(environment: &Environment) -> impl Iterator<Item = Finding> {
    let truth = ignored_variable(|name| environment.variable(name))
        .map(|name| format!("{name} is ignored: give true or false, or remove it"));
    let level = environment.variable(LOG_LEVEL);
    let level = level.filter(|level| !log::is_level(level)).map(|_| {
        format!("{LOG_LEVEL} is ignored: give trace, debug, info, warn, error or off, or remove it")
    });
    let found = truth.into_iter().chain(level);
    found.map(|text| finding(Verdict::Note, "environment", text))
}

/// A file that brings capabilities of its own makes the system hide some variables from it, as if it were
/// setuid.
fn hidden_folder(status: &ProcessStatus) -> Option<Finding> {
    let own = status.capabilities("CapPrm:")? & !status.capabilities("CapAmb:")?;
    if own == 0 || status.field("Uid:")? == "0" {
        return None;
    }
    let text = "this file has capabilities (setcap), so the system hides TMPDIR from it and its socket \
                lies in /tmp whatever the server sets; where /tmp will not do, use LimitMEMLOCK=infinity in \
                place of setcap";
    Some(finding(Verdict::Note, "socket folder", text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_never_set_is_told() {
        let wrong = clock(DateTime::UNIX_EPOCH);
        assert_eq!(wrong.verdict, Verdict::Bad);
        assert!(
            wrong
                .to_string()
                .starts_with("FAILED clock: 1970-01-01T00:00:00Z")
        );
        assert_eq!(clock(WRITTEN_AFTER).verdict, Verdict::Good);
    }

    #[test]
    fn capabilities_of_the_file_hide_its_folder() {
        let hides = |user: &str, permitted: &str, ambient: &str| {
            let status = format!(
                "Name:\tx\nUid:\t{user}\t{user}\t{user}\t{user}\nCapInh:\t0000000000000000\n\
                 CapPrm:\t{permitted}\nCapEff:\t0000000000000000\nCapAmb:\t{ambient}\n"
            );
            hidden_folder(&status.as_str().into()).is_some()
        };
        let (none, lock) = ("0000000000000000", "0000000000004000");
        assert!(hides("100", lock, none));
        // Of root; none; given by the service, which hides nothing.
        assert!(!hides("0", "000001ffffffffff", none));
        assert!(!hides("100", none, none));
        assert!(!hides("100", lock, lock));
        assert!(hidden_folder(&ProcessStatus::default()).is_none());
    }

    #[test]
    fn an_environment_that_says_nothing_is_told() {
        let found = |variables: &[(&'static str, &'static str)]| {
            let environment: Environment = variables.iter().copied().collect();
            let mut found: Vec<Finding> = ignored(&environment).collect();
            found.push(hold(&environment));
            let bad = found
                .iter()
                .filter(|finding| finding.verdict == Verdict::Bad);
            let notes = found
                .iter()
                .filter(|finding| finding.verdict == Verdict::Note);
            (notes.count(), bad.count())
        };
        assert_eq!(found(&[]), (0, 0));
        assert_eq!(found(&[("MONGODBATLAS_LOG_LEVEL", "info")]), (0, 0));
        assert_eq!(found(&[("MONGODBATLAS_LOG_LEVEL", "loud")]), (1, 0));
        assert_eq!(
            found(&[("MONGODBATLAS_VERIFY_CONNECTION", "maybe")]),
            (1, 0)
        );
        assert_eq!(found(&[("MONGODBATLAS_HOLD", "all")]), (1, 0));
        assert_eq!(found(&[("MONGODBATLAS_HOLD", "yes")]), (0, 1));
    }
}
