//! Projects that require private networking. Atlas takes a change there unseen, and its data nodes try
//! it later: with a grant missing it stops the clusters. So such a change needs a proof or a consent.

use chrono::{DateTime, TimeDelta, Utc};

use super::entry::{Accepted, AzureEntry, Mode, Principal, State, later};
use super::paths::load;
use super::plan::Standing;
use super::watch::LOOKS_THAT_PROVE;
use crate::atlas::{EndpointStatus, ProjectId, VaultKey};
use crate::engine::error::{EncryptionError, EngineError};
use crate::engine::{Engine, keys};

/// A look older than this proves nothing any more.
const PROOF_LASTS: TimeDelta = TimeDelta::hours(1);

/// Whether the change may be sent: always, unless the project requires private networking.
pub(super) async fn may_change(
    engine: &Engine,
    project: &ProjectId,
    entry: &AzureEntry,
    standing: &Standing,
    accepted: Accepted,
) -> Result<(), EngineError> {
    let Some(vault) = standing.vault.as_ref().filter(|vault| vault.is_private()) else {
        return Ok(());
    };
    let mut endpoints = standing.endpoints.iter();
    if let Some(endpoint) = endpoints.find(|endpoint| endpoint.status != EndpointStatus::Active) {
        return Err(EncryptionError::EndpointNotActive {
            region: endpoint.region.clone(),
            status: endpoint.status,
        }
        .into());
    }
    if accepted.is_both() {
        return Ok(());
    }
    let principal = entry.principal.as_ref();
    let principal = principal.ok_or(EncryptionError::NotRegistered)?;
    match proved_elsewhere(engine, project, &vault.key, principal).await? {
        Some(_) => Ok(()),
        None => Err(EncryptionError::PrivateNetworking.into()),
    }
}

/// Another project of this mount in which Atlas was seen to use this key as this principal.
pub(super) async fn proved_elsewhere(
    engine: &Engine,
    project: &ProjectId,
    key: &VaultKey,
    principal: &Principal,
) -> Result<Option<ProjectId>, EngineError> {
    for name in engine.storage.list(keys::AZURE_KEY_VAULTS).await? {
        let Ok(other) = name.parse::<ProjectId>() else {
            continue;
        };
        if other == *project {
            continue;
        }
        let entry = load(engine, &other).await;
        // What cannot be read proves nothing; the periodic run tells of it.
        let Ok(Some(entry)) = entry else {
            continue;
        };
        if proves(engine, &entry, key, principal)
            && engine.connection.admit(&entry.origin).await.is_ok()
        {
            return Ok(Some(other));
        }
    }
    Ok(None)
}

fn proves(engine: &Engine, entry: &AzureEntry, key: &VaultKey, principal: &Principal) -> bool {
    let now = engine.clock.now();
    let is_changed = matches!(entry.state, State::Observing | State::Applied);
    let is_tried = !entry.is_private() || has_proved_itself(entry, now);
    let is_seen = entry.seen.as_ref().is_some_and(|seen| {
        let age = now - seen.at;
        seen.mode == Mode::Role
            && seen.valid == Some(true)
            && !seen.static_left
            && age.abs() < PROOF_LASTS
    });
    let is_same = entry.key.as_ref().is_some_and(|other| is_same(other, key));
    is_changed
        && is_tried
        && is_seen
        && is_same
        && entry.drift.is_empty()
        && entry.principal.as_ref() == Some(principal)
}

/// Whether a change that Atlas took unseen was tried since. What `valid` says before the data nodes'
/// verdict is not documented, so it proves nothing until the watch is over.
fn has_proved_itself(entry: &AzureEntry, now: DateTime<Utc>) -> bool {
    let watched = entry.watched_for(true);
    let end = entry.changed_at.and_then(|at| later(at, watched));
    entry.state == State::Applied
        && entry.valid_looks >= LOOKS_THAT_PROVE
        && end.is_some_and(|end| end <= now)
}

/// Whether it is the same key, however its vault is reached. Azure compares names without regard to
/// case.
fn is_same(one: &VaultKey, other: &VaultKey) -> bool {
    let same = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
    same(&one.environment, &other.environment)
        && same(&one.subscription_id, &other.subscription_id)
        && same(&one.resource_group, &other.resource_group)
        && same(&one.vault, &other.vault)
        && same(&one.key_identifier, &other.key_identifier)
}
