//! What came of a change to the role: whether it is decided, and what an error says of it.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::apply_input::LONGEST_RETRY;
use super::entry::{AzureEntry, later};
use super::plan::{Standing, other_directory};
use super::private;
use crate::atlas::KeyVaultRefusal;
use crate::engine::error::{EncryptionError, EngineError};
use crate::vault::failure::chain;

/// What could not be sent in its time is not sent much later: nobody expects it any more.
const GRACE: Duration = Duration::from_mins(5);

/// Whether the change is not sent again, and what Atlas shows tells what came of it.
pub(super) fn is_left(entry: &AzureEntry, error: &EngineError, standing: &Standing) -> bool {
    let is_not_wanted = matches!(error, EngineError::Encryption(EncryptionError::NotTaken));
    // What words sent is not sent again, whatever else Atlas would answer. What another project proved is, once
    // Atlas answers.
    let is_unknown = entry.unproved && standing.is_private() && is_unanswered(error);
    is_not_wanted || is_unknown || private::is_unproved(error)
}

/// What went wrong before a look at a change that is left. Where words sent it, and all was answered, it is over,
/// or was an old answer; else it stays to be told.
pub(super) fn forget_what_is_over(entry: &mut AzureEntry, error: &EngineError) {
    if entry.unproved && !is_unanswered(error) {
        entry.forget_trouble();
    } else {
        entry.forget_failures();
    }
}

/// Whether Atlas did not answer what a change wants to know.
fn is_unanswered(error: &EngineError) -> bool {
    matches!(error, EngineError::Atlas { .. })
}

/// Whether what keeps the change from being sent was seen before, or is not seen in what Atlas shows.
pub(super) fn is_decided(entry: &AzureEntry, error: &EngineError) -> bool {
    let is_known = matches!(
        error,
        EngineError::Encryption(EncryptionError::OrderTooOld { .. } | EncryptionError::NotTaken)
    );
    is_known || entry.failed_by(&chain(error))
}

/// Whether the time is over in which the order may be sent again.
pub(super) fn is_too_late(entry: &AzureEntry, now: DateTime<Utc>) -> bool {
    let longest = entry.ordered_at.and_then(|at| later(at, LONGEST_RETRY));
    let end = entry.retry_until.or(longest);
    let end = end.and_then(|end| later(end, GRACE));
    end.is_some_and(|end| end < now)
}

pub(super) fn advice(refusal: KeyVaultRefusal, entry: &AzureEntry) -> String {
    let before = entry.before.as_ref();
    let directory = before.and_then(|before| before.tenant_id.as_ref());
    let text = match refusal {
        KeyVaultRefusal::NoAccess => {
            if let Some(other) = other_directory(directory, entry) {
                return other;
            }
            "Grant the principal the use of the key (see grants), or give retry_for: a new grant may \
             need minutes"
        }
        KeyVaultRefusal::KeyState => "Look at the key in Azure",
        KeyVaultRefusal::PresentKeyLost => {
            "Atlas takes no change while it cannot use the present key: give it another static secret \
             with rotate, then apply"
        }
        KeyVaultRefusal::StaticCredentials
        | KeyVaultRefusal::PrivateEndpoints
        | KeyVaultRefusal::Other => "See Atlas's words",
    };
    text.to_owned()
}
