//! Deletion of credentials that outlived their last possible expiry: leases that were force-revoked,
//! given up by the host, or lost on the way to it.
//!
//! `max_expire_time` is an upper bound: a renewal moves it in storage before the host learns that the lease
//! goes on. What is due by memory is therefore read from storage once more before it is deleted.
//! Accounts that are kept for roles stay as long as the role's entry names them.
//! Service accounts whose secret has died by itself are deleted too: they count against Atlas's limit.

use std::time::Duration;

use super::entry::{Part, State};
use super::find::find;
use super::index::REAPED_AFTER;
use super::rollback::permitted;
use crate::atlas::{Deletion, RequestBudget};
use crate::engine::connection::Search;
use crate::engine::entries::ConfigEntry;
use crate::engine::error::EngineError;
use crate::engine::names::JournalId;
use crate::engine::resource::remove;
use crate::engine::unasked::Mandate;
use crate::engine::{Engine, keys, stored};

/// The reaper waits so long after a start: the host then revokes what became due meanwhile and tries
/// again for up to 11.5 minutes; and after a restore an operator has time to hold deletions.
const STARTS_AFTER: Duration = Duration::from_mins(15);

/// Entries whose turn it is. `urgent`: this is the journal's last periodic run.
pub(super) fn due(engine: &Engine, urgent: bool) -> Vec<JournalId> {
    let (now, monotonic) = (engine.clock.now(), engine.clock.monotonic());
    if !urgent && monotonic.saturating_sub(engine.journal.since) < STARTS_AFTER {
        return Vec::new();
    }
    engine.journal.index().outlived(now, monotonic)
}

/// Deletes one credential that outlived its lease.
pub(super) async fn finish(
    engine: &Engine,
    id: &JournalId,
    search: Search,
    mandate: Mandate,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let journal = &engine.journal;
    let Some(entry) = journal.entry(id).await? else {
        return journal.remove(id).await;
    };
    let is_others = entry.state == State::Pending || entry.owner.takes_care();
    if is_others || engine.clock.now() - entry.max_expire_time <= REAPED_AFTER {
        journal.learn(id, &entry);
        return Ok(());
    }
    // Of what was ended nothing is left in Atlas. By a clock that is ahead its lease may live.
    if entry.state == State::Ended {
        if may_forget(engine, mandate, id).await? {
            return journal.remove(id).await;
        }
        return Ok(());
    }
    // Its role's minute looks after it.
    if engine.entry_of_managed_account(id, &entry).await?.is_some() {
        return Ok(());
    }
    // Also where only the entry goes: it shows which secrets and accounts are in use.
    let linked = engine.connection.linked_to(&entry.origin).await?;
    let permit = permitted(mandate.permit(engine).await?, id)?;
    // Long dead by itself, and Atlas keeps nothing of it.
    if let Some(Part::Token { .. }) = entry.part {
        return journal.remove(id).await;
    }
    let mut deleted = false;
    for made in find(&linked, &entry, search, budget).await? {
        deleted |= remove(&linked, &made, permit, budget).await? == Deletion::Deleted;
    }
    journal.remove(id).await?;
    if deleted {
        journal.tally().reaped += 1;
        tracing::info!(
            journal_id = %id,
            role = entry.role,
            "deleted a credential that outlived its lease"
        );
    } else {
        journal.tally().already_deleted += 1;
    }
    Ok(())
}

/// Whether the clock may say that the lease of what was ended is over. Without a configuration Atlas never
/// confirms one: there it is enough that it was not set.
async fn may_forget(
    engine: &Engine,
    mandate: Mandate,
    id: &JournalId,
) -> Result<bool, EngineError> {
    let config: Option<ConfigEntry> = stored::load(&*engine.storage, keys::CONFIG).await?;
    if config.is_none() {
        return Ok(mandate == Mandate::Ordered || !engine.doubts_clock().await);
    }
    permitted(mandate.permit(engine).await?, id).map(|_| true)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    use crate::engine::testing::TestMount;

    const HOUR: Duration = Duration::from_hours(1);

    async fn is_alive(mount: &TestMount) -> bool {
        let alive = !mount.atlas.credentials().await.is_empty();
        assert_eq!(alive, !mount.journal_keys().is_empty());
        alive
    }

    /// The lease is lost or was force-revoked: nobody revokes it.
    #[tokio::test]
    async fn what_outlives_its_lease_is_deleted_an_hour_later_and_not_before() {
        for kind in ["programmatic_api_key", "service_account"] {
            let role = json!({ "credential_type": kind, "max_ttl": "8h" });
            let mount = TestMount::with_role(role).await;
            mount.issue("reader").await;
            mount.advance(Duration::from_mins(9 * 60 - 2)).await;
            mount.tick_for(1).await;
            assert!(is_alive(&mount).await, "{kind}");
            assert_eq!(mount.figure("entries", "due").await, 0);
            mount.tick_for(2).await;
            assert!(!is_alive(&mount).await, "{kind}");
            assert_eq!(mount.figure("reaper", "deleted").await, 1);
        }
    }

    #[tokio::test]
    async fn a_renewal_puts_the_end_off() {
        let mount = TestMount::with_role(json!({ "max_ttl": "2h" })).await;
        let (_, mut lease) = mount.issue("reader").await;
        lease.issue_time = Some(mount.now());
        mount.write_reader(json!({ "max_ttl": "4h" })).await;
        mount.renew(&lease).await.expect("renewed");
        mount.advance(Duration::from_mins(5 * 60 - 1)).await;
        mount.tick().await.expect("a tick");
        assert!(is_alive(&mount).await);
        mount.tick_for(2).await;
        assert!(!is_alive(&mount).await);
    }

    #[tokio::test]
    async fn storage_knows_better_than_memory() {
        let mount = TestMount::with_role(json!({ "max_ttl": "1h" })).await;
        mount.issue("reader").await;
        mount.advance(HOUR * 3).await;
        let [key] = mount.journal_keys().try_into().expect("one entry");
        let stored = mount.storage.value(&key);
        let mut entry: serde_json::Value = serde_json::from_slice(&stored).expect("JSON");
        entry["max_expire_time"] = json!(mount.now() + HOUR);
        mount.storage.plant(&key, entry.to_string().as_bytes());
        mount.tick().await.expect("a tick");
        assert!(is_alive(&mount).await);
        assert_eq!(mount.figure("entries", "due").await, 0);
    }

    #[tokio::test]
    async fn the_host_goes_first_after_a_start() {
        let mut mount = TestMount::with_role(json!({ "max_ttl": "1h" })).await;
        mount.issue("reader").await;
        mount.advance(HOUR * 9).await;
        mount.restart().await;
        mount.tick_for(14).await;
        assert!(is_alive(&mount).await);
        assert_eq!(mount.figure("entries", "due").await, 1);
        mount.tick_for(1).await;
        assert!(!is_alive(&mount).await);
    }

    #[tokio::test]
    async fn held_deletions_hold_the_reaper() {
        let mount = TestMount::with_role(json!({ "max_ttl": "1h" })).await;
        mount.issue("reader").await;
        let hold = json!({ "hold": true });
        mount.write("config", hold).await.expect("held");
        mount.advance(HOUR * 9).await;
        mount.tick_for(2).await;
        assert!(is_alive(&mount).await);
    }

    #[tokio::test]
    async fn an_outage_is_waited_out_with_pauses() {
        let mount = TestMount::with_role(json!({ "max_ttl": "1h" })).await;
        for _ in 0..2 {
            mount.issue("reader").await;
        }
        mount.advance(HOUR * 3).await;
        let refusal = json!({
            "operation": "deleteOrgApiKey", "count": 0,
            "action": {"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"},
        });
        mount.atlas.fault(refusal).await;
        mount.atlas.forget_requests().await;
        mount.tick_for(8).await;
        // Tried after 0, 1, 3 and 7 minutes.
        let operations = mount.atlas.operations().await;
        assert_eq!(operations["deleteOrgApiKey"], 8);
        assert_eq!(mount.figure("entries", "max_failures").await, 4);
        mount.atlas.no_more_faults().await;
        mount.tick_for(8).await;
        assert!(!is_alive(&mount).await);
    }

    #[tokio::test]
    async fn a_credential_that_is_gone_leaves_the_journal() {
        let mount = TestMount::with_role(json!({ "max_ttl": "1h" })).await;
        mount.issue("reader").await;
        mount.atlas.forget_credentials().await;
        mount.advance(HOUR * 3).await;
        mount.tick().await.expect("a tick");
        assert!(!is_alive(&mount).await);
        assert_eq!(mount.figure("reaper", "already_deleted").await, 1);
        assert_eq!(mount.figure("reaper", "deleted").await, 0);
    }
}
