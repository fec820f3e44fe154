//! What a secret of an account is to its record, and whether it may go.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::context::Record;
use crate::atlas::SecretState;
use crate::engine::error::RotationError;
use crate::engine::unasked::Mandate;

/// A secret that was not made here counts as in use for so long after its last use, whatever the
/// overlap of the record: nobody has agreed with its user on one.
const STRAY_USED_WITHIN: TimeDelta = TimeDelta::hours(24);

/// A client signs in again after so long at the latest: an access token lives for an hour, and Atlas
/// may tell of a use a little late. Source: Atlas documentation, "Service Accounts Overview".
const SIGNS_IN_WITHIN: Duration = Duration::from_mins(65);

/// What a secret of the account is to its record.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SecretStatus {
    /// Readers have it, or are about to.
    Managed,
    /// Kept for those who still use it.
    Retiring,
    /// Nobody can use it: expired, or its value was lost with an answer.
    Dead,
    /// Made by somebody else, as far as is known.
    Foreign,
}

/// What a secret is.
pub(super) fn status_of(
    record: &dyn Record,
    state: &SecretState,
    now: DateTime<Utc>,
) -> SecretStatus {
    let others = record.others();
    let made = others.made().and_then(|held| held.id.as_ref());
    if is_current(record, state) || made == Some(&state.id) {
        return SecretStatus::Managed;
    }
    let pending = others.pending.as_ref();
    if pending.is_some_and(|pending| pending.has_lost(state)) || state.is_expired(now) {
        return SecretStatus::Dead;
    }
    if others.retiring.iter().any(|each| each.id == state.id) {
        return SecretStatus::Retiring;
    }
    SecretStatus::Foreign
}

/// Whether it is useless by nothing but the time, and not because its value was lost.
pub(super) fn looks_expired(record: &dyn Record, state: &SecretState, now: DateTime<Utc>) -> bool {
    let pending = record.others().pending.as_ref();
    let is_lost = pending.is_some_and(|pending| pending.has_lost(state));
    !is_lost && status_of(record, state, now) == SecretStatus::Dead
}

/// Whether it is known to be the present secret. That one is never removed, whatever a record says.
pub(super) fn is_current(record: &dyn Record, state: &SecretState) -> bool {
    record
        .current()
        .is_some_and(|held| held.id() == Some(&state.id))
}

/// Whether it is the present secret as far as is known which that is.
pub(super) fn may_be_current(record: &dyn Record, state: &SecretState) -> bool {
    record.current().is_some_and(|held| held.may_be(state))
}

/// On what it rests that a secret may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grounds {
    /// On the order of a person, or on what Atlas tells.
    Certain,
    /// On the time alone: as certain as the wall clock.
    Clock,
}

/// Whether a secret that is in the way of a new one may be removed for it, and on what that rests; if
/// not, why.
///
/// Which secret is the present one has to be known before another goes, even by force: else it might
/// be the present one that goes.
pub(super) fn may_make_room(
    record: &dyn Record,
    state: &SecretState,
    now: DateTime<Utc>,
    force: bool,
    mandate: Mandate,
) -> Result<Grounds, RotationError> {
    let current = record.current();
    let unknown = current.as_ref().is_some_and(|held| held.id().is_none());
    let retiring = &record.others().retiring;
    let Some(kept) = retiring.iter().find(|each| each.id == state.id) else {
        return match state.last_used_at {
            _ if unknown => Err(RotationError::PresentUnknown),
            // Whoever made it by hand may not have used it yet.
            None if mandate == Mandate::Unasked
                && is_new(state, now)
                && !is_urgent(record, now) =>
            {
                Err(RotationError::StrayIsNew {
                    stray: state.id.clone(),
                })
            }
            Some(used_at)
                if !force && used_at > now - STRAY_USED_WITHIN && !is_urgent(record, now) =>
            {
                Err(RotationError::StrayInUse {
                    stray: state.id.clone(),
                    used_at,
                })
            }
            Some(_) if !force => Ok(Grounds::Clock),
            _ => Ok(Grounds::Certain),
        };
    };
    if unknown && may_be_current(record, state) {
        return Err(RotationError::PresentUnknown);
    }
    // Without an overlap nobody is to use it any more, whatever the time is.
    if force || (current.is_some() && record.overlap().is_zero()) {
        return Ok(Grounds::Certain);
    }
    let unused = kept_may_go(record, state, kept.since, now);
    if current.is_some() && (unused || is_urgent(record, kept.since)) {
        return Ok(Grounds::Clock);
    }
    Err(RotationError::SlotsFull {
        kept: kept.id.clone(),
        until: kept.since + record.overlap() * 2,
    })
}

fn is_new(state: &SecretState, now: DateTime<Utc>) -> bool {
    let made_at = state.created_at;
    made_at.is_none_or(|made_at| made_at > now - STRAY_USED_WITHIN)
}

/// Whether a replaced secret may go: it has expired, or its time is over and nobody uses it, or twice
/// its time is over.
pub(super) fn kept_may_go(
    record: &dyn Record,
    state: &SecretState,
    since: DateTime<Utc>,
    now: DateTime<Utc>,
) -> bool {
    let overlap = record.overlap();
    state.is_expired(now)
        || now >= since + overlap * 2
        || (now >= since + overlap && !is_in_use(record, state, now))
}

/// Whether readers would be left without a secret before one that is kept since then has to go.
/// Without an overlap there are no readers but this mount itself, and a person decides.
fn is_urgent(record: &dyn Record, since: DateTime<Utc>) -> bool {
    let bound = since + record.overlap() * 2;
    let expires_at = record.current().and_then(|held| held.expires_at);
    expires_at.is_some_and(|expires_at| expires_at <= bound)
}

/// Whether somebody may work with a replaced secret: it was used within half an overlap, or lately
/// enough for a client to live on the token from it. Of the token's own uses nothing is heard.
pub(super) fn is_in_use(record: &dyn Record, state: &SecretState, now: DateTime<Utc>) -> bool {
    let lately = now - SIGNS_IN_WITHIN.max(record.overlap() / 2);
    state.last_used_at.is_some_and(|used| used > lately)
}
