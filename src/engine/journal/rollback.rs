//! Removal of what was left half-made: by us, and by the Go engine before us.
//!
//! An entry is written before the create is sent, and again with Atlas's id after. So whatever moment
//! a process ends at, the entry is there, and what Atlas made is found by its id or, where the answer
//! was lost, by its description, which no other key or account has. "Not found" is no proof while
//! Atlas's lists may lag, or while an older active node may still be at work: an entry goes without a
//! deletion only when it is old and Atlas had nothing of it twice.

use std::sync::Arc;

use chrono::TimeDelta;
use serde::Deserialize;

use super::entry::{JournalEntry, JournalId, Stage};
use crate::atlas::{ApiKeyId, Deletion, OrgId, Patience, ProjectId};
use crate::engine::Engine;
use crate::engine::creds::{find, remove};
use crate::engine::error::EngineError;
use crate::engine::roles::CredentialType;
use crate::framework::RollbackCall;

/// From when on "not found" counts. The create is sent within 85 s, Atlas's lists lag by up to two
/// minutes; the rest is for clocks that differ.
const LISTED_WITHIN: TimeDelta = TimeDelta::minutes(10);
/// Lists are no snapshot: while others are deleted, an item may slip from one page to the one before.
const VAIN_LOOKS: u32 = 2;

/// Removes one half-made credential, or its entry where nothing was ever made.
pub(super) async fn finish(
    engine: &Engine,
    id: &JournalId,
    patience: Patience,
) -> Result<(), EngineError> {
    let journal = &engine.journal;
    let Some(entry) = journal.entry(id).await? else {
        return journal.remove(id).await;
    };
    // A request that failed at its very last write may have stored a live entry all the same; its
    // caller was told of the failure, so that the credential is in nobody's hands.
    if entry.stage == Stage::Live && !journal.index().is_left(id) {
        journal.learn(id, &entry);
        return Ok(());
    }
    if delete(engine, &entry, patience).await? {
        journal.remove(id).await?;
        journal.tally().rolled_back += 1;
        tracing::info!(journal_id = %id, role = entry.role, "a half-made credential was removed");
        return Ok(());
    }
    let is_old = engine.clock.now() - entry.issued_at > LISTED_WITHIN;
    let looks = journal.index().looked_in_vain(id);
    if is_old && looks >= VAIN_LOOKS {
        journal.remove(id).await?;
        journal.tally().never_made += 1;
        tracing::info!(
            journal_id = %id,
            role = entry.role,
            "of a half-made credential there is nothing in Atlas"
        );
    }
    Ok(())
}

/// False: Atlas had nothing to delete.
async fn delete(
    engine: &Engine,
    entry: &JournalEntry,
    patience: Patience,
) -> Result<bool, EngineError> {
    let linked = engine.connection.linked().await?;
    let mut deleted = false;
    for made in find(&linked, entry, patience).await? {
        deleted |= remove(&linked, &made, patience).await? == Deletion::Deleted;
    }
    Ok(deleted)
}

/// The kind of the Go engine's write-ahead log entries.
pub(crate) const GO_WAL_KIND: &str = "programmatic_api_key";

/// What the Go engine wrote; most entries hold only `Role`, which is the key's description.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct GoEntry {
    role: String,
    #[serde(rename = "ProjectID")]
    project_id: String,
    #[serde(rename = "OrganizationID")]
    organization_id: String,
    #[serde(rename = "ProgrammaticAPIKeyID")]
    api_key_id: String,
}

/// Takes an entry that the Go engine left in its write-ahead log over into the journal, from where it
/// is rolled back like any other: with pauses, shown in `status`, and held when deletions are.
///
/// The Go engine removed such an entry before it answered, so that no lease belongs to it.
pub(crate) async fn take_over_go_entry(
    engine: Arc<Engine>,
    call: RollbackCall,
) -> Result<(), EngineError> {
    let unreadable = |error| EngineError::unreadable(&format!("wal/{}", call.entry.id), &error);
    let go: GoEntry = serde_json::from_value(call.entry.data.clone()).map_err(unreadable)?;
    let entry = JournalEntry {
        stage: Stage::Making,
        role: String::new(),
        credential_type: CredentialType::ProgrammaticApiKey,
        description: go.role,
        organization_id: go.organization_id.parse::<OrgId>().ok(),
        project_id: go.project_id.parse::<ProjectId>().ok(),
        programmatic_api_key_id: go.api_key_id.parse::<ApiKeyId>().ok(),
        public_key: None,
        client_id: None,
        display_name: String::new(),
        entity_id: String::new(),
        issued_at: call.entry.created_at,
        dies_by: call.entry.created_at,
    };
    // A description of another form is none that the Go engine drew: a key of a person could have it.
    if JournalId::of_description(&entry.description).is_none() && entry.made().is_none() {
        tracing::warn!(
            id = call.entry.id,
            description = entry.description,
            "a write-ahead log entry names no key that could be found for certain; it is dropped"
        );
        return Ok(());
    }
    let id = JournalId::of_go_entry(&call.entry.id);
    engine.journal.write(&id, &entry).await
}
