//! What was done for leases since this process began, and how long it took: for `metrics`. Counted in
//! memory, in as much of it as there are types in use.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::entries::CredentialType;

/// What is done for a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Work {
    Issue,
    Renew,
    Revoke,
}

impl Work {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Issue, Self::Renew, Self::Revoke];

    /// The value of the label.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Issue => "issue",
            Self::Renew => "renew",
            Self::Revoke => "revoke",
        }
    }
}

/// The upper bounds of durations that are told apart, in seconds. A request ends within 85.
pub(crate) const BOUNDS: [f64; 6] = [0.1, 0.5, 2.0, 10.0, 30.0, 90.0];

/// How often something was done, and how long it took.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Durations {
    /// How many took no longer than each bound, and longer than the one before.
    pub(crate) within: [u64; BOUNDS.len()],
    pub(crate) count: u64,
    pub(crate) sum: f64,
}

impl Durations {
    fn note(&mut self, took: Duration) {
        let took = took.as_secs_f64();
        if let Some(place) = BOUNDS.iter().position(|bound| took <= *bound) {
            self.within[place] += 1;
        }
        self.count += 1;
        self.sum += took;
    }
}

#[derive(Debug, Default)]
struct State {
    done: BTreeMap<(Work, &'static str, bool), u64>,
    durations: BTreeMap<Work, Durations>,
    orphans: Option<(usize, DateTime<Utc>)>,
}

/// The counters of a mount.
#[derive(Debug, Default)]
pub(crate) struct Measures(Mutex<State>);

impl Measures {
    /// Notes that something was done, or was to be.
    pub(crate) fn note(
        &self,
        work: Work,
        credential_type: CredentialType,
        is_done: bool,
        took: Duration,
    ) {
        let mut state = self.locked();
        let key = (work, credential_type.name(), is_done);
        *state.done.entry(key).or_default() += 1;
        state.durations.entry(work).or_default().note(took);
    }

    /// Notes how many orphans a comparison left, and how many it removed. One that was not whole takes none
    /// but these away from those that are known: it may not have seen the others.
    pub(crate) fn note_orphans(
        &self,
        left: usize,
        removed: usize,
        is_whole: bool,
        now: DateTime<Utc>,
    ) {
        let mut state = self.locked();
        let known = state.orphans.map_or(0, |(known, _)| known);
        let left = if is_whole {
            left
        } else {
            left.max(known.saturating_sub(removed))
        };
        state.orphans = Some((left, now));
    }

    /// How often it was done, or failed.
    pub(crate) fn count(&self, work: Work, credential_type: CredentialType, is_done: bool) -> u64 {
        let key = (work, credential_type.name(), is_done);
        self.locked().done.get(&key).copied().unwrap_or_default()
    }

    /// How long it took, whether or not it failed.
    pub(crate) fn durations(&self, work: Work) -> Durations {
        let durations = self.locked().durations.get(&work).copied();
        durations.unwrap_or_default()
    }

    /// How many orphans the last comparison left, and when that was; [`None`]: there was none yet.
    pub(crate) fn orphans(&self) -> Option<(usize, DateTime<Utc>)> {
        self.locked().orphans
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_fall_into_their_buckets() {
        let measures = Measures::default();
        for milliseconds in [100, 101, 90_000, 90_001] {
            let took = Duration::from_millis(milliseconds);
            measures.note(Work::Issue, CredentialType::ServiceAccount, true, took);
        }
        let durations = measures.durations(Work::Issue);
        assert_eq!(durations.within, [1, 1, 0, 0, 0, 1]);
        assert_eq!(durations.count, 4, "what took longer counts, too");
        assert_eq!(measures.durations(Work::Revoke), Durations::default());
    }
}
