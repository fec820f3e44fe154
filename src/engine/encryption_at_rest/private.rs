//! Projects that require private networking. Atlas takes a change there unseen, and its data nodes try
//! it later: with a grant missing it stops the clusters. So such a change needs a proof or a consent.

use chrono::{DateTime, TimeDelta, Utc};

use super::census;
use super::entry::{Accepted, AzureEntry, Mode, Principal, State, later};
use super::plan::Standing;
use super::watch::LOOKS_THAT_PROVE;
use crate::atlas::{EndpointStatus, ProjectId, VaultKey};
use crate::engine::Engine;
use crate::engine::error::{EncryptionError, EngineError};

/// A look older than this proves nothing any more: there is one each quarter of an hour.
const PROOF_LASTS: TimeDelta = TimeDelta::minutes(17);

/// What the projects of this mount prove of keys and principals: one reading of all entries, for one step
/// of whoever asks.
pub(super) struct Proofs(Vec<Proof>);

/// A project in which Atlas was seen to use this key as this principal.
struct Proof {
    project: ProjectId,
    key: VaultKey,
    principal: Principal,
}

impl Proofs {
    /// Reads them. What cannot be read proves nothing; the periodic run tells of it.
    pub(super) async fn read(engine: &Engine) -> Result<Self, EngineError> {
        let now = engine.clock.now();
        let mut proofs = Vec::new();
        for (project, entry) in census::entries(engine).await?.entries {
            if !proves(&entry, now) || engine.connection.admit(&entry.origin).await.is_err() {
                continue;
            }
            if let (Some(key), Some(principal)) = (entry.key, entry.principal) {
                proofs.push(Proof {
                    project,
                    key,
                    principal,
                });
            }
        }
        Ok(Self(proofs))
    }

    /// Another project that proves this one's key and principal.
    pub(super) fn of(
        &self,
        project: &ProjectId,
        key: &VaultKey,
        principal: &Principal,
    ) -> Option<&ProjectId> {
        let proves = |proof: &&Proof| {
            proof.project != *project && proof.principal == *principal && is_same(&proof.key, key)
        };
        self.0.iter().find(proves).map(|proof| &proof.project)
    }
}

/// Whether the change may be sent: always, unless the project requires private networking. What others
/// prove is read now, unless it is given.
pub(super) async fn may_change(
    engine: &Engine,
    project: &ProjectId,
    entry: &AzureEntry,
    standing: &Standing,
    accepted: Accepted,
    proofs: Option<&Proofs>,
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
    let read;
    let proofs = if let Some(given) = proofs {
        given
    } else {
        read = Proofs::read(engine).await?;
        &read
    };
    match proofs.of(project, &vault.key, principal) {
        Some(_) => Ok(()),
        None => Err(EncryptionError::PrivateNetworking.into()),
    }
}

/// Whether Atlas was seen to use the entry's key by its role.
fn proves(entry: &AzureEntry, now: DateTime<Utc>) -> bool {
    let is_changed = matches!(entry.state, State::Observing | State::Applied);
    let is_tried = !entry.is_private() || has_proved_itself(entry, now);
    let is_seen = entry.seen.as_ref().is_some_and(|seen| {
        let age = now - seen.at;
        seen.mode == Mode::Role
            && seen.valid == Some(true)
            && !seen.static_left
            && age.abs() < PROOF_LASTS
    });
    // Where Atlas could not be asked since, nobody knows whether the grants are still there.
    let is_known = entry.look_failure.is_none();
    is_changed && is_tried && is_seen && is_known && entry.drift.is_empty()
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

#[cfg(test)]
mod tests {
    use super::super::entry::{LookFailure, Seen};
    use super::*;
    use crate::engine::origin::BoundTo;

    #[test]
    fn neither_an_old_look_nor_one_that_failed_since_proves_anything() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(1);
        let mut entry = AzureEntry::new(BoundTo::default());
        entry.state = State::Applied;
        entry.seen = Some(Seen {
            mode: Mode::Role,
            valid: Some(true),
            static_left: false,
            at: now,
        });
        assert!(proves(&entry, now + TimeDelta::minutes(16)));
        assert!(!proves(&entry, now + TimeDelta::minutes(18)));
        entry.look_failure = Some(LookFailure {
            error: "no answer".to_owned(),
            since: now,
            failures: 1,
            next_retry_time: now,
        });
        assert!(!proves(&entry, now + TimeDelta::minutes(1)));
    }
}
