//! How many entries there are of what, for `status` and the metrics.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{Index, State};
use crate::engine::names::JournalId;

/// Figures of all entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Half-made.
    pub(crate) making: usize,
    /// Complete, and handed out.
    pub(crate) live: usize,
    /// Accounts that are kept for roles.
    pub(crate) kept: usize,
    /// Ended before their leases; gone from Atlas.
    pub(crate) ended: usize,
    /// Live ones that outlived their last possible expiry, so that the reaper takes them.
    pub(crate) due: usize,
    /// Live ones whose lease is over if nobody renewed it: lost, forced, or never delivered.
    pub(crate) past_ttl: usize,
    /// Entries of which some attempt at removal by a periodic run has failed.
    pub(crate) failing: usize,
    /// Those whose last revocation by the server has failed.
    pub(crate) unrevoked: usize,
    /// The most failures of one entry.
    pub(crate) max_failures: u32,
    /// When the oldest incomplete one was begun.
    pub(crate) oldest_pending: Option<DateTime<Utc>>,
    /// Entries that could not be read when memory was filled.
    pub(crate) unreadable: usize,
}

impl Index {
    /// Notes what came of a revocation. The server tries it a few times and then once a day: until one
    /// succeeds the credential is alive, and nothing else here says that it should not be.
    pub(in crate::engine::journal) fn note_revocation(&mut self, id: &JournalId, is_done: bool) {
        let is_nothing = self.filled && !self.contains(id);
        if is_done || is_nothing {
            self.unrevoked.remove(id);
        } else {
            self.unrevoked.insert(id.clone());
        }
    }

    /// How many should be gone, and are not. What another node ended meanwhile is no longer known here.
    fn unrevoked(&self) -> usize {
        let ids = self.unrevoked.iter();
        ids.filter(|id| self.may_be_in_atlas(id)).count()
    }

    /// How many entries of each type are in which state.
    pub(in crate::engine::journal) fn counts_by_type(
        &self,
    ) -> BTreeMap<(&'static str, State), usize> {
        let mut counts = BTreeMap::new();
        for brief in self.entries.values() {
            let key = (brief.credential_type.name(), brief.state);
            *counts.entry(key).or_default() += 1;
        }
        counts
    }

    pub(in crate::engine::journal) fn counts(&self, now: DateTime<Utc>) -> Counts {
        let mut counts = Counts {
            unreadable: self.unreadable,
            unrevoked: self.unrevoked(),
            ..Counts::default()
        };
        for brief in self.entries.values() {
            match brief.state {
                State::Pending => {
                    counts.making += 1;
                    if brief.is_half_made() && !brief.is_token() {
                        let oldest = counts.oldest_pending.unwrap_or(brief.issued_at);
                        counts.oldest_pending = Some(oldest.min(brief.issued_at));
                    }
                }
                State::Active => {
                    counts.live += 1;
                    counts.due += usize::from(brief.is_outlived(now));
                    counts.past_ttl += usize::from(brief.is_past_ttl(now));
                }
                State::Managed => counts.kept += 1,
                State::Ended => counts.ended += 1,
            }
        }
        for trial in self.trials.values().filter(|trial| trial.failures > 0) {
            counts.failing += 1;
            counts.max_failures = counts.max_failures.max(trial.failures);
        }
        counts
    }
}
