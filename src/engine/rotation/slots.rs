//! The two slots of an account: what Atlas holds in them, and making room for a new secret.

use chrono::{DateTime, Utc};

use super::context::{Record, RotationContext};
use super::secret_status::{
    Grounds, SecretStatus, is_in_use, looks_expired, may_make_room, status_of,
};
use crate::atlas::{AtlasError, ClientId, Level, MOST_SECRETS, SecretId, SecretState};
use crate::engine::error::{EngineError, RotationError};
use crate::engine::rotation_state::{KnownBy, Retiring};
use crate::engine::unasked::Permit;

/// Whether a look at an account told what its record does not have yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Learnt {
    /// The record is as it was.
    Nothing,
    /// The record is to be stored.
    Something,
}

impl Learnt {
    /// Of two looks.
    pub(crate) fn or(self, other: Self) -> Self {
        if self == Self::Nothing { other } else { self }
    }
}

/// Reads the account and learns from it about the present secret: its id if that was unknown, and
/// its end, which comes early when somebody adds a secret.
pub(crate) async fn look(
    record: &mut dyn Record,
    context: &RotationContext<'_>,
) -> Result<(Vec<SecretState>, Learnt), EngineError> {
    let account = context
        .atlas
        .service_account(&record.level(), record.client_id(), context.budget)
        .await
        .map_err(|error| failed(record, "reading the service account", error))?;
    // Of an account with a secret of ours, the absence of one decides what is forgotten.
    if let Some(unexpected) = account.has_no_list()
        && (!record.others().is_done() || record.current().is_some())
    {
        return Err(failed(record, "reading the service account", unexpected));
    }
    let learnt = learn(record, &account.secrets, context.engine.clock.now());
    find_lost(record, context, &account.secrets);
    Ok((account.secrets, learnt))
}

/// Of a rotation that has begun: which secrets came of it, their values lost.
fn find_lost(record: &mut dyn Record, context: &RotationContext<'_>, secrets: &[SecretState]) {
    let (key, client_id) = (record.key(), record.client_id().clone());
    let ambiguous = &context.engine.ambiguous;
    match &mut record.others_mut().pending {
        Some(pending) => ambiguous.note(&key, &client_id, &pending.find_lost(secrets)),
        None => ambiguous.forget(&key),
    }
}

fn learn(record: &mut dyn Record, secrets: &[SecretState], now: DateTime<Utc>) -> Learnt {
    let Some(current) = record.current() else {
        return Learnt::Nothing;
    };
    let id = match &current.known_by {
        KnownBy::Id(id) => Some(id.clone()),
        KnownBy::Value(value) => {
            let spoken_for = |id: &SecretId| record.others().retiring.iter().any(|r| r.id == *id);
            let free = secrets.iter().filter(|state| !spoken_for(&state.id));
            SecretState::only_match(free, value, now).map(|only| only.id.clone())
        }
    };
    let state = secrets.iter().find(|state| Some(&state.id) == id.as_ref());
    let expires_at = state
        .and_then(|state| state.expires_at)
        .or(current.expires_at);
    if id.as_ref() == current.id() && expires_at == current.expires_at {
        return Learnt::Nothing;
    }
    record.amend_current(id, expires_at);
    Learnt::Something
}

/// Removes what nobody can use, and what stands in the way of a new secret and may go. Answers the
/// secrets that are left.
pub(super) async fn make_room(
    record: &mut dyn Record,
    context: &RotationContext<'_>,
    secrets: Vec<SecretState>,
    force: bool,
) -> Result<Vec<SecretId>, EngineError> {
    let now = context.engine.clock.now();
    let mut left = Vec::new();
    for state in secrets {
        match status_of(record, &state, now) {
            // Held, it keeps its place for now: that it has expired is told by a clock. A person who
            // orders a rotation orders its end by force only.
            SecretStatus::Dead => {
                let by_clock = !force && looks_expired(record, &state, now);
                if let Ok(permit) = context.permit().await?
                    && (!by_clock || context.believe_clock().await?.is_ok())
                {
                    store_then_delete(record, context, permit, &state.id).await?;
                    forget(record, &state.id);
                    continue;
                }
            }
            SecretStatus::Foreign if record.current().is_none() => adopt(record, &state, now),
            SecretStatus::Managed | SecretStatus::Retiring | SecretStatus::Foreign => {}
        }
        left.push(state);
    }
    free_a_slot(record, context, &mut left, force).await?;
    Ok(left.into_iter().map(|state| state.id).collect())
}

/// Where readers have no secret from here yet, whoever uses the account uses that one: it is kept for
/// them like one that was replaced.
fn adopt(record: &mut dyn Record, state: &SecretState, now: DateTime<Utc>) {
    let look_at = now + record.overlap();
    let in_use = is_in_use(record, state, now);
    record.others_mut().retiring.push(Retiring {
        id: state.id.clone(),
        since: now,
        look_at,
        in_use,
        failures: 0,
    });
}

/// With both slots taken, what is in the way goes if it may.
async fn free_a_slot(
    record: &mut dyn Record,
    context: &RotationContext<'_>,
    left: &mut Vec<SecretState>,
    force: bool,
) -> Result<(), EngineError> {
    let now = context.engine.clock.now();
    while left.len() >= MOST_SECRETS {
        let permit = match context.permit().await? {
            Ok(permit) => permit,
            Err(held) => {
                record.store().await?;
                return Err(EngineError::Held {
                    what: format!("service account {}", record.client_id()),
                    held: held.to_string(),
                });
            }
        };
        let Some(state) = in_the_way(record, left, now) else {
            if left.iter().any(|state| looks_expired(record, state, now)) {
                refuse_by_clock(record, context).await?;
            }
            // Nothing is known to be in the way: Atlas says itself whether there is room.
            return Ok(());
        };
        match may_make_room(record, &state, now, force, context.mandate) {
            Ok(Grounds::Certain) => {}
            Ok(Grounds::Clock) => refuse_by_clock(record, context).await?,
            Err(refused) => {
                // What was found out is kept, so that a bound begun now runs from now.
                record.store().await?;
                return Err(refused.into());
            }
        }
        if status_of(record, &state, now) == SecretStatus::Foreign {
            tracing::warn!(
                client_id = %record.client_id(), secret_id = %state.id, force,
                "deleting an unrecognized client secret to make room for a new one"
            );
        }
        store_then_delete(record, context, permit, &state.id).await?;
        forget(record, &state.id);
        left.retain(|each| each.id != state.id);
    }
    Ok(())
}

/// Refuses what rests on the time alone while the clock is doubted, whoever ordered it.
async fn refuse_by_clock(
    record: &dyn Record,
    context: &RotationContext<'_>,
) -> Result<(), EngineError> {
    let Err(held) = context.believe_clock().await? else {
        return Ok(());
    };
    record.store().await?;
    Err(EngineError::ClockDoubted {
        what: format!("service account {}", record.client_id()),
        held: held.to_string(),
    })
}

/// The secret that is to go first: one that was not made here, or else the one kept the longest.
fn in_the_way(
    record: &dyn Record,
    left: &[SecretState],
    now: DateTime<Utc>,
) -> Option<SecretState> {
    let is_stray = |state: &&SecretState| status_of(record, state, now) == SecretStatus::Foreign;
    if let Some(stray) = left.iter().find(is_stray) {
        return Some(stray.clone());
    }
    let mut retiring: Vec<&Retiring> = record.others().retiring.iter().collect();
    retiring.sort_by_key(|each| each.since);
    let place = |kept: &Retiring| left.iter().find(|state| state.id == kept.id).cloned();
    retiring.into_iter().find_map(place)
}

/// Deletes a secret that was not put aside for that when it was replaced. The record is written before:
/// a node that no longer is the active one fails there, and deletes nothing by what it knew.
pub(super) async fn store_then_delete(
    record: &dyn Record,
    context: &RotationContext<'_>,
    permit: Permit,
    id: &SecretId,
) -> Result<(), EngineError> {
    record.store().await?;
    remove(record, context, permit, id).await
}

/// Deletes a secret of the account; one that is gone already is fine.
pub(super) async fn remove(
    record: &dyn Record,
    context: &RotationContext<'_>,
    _: Permit,
    id: &SecretId,
) -> Result<(), EngineError> {
    let deletion = context
        .atlas
        .delete_secret(&record.level(), record.client_id(), id, context.budget)
        .await
        .map_err(|error| failed(record, "deleting a secret of the service account", error))?;
    tracing::info!(
        client_id = %record.client_id(),
        secret_id = %id,
        %deletion,
        "client secret deleted"
    );
    Ok(())
}

fn forget(record: &mut dyn Record, id: &SecretId) {
    record.others_mut().retiring.retain(|each| each.id != *id);
}

pub(super) fn failed(record: &dyn Record, doing: &str, error: AtlasError) -> EngineError {
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
    if error.says_not_found() {
        return RotationError::AccountGone {
            client_id: client_id.clone(),
            place,
            source: error,
        }
        .into();
    }
    if matches!(&error, AtlasError::Refused { status: 404, .. }) {
        return RotationError::PlaceUnknown {
            field,
            source: error,
        }
        .into();
    }
    EngineError::atlas(doing, error)
}
