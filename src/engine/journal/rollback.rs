//! Removal of what was left incomplete: by us, and by the Go engine before us.
//!
//! An entry is written before the create is sent, and again with Atlas's id after. So whatever moment
//! a process ends at, the entry is there, and what Atlas made is found by its id or, where the answer
//! was lost, by its description, which no other key or account has. "Not found" is no proof while
//! Atlas's lists may lag, or while an older active node may still be at work: an entry goes without a
//! deletion only when it is old and Atlas had nothing of it twice.

use super::entry::{JournalEntry, Part, State};
use super::find::find;
use crate::atlas::{Deletion, ISSUED_SHOWN_WITHIN, RequestBudget};
use crate::engine::connection::{Search, ownership};
use crate::engine::error::EngineError;
use crate::engine::lost_secret::Lost;
use crate::engine::names::JournalId;
use crate::engine::resource::remove;
use crate::engine::unasked::{Held, Mandate, Permit, held};
use crate::engine::{Engine, keys};

/// Lists are no snapshot: while others are deleted, an item may slip from one page to the one before.
const NOT_FOUND_LIMIT: u32 = 2;

/// The permit, or the error that says what holds the removal of an entry's credential.
pub(super) fn permitted(
    permit: Result<Permit, Held>,
    id: &JournalId,
) -> Result<Permit, EngineError> {
    permit.map_err(|held| EngineError::Held {
        what: format!("the credential of journal entry {id}"),
        held: held.to_string(),
    })
}

/// What this process began and did not complete was given to nobody, whatever the clocks show. Of
/// an older entry the clock alone tells that nobody works on it any more.
async fn permit(engine: &Engine, id: &JournalId, mandate: Mandate) -> Result<Permit, EngineError> {
    let permit = match held(engine).await? {
        Some(by) if mandate == Mandate::Unasked => Err(Held::ByOperator(by)),
        _ if engine.journal.index().is_left(id) => Ok(Permit::UNDO),
        _ => mandate.permit(engine).await?,
    };
    permitted(permit, id)
}

/// What became of an incomplete entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RolledBack {
    /// Nothing is left of it. Else what was made may be there, but Atlas does not list it yet, or an
    /// access token is still to die by itself.
    pub(crate) settled: bool,
    /// Atlas was asked on its account alone, and not only by the list that serves all.
    pub(super) asked: bool,
}

impl RolledBack {
    /// Without a request to Atlas.
    fn in_memory(settled: bool) -> Self {
        Self {
            settled,
            asked: false,
        }
    }
}

/// Whether the list of its organization is all that is looked at to find what was made.
fn is_sought_in_list(entry: &JournalEntry) -> bool {
    !entry.is_known() && entry.part.is_none() && entry.organization_id.is_some()
}

/// Removes one incomplete credential, or its entry where nothing was ever made.
pub(crate) async fn finish(
    engine: &Engine,
    id: &JournalId,
    search: Search,
    mandate: Mandate,
    budget: RequestBudget,
) -> Result<RolledBack, EngineError> {
    let journal = &engine.journal;
    let done = RolledBack::in_memory(true);
    let Some(mut entry) = journal.entry(id).await? else {
        return journal.remove(id).await.map(|()| done);
    };
    if entry.owner.takes_care() {
        journal.learn(id, &entry);
        return Ok(RolledBack::in_memory(false));
    }
    if let Some(completed) = engine.entry_of_managed_account(id, &entry).await? {
        return journal.write(id, &completed).await.map(|()| done);
    }
    // A request that failed at its very last write may have stored a live entry all the same; its
    // caller was told of the failure, so that nobody was given the credential.
    if entry.state != State::Pending && !journal.index().is_left(id) {
        journal.learn(id, &entry);
        return Ok(done);
    }
    // Where the configuration is elsewhere, nothing is asked there on its account.
    engine.connection.linked_to(&entry.origin).await?;
    let permit = permit(engine, id, mandate).await?;
    if let Some(Part::Token { .. }) = entry.part {
        let dead = forget_token(engine, id, &entry, mandate).await;
        return dead.map(RolledBack::in_memory);
    }
    let outcome = delete(engine, &entry, permit, search, budget).await;
    engine.note_undecidable(id, &outcome);
    let deletion = match outcome {
        Err(EngineError::Ambiguous {
            client_id,
            candidates,
        }) => {
            entry.mark_ambiguous(&candidates);
            journal.write(id, &entry).await?;
            return Err(EngineError::Ambiguous {
                client_id,
                candidates,
            });
        }
        outcome => outcome?,
    };
    if deletion == Deletion::Deleted {
        journal.remove(id).await?;
        journal.tally().rolled_back += 1;
        if entry.pending_deletion_since.is_some() {
            tracing::info!(
                journal_id = %id,
                role = entry.role,
                "deleted a credential that could not be deleted when its lease ended"
            );
        } else {
            tracing::info!(
                journal_id = %id,
                role = entry.role,
                "deleted an incomplete credential"
            );
        }
        return Ok(RolledBack {
            settled: true,
            asked: true,
        });
    }
    Ok(RolledBack {
        settled: proved_not_made(engine, id, &entry, mandate).await?,
        asked: !is_sought_in_list(&entry),
    })
}

impl Engine {
    /// Notes for `status` whether it could be decided which secret an entry is about.
    pub(crate) fn note_undecidable<T>(&self, id: &JournalId, outcome: &Result<T, EngineError>) {
        let key = keys::issued(id);
        match outcome {
            Err(EngineError::Ambiguous {
                client_id,
                candidates,
            }) => {
                let lost = Lost::Ambiguous(candidates.clone());
                self.ambiguous.note(&key, client_id, &lost);
            }
            Ok(_) => self.ambiguous.forget(&key),
            Err(_) => {}
        }
    }
}

/// Only who holds its text could revoke it, and nobody does: it counts until it is dead by itself.
async fn forget_token(
    engine: &Engine,
    id: &JournalId,
    entry: &JournalEntry,
    mandate: Mandate,
) -> Result<bool, EngineError> {
    let is_dead =
        engine.clock.now() >= entry.max_expire_time && mandate.permit(engine).await?.is_ok();
    if is_dead {
        engine.journal.remove(id).await?;
    } else {
        engine.journal.learn(id, entry);
    }
    Ok(is_dead)
}

/// Removes the entry, if that is proof enough that nothing was made.
async fn proved_not_made(
    engine: &Engine,
    id: &JournalId,
    entry: &JournalEntry,
    mandate: Mandate,
) -> Result<bool, EngineError> {
    let journal = &engine.journal;
    let is_old = engine.clock.now() - entry.issued_at > ISSUED_SHOWN_WITHIN;
    let looks = journal.index().record_not_found(id);
    let mut is_not_found = is_old && looks >= NOT_FOUND_LIMIT;
    if is_not_found {
        // Its age is told by the clock.
        is_not_found = mandate.permit(engine).await?.is_ok();
    }
    if is_not_found {
        journal.remove(id).await?;
        journal.tally().not_found += 1;
        tracing::info!(
            journal_id = %id,
            role = entry.role,
            "incomplete credential not found in Atlas; removing its journal entry"
        );
    }
    Ok(is_not_found)
}

/// Deletes in Atlas what was made of an entry.
async fn delete(
    engine: &Engine,
    entry: &JournalEntry,
    permit: Permit,
    search: Search,
    budget: RequestBudget,
) -> Result<Deletion, EngineError> {
    let linked = engine.connection.linked_to(&entry.origin).await?;
    if entry.pending_deletion_since.is_some() {
        ownership::require(&linked, &*engine.clock, budget).await?;
    }
    let mut outcome = Deletion::AlreadyGone;
    for made in find(&linked, entry, search, budget).await? {
        if remove(&linked, &made, permit, budget).await? == Deletion::Deleted {
            outcome = Deletion::Deleted;
        }
    }
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::engine::testing::TestMount;
    use crate::vault::Replication;

    const NOTHING: Vec<String> = Vec::new();

    fn refusal(operation: &str) -> Value {
        json!({
            "operation": operation, "count": 0,
            "action": {"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"},
        })
    }

    /// A crash is storage that takes no more, no way to undo, and a new process.
    async fn crash_after(mount: &mut TestMount, writes: usize) {
        for operation in ["deleteOrgApiKey", "deleteOrgServiceAccount"] {
            mount.atlas.fault(refusal(operation)).await;
        }
        mount.storage.fail_after(Some(writes));
        let _ = mount.read("creds/reader").await;
        mount.storage.fail_after(None);
        mount.atlas.no_more_faults().await;
        mount.restart().await;
    }

    #[tokio::test]
    async fn a_crash_at_any_write_of_an_issue_leaves_nothing() {
        for kind in ["programmatic_api_key", "service_account"] {
            for writes in 0..=3 {
                let mut mount = TestMount::with_role(json!({ "credential_type": kind })).await;
                crash_after(&mut mount, writes).await;
                mount.tick_for(13).await;
                assert_eq!(mount.atlas.credentials().await, NOTHING, "{kind} {writes}");
                assert_eq!(mount.journal_keys(), NOTHING, "{kind} {writes}");
            }
        }
    }

    #[tokio::test]
    async fn a_lost_answer_and_a_list_that_lags_leave_nothing() {
        let mut mount = TestMount::with_role(json!({})).await;
        let lag = json!({ "read_lag_after_create_seconds": 300 });
        mount.atlas.control("POST", "/settings", lag).await;
        mount
            .atlas
            .fault(json!({"operation": "createOrgApiKey", "action": {"kind": "lose_answer"}}))
            .await;
        mount.read("creds/reader").await.expect_err("no answer");
        assert_eq!(mount.atlas.credentials().await.len(), 1);
        mount.tick_for(2).await;
        assert_eq!(mount.journal_keys().len(), 1, "not listed yet is no proof");
        mount.restart().await;
        mount.tick_for(11).await;
        assert_eq!(mount.atlas.credentials().await, NOTHING);
        assert_eq!(mount.journal_keys(), NOTHING);
        assert_eq!(mount.figure("rollback", "deleted").await, 1);
    }

    #[tokio::test]
    async fn another_processes_work_is_left_alone_for_a_while() {
        let mut mount = TestMount::with_role(json!({})).await;
        mount.atlas.fault(refusal("createOrgAccessEntry")).await;
        crash_after(&mut mount, 2).await;
        mount.tick_for(2).await;
        assert_eq!(mount.atlas.credentials().await.len(), 1);
        mount.tick_for(2).await;
        assert_eq!(mount.atlas.credentials().await, NOTHING);
    }

    #[tokio::test]
    async fn a_standby_does_nothing_on_its_tick() {
        let mut mount = TestMount::with_role(json!({})).await;
        crash_after(&mut mount, 3).await;
        mount.system.set_replication(Replication(24_576));
        mount.storage.set_read_only(true);
        mount.atlas.forget_requests().await;
        mount.tick_for(20).await;
        assert_eq!(mount.atlas.operations().await, json!({}));
        assert_eq!(mount.atlas.credentials().await.len(), 1);
        mount.system.set_replication(Replication(8_224));
        mount.storage.set_read_only(false);
        mount.tick_for(1).await;
        assert_eq!(mount.atlas.credentials().await, NOTHING);
    }

    #[tokio::test]
    async fn a_stuck_entry_rests_and_does_not_keep_the_others() {
        let mount = TestMount::with_role(json!({})).await;
        let other_org = json!({
            "state": "pending", "role": "gone", "credential_type": "programmatic_api_key",
            "description": "vault-gone-0123456789abcdefghij",
            "organization_id": "0123456789abcdef01234567",
            "display_name": "", "entity_id": "",
            "issued_at": "2026-01-01T00:00:00Z", "max_expire_time": "2026-01-02T00:00:00Z",
        });
        for number in 10..40 {
            let key = format!("issued/0123456789abcdefgh{number}");
            mount.storage.plant(&key, other_org.to_string().as_bytes());
        }
        for operation in ["createOrgAccessEntry", "deleteOrgApiKey"] {
            mount.atlas.fault(refusal(operation)).await;
        }
        mount
            .read("creds/reader")
            .await
            .expect_err("no access list");
        mount.atlas.no_more_faults().await;
        mount.tick_for(15).await;
        assert_eq!(mount.atlas.credentials().await, NOTHING);
        assert_eq!(mount.journal_keys().len(), 30);
        assert_eq!(mount.figure("entries", "pending").await, 30);
        assert!(mount.figure("entries", "oldest_pending_age").await > 3_600);
        assert!(mount.figure("entries", "failing").await > 3);
        let status = TestMount::data(mount.read("status").await);
        let error = &status["journal"]["errors"][0];
        assert_eq!(error["during"], "rollback");
        assert!(error["error"].as_str().is_some_and(|text| !text.is_empty()));
    }

    #[tokio::test]
    async fn a_key_is_found_among_many() {
        let mut mount = TestMount::with_role(json!({})).await;
        let room = json!({ "max_api_keys_per_org": 1_000, "rate_limits": false });
        mount.atlas.control("POST", "/settings", room).await;
        for number in 0..600 {
            mount.atlas.plant_key(&format!("other {number}")).await;
        }
        crash_after(&mut mount, 2).await;
        assert_eq!(mount.atlas.credentials().await.len(), 601);
        mount.tick_for(4).await;
        assert_eq!(mount.atlas.credentials().await.len(), 600);
        assert_eq!(mount.journal_keys(), NOTHING);
    }

    #[tokio::test]
    async fn what_was_made_in_a_project_that_is_gone_is_found() {
        let mut mount = TestMount::configured().await;
        let id = mount.atlas.project(0).to_owned();
        let role =
            json!({ "project_id": id, "roles": "GROUP_READ_ONLY", "ip_addresses": "192.0.2.1" });
        mount.write("roles/reader", role).await.expect("a role");
        crash_after(&mut mount, 2).await;
        assert_eq!(mount.atlas.credentials().await.len(), 1);
        let path = format!("/projects/{id}");
        mount.atlas.control("DELETE", &path, Value::Null).await;
        mount.tick_for(13).await;
        assert_eq!(mount.atlas.credentials().await, NOTHING);
        assert_eq!(mount.journal_keys(), NOTHING);
    }

    #[tokio::test]
    async fn held_deletions_wait_for_the_operator() {
        let mut mount = TestMount::with_role(json!({})).await;
        mount
            .write("config", json!({ "hold": true }))
            .await
            .expect("held");
        crash_after(&mut mount, 2).await;
        mount.tick_for(20).await;
        assert_eq!(mount.atlas.credentials().await.len(), 1);
        let read = TestMount::data(mount.read("config").await);
        assert_eq!(read["hold"], true);
        let (_, lease) = mount.issue("reader").await;
        mount
            .revoke(&lease)
            .await
            .expect("revocations are not held");
        assert_eq!(mount.atlas.credentials().await.len(), 1);
        mount
            .write("config", json!({ "hold": false }))
            .await
            .expect("let go");
        let read = TestMount::data(mount.read("config").await);
        assert!(!read.contains_key("hold"));
        mount.tick_for(1).await;
        assert_eq!(mount.atlas.credentials().await, NOTHING);
    }

    #[tokio::test]
    async fn a_disabled_mount_does_not_wait() {
        let mut mount = TestMount::with_role(json!({})).await;
        crash_after(&mut mount, 3).await;
        mount.tick().await.expect("too early");
        assert_eq!(mount.atlas.credentials().await.len(), 1);
        mount.system.set_tainted(true);
        mount.tick().await.expect("a last tick");
        assert_eq!(mount.atlas.credentials().await, NOTHING);
        assert_eq!(mount.journal_keys(), NOTHING);
    }
}
