//! What is remembered of failed rotations: how often, why, and when the next try comes.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::plan::delta;
use crate::base::{Entropy, Rfc3339};
use crate::engine::backoff::pause;
use crate::engine::error::EngineError;
use crate::vault::Data;
use crate::vault::failure::chain;

/// Errors are told in a line; what is stored of one has an end.
const LONGEST_TEXT: usize = 600;

/// A rotation that failed and is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RotationFailure {
    /// Failures in a row.
    pub(crate) failures: u32,
    /// The first of them.
    pub(crate) since: DateTime<Utc>,
    /// Why the last one failed; never a secret.
    pub(crate) error: String,
    /// Not tried before this, unless somebody asks for it.
    pub(crate) next_retry_time: DateTime<Utc>,
}

impl RotationFailure {
    /// One failure more. That Atlas limits requests is none: see `rate_waits`.
    pub(crate) fn after(
        previous: Option<&Self>,
        error: &EngineError,
        now: DateTime<Utc>,
        entropy: &dyn Entropy,
    ) -> Self {
        let failures = previous
            .map_or(0, |previous| previous.failures)
            .saturating_add(1);
        let mut text = chain(error);
        if let Some((end, _)) = text.char_indices().nth(LONGEST_TEXT) {
            text.truncate(end);
        }
        Self {
            failures,
            since: previous.map_or(now, |previous| previous.since),
            error: text,
            next_retry_time: now + delta(pause(failures, entropy)),
        }
    }

    /// Shows it in an answer.
    pub(crate) fn show(&self, data: &mut Data) {
        data.insert("rotation_failures".to_owned(), json!(self.failures));
        data.insert("failing_since".to_owned(), json!(Rfc3339(self.since)));
        data.insert("last_error".to_owned(), json!(self.error));
        data.insert(
            "next_retry_time".to_owned(),
            json!(Rfc3339(self.next_retry_time)),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SystemEntropy;

    #[test]
    fn a_series_of_failures_is_counted_from_its_first() {
        let now = DateTime::UNIX_EPOCH;
        let failure =
            RotationFailure::after(None, &EngineError::NotConfigured, now, &SystemEntropy);
        assert!(failure.next_retry_time > now);
        let error = EngineError::OrganizationUnknown;
        let again = RotationFailure::after(
            Some(&failure),
            &error,
            failure.next_retry_time,
            &SystemEntropy,
        );
        assert_eq!((again.failures, again.since), (2, now));
        assert!(again.error.contains("organization_id"), "{}", again.error);
    }
}
