//! What is told of a rotation: from when the secret before may go, and what an error says of it.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::entry::{AzureEntry, Mode, State, later};
use super::unseen;
use super::watch::is_seen_twice;
use crate::atlas::{CHANGE_PATIENCE, KeyVaultRefusal};
use crate::base::Rfc3339;
use crate::engine::error::{EncryptionError, EngineError};

/// Atlas checks its keys so often. Until one check has gone by, nobody knows whether the secret before is
/// still needed.
const CHECKED_EVERY: Duration = Duration::from_mins(15);

/// From when the secret before the last rotation may be removed in Azure, if Atlas still says by then that
/// the key is valid.
pub(super) fn earlier_removable_at(entry: &AzureEntry) -> Option<DateTime<Utc>> {
    let watched = entry.observe.max(CHECKED_EVERY);
    let rotated_at = entry.held.as_ref()?.since;
    // What was changed since had another secret, or none.
    later(
        rotated_at.filter(|_| rotated_at == entry.changed_at)?,
        watched,
    )
}

/// What whoever rotates, or reads soon after, has to know.
pub(super) fn warnings(entry: &AzureEntry, now: DateTime<Utc>) -> Vec<String> {
    let mut warnings = Vec::new();
    if entry.pending.is_some() {
        warnings.push(match accepted_at(entry) {
            Some(_) if entry.held.is_none() => {
                "Atlas took the new secret and tries it only now, and the one before is not in keeping, so that \
                 it is not sent again: leave both in Azure until rotation_in_progress is false; the one before \
                 may go when a read then shows previous_secret_removable_at and that is over; if the state is \
                 failed then, the new one does not work and is in force: rotate again"
                    .to_owned()
            }
            Some(_) => "Atlas took the new secret and tries it only now: leave both in Azure until \
                        rotation_in_progress is false; the one before may go when a read then shows \
                        previous_secret_removable_at and that is over, and without it the one before is in \
                        force again"
                .to_owned(),
            None if entry.state == State::Rotating => {
                "whether Atlas has the new secret is not known yet: leave both in Azure".to_owned()
            }
            None if entry.state == State::RollingBack => {
                "the secret in keeping is being sent again: leave it and that of the last rotation in \
                 Azure; meanwhile rotate takes neither of them, and another one if Atlas cannot use the \
                 key"
                    .to_owned()
            }
            None => "whether Atlas has the secret of the last rotation is not known, and it is kept: \
                     leave both in Azure, and rotate; without client_secret that tries the kept one \
                     again"
                .to_owned(),
        });
    }
    if let Some(at) = earlier_removable_at(entry) {
        let seen = entry.seen.as_ref();
        let is_proved = seen.is_some_and(|seen| seen.valid == Some(true) && seen.at >= at);
        if now < at || !is_proved {
            warnings.push(format!(
                "leave the secret before this one in Azure until {}, and until valid_seen_at is later \
                 than that and valid is true, and while any other project signs in with it",
                Rfc3339(at)
            ));
        }
    }
    warnings
}

/// What to do about a new secret that Atlas refused.
pub(super) fn advice(refusal: KeyVaultRefusal) -> &'static str {
    match refusal {
        KeyVaultRefusal::NoAccess | KeyVaultRefusal::Other => {
            "a fresh Azure secret may need minutes"
        }
        KeyVaultRefusal::KeyState | KeyVaultRefusal::PresentKeyLost => "look at the key in Azure",
        KeyVaultRefusal::StaticCredentials => {
            "Atlas takes no static credentials any more: register the principal, and apply"
        }
        KeyVaultRefusal::PrivateEndpoints => "look at the private endpoints",
    }
}

/// When Atlas took the pending secret, which it has not proved yet; [`None`]: whether it did is unknown.
pub(super) fn accepted_at(entry: &AzureEntry) -> Option<DateTime<Utc>> {
    entry.pending.as_ref()?.taken_at
}

/// Whether a rotation may begin. One that is watched after a change to its role is told so by what Atlas
/// shows.
pub(super) fn may_begin(entry: &AzureEntry, now: DateTime<Utc>) -> bool {
    matches!(
        entry.state,
        State::Registered
            | State::Static
            | State::Applied
            | State::Failed
            | State::Observing
            | State::Rotating
    ) || is_known_as_bad(entry, now)
}

/// Whether a new secret, of which it was looked a moment ago what came of it, makes way for another one: it is
/// not sent any more, its answer is lost and Atlas is done with it, or it does not work.
pub(super) fn makes_way(
    entry: &AzureEntry,
    settled: &Result<(), EngineError>,
    now: DateTime<Utc>,
) -> bool {
    let is_doubted = entry.state == State::Rotating && settled.as_ref().is_err_and(is_doubtful);
    let is_decided = matches!(settled, Err(EngineError::Encryption(_))) && !is_doubted;
    let is_lost = settled.is_ok() && unseen::is_over(entry, now);
    (accepted_at(entry).is_none() && (is_decided || is_lost)) || is_known_as_bad(entry, now)
}

/// Whether Atlas took a new secret unseen, and cannot use the key with it. Where it does not take the one
/// before back either, another one is what leads out.
fn is_known_as_bad(entry: &AzureEntry, now: DateTime<Utc>) -> bool {
    let is_under_way = matches!(entry.state, State::Rotating | State::RollingBack);
    let is_static = entry
        .seen
        .as_ref()
        .is_some_and(|seen| seen.mode == Mode::Static);
    let is_new = is_under_way && is_static && entry.pending.is_some();
    is_new && entry.is_private() && is_seen_twice(entry, now) && !is_being_sent(entry, now)
}

/// Whether Atlas may be at work on a secret, be it the new one or the one before: of two at a time nobody knows
/// which it takes last.
fn is_being_sent(entry: &AzureEntry, now: DateTime<Utc>) -> bool {
    let end = entry.static_ordered_at;
    let end = end.and_then(|at| later(at, CHANGE_PATIENCE));
    accepted_at(entry).is_none() && end.is_some_and(|end| now < end)
}

/// Where a project rests that signs in with a static secret.
pub(super) fn resting(entry: &AzureEntry) -> State {
    if entry.role_id.is_some() {
        State::Registered
    } else {
        State::Static
    }
}

/// Whether it is seen in what Atlas shows, which may be an old answer.
fn is_doubtful(error: &EngineError) -> bool {
    let is_of_others = matches!(
        error,
        EngineError::Encryption(EncryptionError::OtherApplication { .. })
    );
    is_final(error) || is_of_others
}

/// Whether there is nothing to go on with.
pub(super) fn is_final(error: &EngineError) -> bool {
    match error {
        EngineError::Encryption(error) => matches!(
            error,
            EncryptionError::Off
                | EncryptionError::NoSecretToRotate { .. }
                | EncryptionError::ApplicationUnknown
        ),
        EngineError::Atlas { source, .. } => source.says_project_is_gone(),
        _ => false,
    }
}
