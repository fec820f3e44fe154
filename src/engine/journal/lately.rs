//! What this process made, or saw deleted, a moment ago.
//!
//! Atlas may not know everywhere yet of what was made a moment ago, so that its "not found" proves
//! nothing then. How old a thing is by the wall clock says little: that may have been turned since. What
//! this process did not make itself counts from when it began to know the journal.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::store::Journal;
use crate::atlas::SHOWN_WITHIN;
use crate::engine::names::JournalId;

/// From so many on, those are forgotten that Atlas shows by now.
const MANY: usize = 10_000;

/// In memory alone.
#[derive(Debug, Default)]
pub(super) struct Lately(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// When each was made, by monotonic time.
    made: HashMap<JournalId, Duration>,
    /// Deleted in Atlas, and the entry does not say so yet.
    deleted: HashSet<JournalId>,
}

impl Lately {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn forget(&self, id: &JournalId) {
        let mut state = self.state();
        state.made.remove(id);
        state.deleted.remove(id);
    }
}

impl Journal {
    /// Notes that what an entry holds was made just now.
    pub(crate) fn made(&self, id: &JournalId, monotonic: Duration) {
        let mut state = self.lately.state();
        if state.made.len() >= MANY {
            let shown = |made: Duration| monotonic.saturating_sub(made) >= SHOWN_WITHIN;
            state.made.retain(|_, made| !shown(*made));
        }
        state.made.insert(id.clone(), monotonic);
    }

    /// Notes that Atlas has deleted it: that it is not found from now on is no wonder.
    pub(crate) fn deleted(&self, id: &JournalId) {
        self.lately.state().deleted.insert(id.clone());
    }

    /// Whether it is gone where Atlas says that it is not there.
    pub(crate) fn believes_gone(&self, id: &JournalId, monotonic: Duration) -> bool {
        let state = self.lately.state();
        let known_since = state.made.get(id).copied().unwrap_or(self.since);
        state.deleted.contains(id) || monotonic.saturating_sub(known_since) >= SHOWN_WITHIN
    }
}
