//! Projects that require private networking. Atlas takes a change there unseen, and its data nodes try
//! it later: with a grant missing it stops the clusters. So such a change needs a proof or a consent.

use chrono::{DateTime, TimeDelta, Utc};

use super::apply::ApplyRequest;
use super::census;
use super::entry::{AzureEntry, Mode, Principal, State, later};
use super::note::is_static_left;
use super::plan::Standing;
use super::watch::{LOOKS_THAT_PROVE, believes_clock};
use crate::atlas::{Atlas, AzureKeyVault, ProjectId, RequestBudget, RoleId, VaultKey};
use crate::engine::Engine;
use crate::engine::error::{EncryptionError, EngineError};

/// A look older than this proves nothing any more: there is one each quarter of an hour.
const PROOF_LASTS: TimeDelta = TimeDelta::minutes(17);
/// So many of those that prove the same are asked whether it is still so.
const MOST_ASKED: usize = 3;

/// What the projects of this mount prove of keys and principals: one reading of all entries, for one step
/// of whoever asks.
pub(super) struct Proofs(Vec<Proof>);

/// A project in which Atlas was seen to use this key as this principal.
struct Proof {
    project: ProjectId,
    key: VaultKey,
    principal: Principal,
    role: RoleId,
}

impl Proof {
    /// Why Atlas does not show any more what was seen; [`None`]: it does.
    fn doubt(&self, shown: Option<&AzureKeyVault>) -> Option<&'static str> {
        let by_role = shown.filter(|vault| vault.role_id.as_ref() == Some(&self.role));
        let Some(vault) = by_role else {
            return Some("does not sign in by its role any more");
        };
        if vault.valid != Some(true) {
            Some("cannot use the key")
        } else if is_static_left(vault) {
            Some("still has static credentials beside its role")
        } else if !is_same(&vault.key, &self.key) {
            Some("uses another key")
        } else {
            None
        }
    }
}

impl Proofs {
    /// Reads them. What cannot be read proves nothing; the periodic run tells of it.
    pub(super) async fn read(engine: &Engine) -> Result<Self, EngineError> {
        let now = engine.clock.now();
        let mut entries = census::entries_given(engine).await?.read;
        entries.retain(|(_, entry)| proves(entry, now));
        // That data nodes had the time to try a change is told by the clock alone.
        let has_private = entries.iter().any(|(_, entry)| entry.is_private());
        let is_sure = !has_private || believes_clock(engine).await;
        let mut proofs = Vec::new();
        for (project, entry) in entries {
            if entry.is_private() && !is_sure
                || engine.connection.admit(&entry.origin).await.is_err()
            {
                continue;
            }
            if let (Some(key), Some(principal), Some(role)) =
                (entry.key, entry.principal, entry.role_id)
            {
                proofs.push(Proof {
                    project,
                    key,
                    principal,
                    role,
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
        let proof = self.all_of(project, key, principal).next();
        proof.map(|proof| &proof.project)
    }

    fn all_of(
        &self,
        project: &ProjectId,
        key: &VaultKey,
        principal: &Principal,
    ) -> impl Iterator<Item = &Proof> {
        self.0.iter().filter(move |proof| {
            proof.project != *project && proof.principal == *principal && is_same(&proof.key, key)
        })
    }

    /// Whether another project proves this one's key and principal, and Atlas shows it at this moment: what
    /// was seen minutes ago may be over.
    async fn hold(
        &self,
        atlas: &Atlas,
        project: &ProjectId,
        key: &VaultKey,
        principal: &Principal,
        budget: RequestBudget,
    ) -> Result<(), EngineError> {
        let mut refusal = None;
        for proof in self.all_of(project, key, principal).take(MOST_ASKED) {
            let other = &proof.project;
            let error = match atlas.azure_key_vault(other, budget).await {
                Ok(shown) => match proof.doubt(shown.as_ref()) {
                    None => return Ok(()),
                    Some(why) => EncryptionError::ProofIsOver {
                        project: other.clone(),
                        why,
                    }
                    .into(),
                },
                // Of the one that is asked for nothing is said by that.
                Err(error) if error.says_project_is_gone() => EncryptionError::ProofIsOver {
                    project: other.clone(),
                    why: "is not known to Atlas any more",
                }
                .into(),
                Err(error) => {
                    let doing = format!("asking project {other}, which proves the grants");
                    EngineError::atlas(&doing, error)
                }
            };
            refusal.get_or_insert(error);
        }
        Err(refusal.unwrap_or_else(|| EncryptionError::PrivateNetworking.into()))
    }
}

/// Whether the change may be sent: always, unless the project requires private networking. What others
/// prove is read now, unless it is given, and looked at once more.
pub(super) async fn may_change(
    engine: &Engine,
    atlas: &Atlas,
    project: &ProjectId,
    entry: &AzureEntry,
    standing: &Standing,
    request: &ApplyRequest,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let key = standing.key(request.enable.as_ref());
    let Some(key) = key.filter(|_| standing.is_private()) else {
        return Ok(());
    };
    if let Some(unreached) = standing.unreached().next() {
        return Err(EncryptionError::from(unreached).into());
    }
    if request.accepted().is_both() {
        return Ok(());
    }
    let principal = entry.principal.as_ref();
    let principal = principal.ok_or(EncryptionError::NotRegistered)?;
    let read;
    let proofs = if let Some(given) = &request.proofs {
        given
    } else {
        read = Proofs::read(engine).await?;
        &read
    };
    proofs.hold(atlas, project, &key, principal, budget).await
}

/// Whether a change may not be sent for want of a proof alone.
pub(super) fn is_unproved(error: &EngineError) -> bool {
    matches!(
        error,
        EngineError::Encryption(
            EncryptionError::PrivateNetworking | EncryptionError::ProofIsOver { .. }
        )
    )
}

/// Whether Atlas was seen to use the entry's key by its role.
fn proves(entry: &AzureEntry, now: DateTime<Utc>) -> bool {
    let is_changed = matches!(entry.state, State::Observing | State::Applied);
    let is_tried = !entry.is_private() || was_watched_to_the_end(entry, now);
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
fn was_watched_to_the_end(entry: &AzureEntry, now: DateTime<Utc>) -> bool {
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
            other_application: false,
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
