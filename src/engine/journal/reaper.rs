//! Deletion of credentials that outlived their last possible expiry: leases that were force-revoked,
//! given up by the host, or lost on the way to it.
//!
//! `dies_by` is an upper bound: a renewal moves it in storage before the host learns that the lease
//! goes on. What is due by memory is therefore read from storage once more before it is deleted.
//! Service accounts whose secret has died by itself are deleted too: they count against Atlas's limit.

use chrono::TimeDelta;

use super::entry::{JournalId, Stage};
use super::index::REAPED_AFTER;
use crate::atlas::{Deletion, Patience};
use crate::engine::Engine;
use crate::engine::creds::{find, remove};
use crate::engine::error::EngineError;

/// The reaper waits so long after a start: the host then revokes what became due meanwhile and tries
/// again for up to 11.5 minutes; and after a restore an operator has time to hold deletions.
const STARTS_AFTER: TimeDelta = TimeDelta::minutes(15);

/// Entries whose turn it is. `urgent`: this is the journal's last tick.
pub(super) fn due(engine: &Engine, urgent: bool) -> Vec<JournalId> {
    let now = engine.clock.now();
    if !urgent && now - engine.journal.since < STARTS_AFTER {
        return Vec::new();
    }
    engine.journal.index().outlived(now)
}

/// Deletes one credential that outlived its lease.
pub(super) async fn finish(
    engine: &Engine,
    id: &JournalId,
    patience: Patience,
) -> Result<(), EngineError> {
    let journal = &engine.journal;
    let Some(entry) = journal.entry(id).await? else {
        return journal.remove(id).await;
    };
    if entry.stage != Stage::Live || engine.clock.now() - entry.dies_by <= REAPED_AFTER {
        journal.learn(id, &entry);
        return Ok(());
    }
    let linked = engine.connection.linked().await?;
    let mut deleted = false;
    for made in find(&linked, &entry, patience).await? {
        deleted |= remove(&linked, &made, patience).await? == Deletion::Deleted;
    }
    journal.remove(id).await?;
    if deleted {
        journal.tally().reaped += 1;
        tracing::info!(
            journal_id = %id,
            role = entry.role,
            "a credential that outlived its lease was deleted"
        );
    } else {
        journal.tally().found_gone += 1;
    }
    Ok(())
}
