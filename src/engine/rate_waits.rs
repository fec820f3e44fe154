//! Work of the periodic runs that is due and waits for nothing but Atlas's rate limit.
//!
//! Such work has not failed: it is due again at the next periodic run, with no pause and no failure
//! counted, and is known in memory alone. `status` lists it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::error::EngineError;
use crate::base::Rfc3339;
use crate::vault::failure::chain;

/// How many are listed; how many there are is told in any case.
const MAX_LISTED: usize = 20;

/// One piece of work that waits.
#[derive(Debug)]
struct Wait {
    since: DateTime<Utc>,
    error: String,
}

/// What waits, by the path it belongs to or the name of the work.
#[derive(Debug, Default)]
pub(crate) struct RateWaits(Mutex<BTreeMap<String, Wait>>);

impl RateWaits {
    /// Notes what came of some work: it waits if Atlas's rate limit is all that was in its way, and
    /// does not wait any more whatever else came of it. Answers whether it waits.
    pub(crate) fn note<T>(
        &self,
        work: &str,
        outcome: &Result<T, EngineError>,
        now: DateTime<Utc>,
    ) -> bool {
        let mut waits = self.locked();
        let error = match outcome {
            Err(error) if error.is_rate_limited() => chain(error),
            _ => {
                waits.remove(work);
                return false;
            }
        };
        if let Some(wait) = waits.get_mut(work) {
            wait.error = error;
            return true;
        }
        tracing::info!(
            work,
            error,
            "waiting for Atlas's rate limit; retrying every minute"
        );
        waits.insert(work.to_owned(), Wait { since: now, error });
        true
    }

    /// Forgets work that is no more.
    pub(crate) fn forget(&self, work: &str) {
        self.locked().remove(work);
    }

    /// How many wait, for `status`.
    pub(crate) fn count(&self) -> usize {
        self.locked().len()
    }

    /// The first of them, for `status`.
    pub(crate) fn listed(&self) -> Vec<Value> {
        let waits = self.locked();
        let waits = waits.iter().take(MAX_LISTED);
        waits
            .map(|(work, wait)| json!({"work": work, "since": Rfc3339(wait.since), "error": wait.error}))
            .collect()
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<String, Wait>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::atlas::AtlasError;

    fn limited(seconds: u64) -> Result<(), EngineError> {
        let source = AtlasError::RateLimited {
            operation: "createOrgSecret",
            retry_after: Duration::from_secs(seconds),
            answered: true,
        };
        Err(EngineError::atlas("creating a secret", source))
    }

    #[test]
    fn only_the_rate_limit_is_waited_for_and_any_other_outcome_ends_the_wait() {
        let waits = RateWaits::default();
        let start = DateTime::UNIX_EPOCH;
        assert!(waits.note("static-roles/a", &limited(7), start));
        let later = start + chrono::TimeDelta::minutes(1);
        assert!(waits.note("static-roles/a", &limited(60), later));
        assert_eq!(waits.count(), 1);
        let [wait] = waits.listed().try_into().expect("one");
        assert_eq!(wait["since"], json!(Rfc3339(start)));
        assert!(wait["error"].to_string().contains("61 s"), "{wait}");
        let failed: Result<(), _> = Err(EngineError::NotConfigured);
        assert!(!waits.note("static-roles/a", &failed, later));
        assert_eq!(waits.count(), 0);
        waits.note("static-roles/a", &limited(7), later);
        assert!(!waits.note("static-roles/a", &Ok::<(), EngineError>(()), later));
        assert_eq!(waits.listed(), Vec::<Value>::new());
    }
}
