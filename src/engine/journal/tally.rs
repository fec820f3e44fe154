//! What the periodic runs of this instance did, for `status`. Not stored: a restart begins at zero.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::base::Rfc3339;
use crate::engine::error::EngineError;
use crate::engine::names::JournalId;
use crate::vault::failure::chain;

/// The most errors remembered.
const MAX_ERRORS: usize = 20;
/// The longest text of one, in characters.
const MAX_TEXT: usize = 300;

/// A failure as `status` shows it. Texts of errors hold no secret.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Noted {
    at: Rfc3339,
    /// Which work failed.
    during: &'static str,
    /// The entry it was about, if about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<JournalId>,
    error: String,
}

/// Counters since the start of this instance, and the last errors.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// Half-made credentials that were found in Atlas and deleted.
    pub(crate) rolled_back: u64,
    /// Half-made entries of which Atlas had nothing.
    pub(crate) not_found: u64,
    /// Credentials that outlived their leases and were deleted.
    pub(crate) reaped: u64,
    /// Outlived entries whose credential was gone already.
    pub(crate) already_deleted: u64,
    /// Leases that the server had revoked, and were.
    pub(crate) revoked: u64,
    /// Revocations that the server asked for and that failed. It tries each several times.
    pub(crate) revocations_failed: u64,
    /// Failed attempts of all kinds.
    pub(crate) failures: u64,
    errors: VecDeque<Noted>,
}

impl Tally {
    /// Remembers a failure, and forgets the oldest where there are many.
    pub(crate) fn failed(
        &mut self,
        at: DateTime<Utc>,
        during: &'static str,
        id: Option<&JournalId>,
        error: &EngineError,
    ) {
        self.failures += 1;
        if self.errors.len() >= MAX_ERRORS {
            self.errors.pop_front();
        }
        self.errors.push_back(Noted {
            at: Rfc3339(at),
            during,
            id: id.cloned(),
            error: chain(error).chars().take(MAX_TEXT).collect(),
        });
    }

    /// The last failures, the newest first.
    pub(crate) fn errors(&self) -> Vec<Noted> {
        self.errors.iter().rev().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Clock as _, SystemClock};

    #[test]
    fn errors_are_few_and_short() {
        let mut tally = Tally::default();
        for number in 0..100 {
            let error = EngineError::BadInput(format!("{number} {}", "x".repeat(1_000)));
            tally.failed(SystemClock.now(), "reaper", None, &error);
        }
        let errors = tally.errors();
        assert_eq!((errors.len(), tally.failures), (MAX_ERRORS, 100));
        assert!(errors[0].error.starts_with("99 "));
        assert_eq!(errors[0].error.len(), MAX_TEXT);
    }
}
