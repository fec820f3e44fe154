//! The two slots of an account: what Atlas holds in them, and making room for a new secret.

use chrono::{DateTime, Utc};

use super::error::RenewalError;
use super::record::{Record, Retiring, Tools};
use crate::atlas::{AtlasError, ClientId, Level, SecretId, SecretState};
use crate::engine::error::EngineError;

/// How many secrets an account can hold, expired ones included. Source: Atlas documentation,
/// "Service Accounts Overview".
const SLOTS: usize = 2;

/// Reads the account and learns from it about the present secret: its id if that was unknown, and
/// its end, which comes early when somebody adds a secret. True: something was learnt.
pub(crate) async fn look(
    record: &mut dyn Record,
    tools: &Tools<'_>,
) -> Result<(Vec<SecretState>, bool), EngineError> {
    let account = tools
        .atlas
        .service_account(&record.level(), record.client_id(), tools.patience)
        .await
        .map_err(|error| told(record, "reading the service account", error))?;
    let learnt = learn(record, &account.secrets, tools.engine.clock.now());
    Ok((account.secrets, learnt))
}

fn learn(record: &mut dyn Record, secrets: &[SecretState], now: DateTime<Utc>) -> bool {
    let Some(current) = record.current() else {
        return false;
    };
    let id = current.id.clone().or_else(|| {
        let spoken_for = |id: &SecretId| record.renewal().retiring.iter().any(|r| r.id == *id);
        let mut fitting = secrets
            .iter()
            .filter(|state| state.may_be(&current.client_secret))
            .filter(|state| !state.is_expired(now) && !spoken_for(&state.id));
        match (fitting.next(), fitting.next()) {
            (Some(only), None) => Some(only.id.clone()),
            _ => None,
        }
    });
    let state = secrets.iter().find(|state| Some(&state.id) == id.as_ref());
    let expires_at = state
        .and_then(|state| state.expires_at)
        .or(current.expires_at);
    if id == current.id && expires_at == current.expires_at {
        return false;
    }
    record.amend_current(id, expires_at);
    true
}

/// What a secret of the account is to its record.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    /// Readers have it, or are about to.
    Ours,
    /// Kept for those who still use it.
    Retiring,
    /// Nobody can use it: expired, or its value was lost with an answer.
    Useless,
    /// Made by somebody else.
    Stray,
}

fn standing(record: &dyn Record, state: &SecretState, now: DateTime<Utc>) -> Standing {
    let id = Some(&state.id);
    let current = record.current();
    let renewal = record.renewal();
    if current.as_ref().and_then(|held| held.id.as_ref()) == id
        || renewal.made().and_then(|held| held.id.as_ref()) == id
    {
        return Standing::Ours;
    }
    let lost = renewal
        .pending
        .as_ref()
        .is_some_and(|pending| pending.made.is_none() && !pending.known.contains(&state.id));
    if lost || state.is_expired(now) {
        return Standing::Useless;
    }
    if renewal.retiring.iter().any(|each| each.id == state.id) {
        return Standing::Retiring;
    }
    Standing::Stray
}

/// Removes what nobody can use, and what stands in the way of a new secret and may go.
pub(super) async fn make_room(
    record: &mut dyn Record,
    tools: &Tools<'_>,
    secrets: Vec<SecretState>,
    force: bool,
) -> Result<Vec<SecretId>, EngineError> {
    let now = tools.engine.clock.now();
    let mut left = Vec::new();
    for state in secrets {
        match standing(record, &state, now) {
            Standing::Useless => {
                remove(record, tools, &state.id).await?;
                forget(record, &state.id);
                continue;
            }
            Standing::Stray => {
                let overlap = record.overlap();
                if stray_may_go(record, &state, now, force) {
                    tracing::warn!(
                        client_id = %record.client_id(), secret_id = %state.id,
                        "a secret that is not this engine's is removed: nobody uses it"
                    );
                    remove(record, tools, &state.id).await?;
                    continue;
                }
                record.renewal_mut().retiring.push(Retiring {
                    id: state.id.clone(),
                    since: now,
                    look_at: now + overlap,
                    in_use: state.last_used_at.is_some(),
                    failures: 0,
                });
            }
            Standing::Ours | Standing::Retiring => {}
        }
        left.push(state);
    }
    free_a_slot(record, tools, &mut left, force).await?;
    Ok(left.into_iter().map(|state| state.id).collect())
}

/// With both slots taken, the secret that is kept the longest already goes if it may.
async fn free_a_slot(
    record: &mut dyn Record,
    tools: &Tools<'_>,
    left: &mut Vec<SecretState>,
    force: bool,
) -> Result<(), EngineError> {
    let now = tools.engine.clock.now();
    while left.len() >= SLOTS {
        let mut retiring = record.renewal().retiring.clone();
        retiring.sort_by_key(|each| each.since);
        let kept = retiring
            .into_iter()
            .find_map(|each| Some((left.iter().position(|state| state.id == each.id)?, each)));
        let Some((place, kept)) = kept else {
            // Nothing is known to be in the way: Atlas says itself whether there is room.
            return Ok(());
        };
        let adopted = record.current().is_some();
        let unused = left
            .get(place)
            .is_none_or(|state| kept_may_go(record, state, kept.since, now));
        let may_go = force || (adopted && (unused || is_urgent(record, kept.since)));
        if !may_go {
            // What was found out is kept, so that a bound begun now runs from now.
            record.store().await?;
            let until = kept.since + record.overlap() * 2;
            return Err(RenewalError::SlotsFull {
                kept: kept.id,
                until,
            }
            .into());
        }
        remove(record, tools, &kept.id).await?;
        forget(record, &kept.id);
        left.remove(place);
    }
    Ok(())
}

/// Whether a secret that is not this engine's may go. Where readers have none from here yet, whoever
/// uses the account uses that one.
fn stray_may_go(record: &dyn Record, state: &SecretState, now: DateTime<Utc>, force: bool) -> bool {
    record.current().is_some() && (force || !is_in_use(record, state, now))
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

/// Whether readers would be left without a secret before the kept one has to go.
fn is_urgent(record: &dyn Record, since: DateTime<Utc>) -> bool {
    let bound = since + record.overlap() * 2;
    let expires_at = record.current().and_then(|held| held.expires_at);
    expires_at.is_some_and(|expires_at| expires_at <= bound)
}

/// Whether it was used lately: within half an overlap.
fn is_in_use(record: &dyn Record, state: &SecretState, now: DateTime<Utc>) -> bool {
    let lately = now - record.overlap() / 2;
    state.last_used_at.is_some_and(|used| used > lately)
}

/// Deletes a secret of the account; one that is gone already is fine.
pub(super) async fn remove(
    record: &dyn Record,
    tools: &Tools<'_>,
    id: &SecretId,
) -> Result<(), EngineError> {
    let deletion = tools
        .atlas
        .delete_secret(&record.level(), record.client_id(), id, tools.patience)
        .await
        .map_err(|error| told(record, "deleting a secret of the service account", error))?;
    tracing::info!(client_id = %record.client_id(), secret_id = %id, ?deletion, "a secret was removed");
    Ok(())
}

fn forget(record: &mut dyn Record, id: &SecretId) {
    record.renewal_mut().retiring.retain(|each| each.id != *id);
}

pub(super) fn told(record: &dyn Record, doing: &str, error: AtlasError) -> EngineError {
    account_error(&record.level(), record.client_id(), doing, error)
}

/// A failed call about an account, told by what it says of the account itself.
pub(crate) fn account_error(
    level: &Level,
    client_id: &ClientId,
    doing: &str,
    error: AtlasError,
) -> EngineError {
    let (field, place) = match level {
        Level::Org(org) => ("organization_id", format!("organization {org}")),
        Level::Project(project) => ("project_id", format!("project {project}")),
    };
    if error.says_account_or_secret_is_gone() {
        return RenewalError::AccountGone {
            client_id: client_id.clone(),
            place,
            source: error,
        }
        .into();
    }
    if matches!(&error, AtlasError::Refused { status: 404, .. }) {
        return RenewalError::PlaceUnknown {
            field,
            source: error,
        }
        .into();
    }
    EngineError::atlas(doing, error)
}
