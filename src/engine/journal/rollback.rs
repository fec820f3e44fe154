//! The minute's look at what was left half-made: by us, and by the Go engine before us.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;

use super::entry::{JournalEntry, JournalId, Part, Stage};
use crate::atlas::{ApiKeyId, OrgId, Patience, Priority, ProjectId};
use crate::engine::Engine;
use crate::engine::creds::{find, is_kept, remove};
use crate::engine::error::EngineError;
use crate::engine::roles::CredentialType;
use crate::framework::RollbackCall;

/// A request gives up within 85 s and cleans up for 30 s at most. What is still half-made after
/// this belongs to a process, or an active node, that is no more.
const LEFT_BEHIND_AFTER: TimeDelta = TimeDelta::minutes(3);

/// Atlas's lists may lag behind a create. What is not listed this long after was never made.
const LISTED_WITHIN: TimeDelta = TimeDelta::minutes(5);

/// Work of one tick: the next comes in a minute.
const MAX_ENTRIES: usize = 25;
const TICK_PATIENCE: Duration = Duration::from_secs(45);

/// Removes what was left half-made. One failure does not keep the others from their turn.
pub(crate) async fn roll_back(engine: &Engine) -> Result<(), EngineError> {
    let now = engine.clock.now();
    let due = engine.journal.half_made(now - LEFT_BEHIND_AFTER).await?;
    if due.is_empty() {
        return Ok(());
    }
    let patience = Patience::within(TICK_PATIENCE, Priority::Background);
    let mut first_failure = None;
    for id in due.into_iter().take(MAX_ENTRIES) {
        if let Err(error) = finish(engine, &id, patience, now).await {
            tracing::warn!(
                journal_id = %id,
                error = %crate::vault::failure::chain(&error),
                "a half-made credential is still to be removed"
            );
            first_failure.get_or_insert(error);
        }
    }
    first_failure.map_or(Ok(()), Err)
}

/// Takes away what a half-made entry tells of. False: it may be there but is not listed yet.
pub(crate) async fn finish(
    engine: &Engine,
    id: &JournalId,
    patience: Patience,
    now: DateTime<Utc>,
) -> Result<bool, EngineError> {
    let Some(mut entry) = engine.journal.entry(id).await? else {
        engine.journal.remove(id).await?;
        return Ok(true);
    };
    if entry.stage != Stage::Making {
        return Ok(true);
    }
    if is_kept(engine, id, &entry).await? {
        entry.stage = Stage::Kept;
        engine.journal.write(id, &entry).await?;
        return Ok(true);
    }
    let settled = take_away(engine, &entry, patience, now).await?;
    if settled {
        tracing::info!(journal_id = %id, role = entry.role, "a half-made credential was removed");
        engine.journal.remove(id).await?;
    }
    Ok(settled)
}

/// False: nothing is listed, which does not prove anything yet.
async fn take_away(
    engine: &Engine,
    entry: &JournalEntry,
    patience: Patience,
    now: DateTime<Utc>,
) -> Result<bool, EngineError> {
    if let Some(Part::Token { .. }) = entry.part {
        return Ok(now >= entry.dies_by);
    }
    let linked = engine.connection.linked().await?;
    let found = find(&linked, entry, patience).await?;
    for made in &found {
        remove(&linked, made, patience).await?;
    }
    Ok(!found.is_empty() || now - entry.issued_at > LISTED_WITHIN)
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

/// Finishes an entry that the Go engine left in its write-ahead log: the key it may have made is
/// removed.
pub(crate) async fn finish_go_entry(
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
        part: None,
        display_name: String::new(),
        entity_id: String::new(),
        issued_at: call.entry.created_at,
        dies_by: call.entry.created_at,
    };
    if entry.description.is_empty() && !entry.is_known() {
        tracing::warn!(
            id = call.entry.id,
            "a write-ahead log entry names nothing; it is dropped"
        );
        return Ok(());
    }
    let patience = Patience {
        deadline: call.caller.deadline,
        priority: Priority::Background,
    };
    if take_away(&engine, &entry, patience, engine.clock.now()).await? {
        Ok(())
    } else {
        Err(EngineError::NotListedYet)
    }
}
