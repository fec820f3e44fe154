//! The end of a lease whose credential the configured one may not delete: a Project Owner can make a key
//! in its project and take it out again, but only an Organization Owner deletes it.
//!
//! Nothing of the kind is made here. It is for leases of the Go engine, which works with such a key, and
//! of configurations that were stored unseen.

use super::revoke::{internal, patience};
use crate::atlas::{Patience, ProjectId};
use crate::engine::Engine;
use crate::engine::connection::Linked;
use crate::engine::error::EngineError;
use crate::engine::journal::{JournalEntry, JournalId, Made, Stage};
use crate::engine::origin::BoundTo;
use crate::engine::ownership::{Rights, rights};
use crate::engine::roles::CredentialType;
use crate::framework::LeaseCall;

/// Takes the credential out of its project, as the Go engine does, once an entry in the journal shows
/// what is left and has it deleted by a credential that may. `refused`: why it was not deleted.
pub(super) async fn end_in_project(
    engine: &Engine,
    call: &LeaseCall,
    linked: &Linked,
    made: &Made,
    refused: EngineError,
) -> Result<(), EngineError> {
    let Some(project) = internal::<ProjectId>(call, "project_id")? else {
        return Err(refused);
    };
    let patience = patience(call);
    if rights(linked, &*engine.clock, patience).await? != Rights::MayNotDelete {
        return Err(refused);
    }
    let id = leave_in_journal(engine, call, &project, made).await?;
    take_out(linked, &project, made, patience).await?;
    tracing::warn!(
        journal_id = %id,
        %project,
        "the configured credential may not delete what a lease held: it was taken out of its project, \
         and is deleted once an Organization Owner is configured"
    );
    Ok(())
}

/// Writes, or changes, the entry by which the tick deletes it. The same one however often the host asks.
async fn leave_in_journal(
    engine: &Engine,
    call: &LeaseCall,
    project: &ProjectId,
    made: &Made,
) -> Result<JournalId, EngineError> {
    let (credential_type, in_atlas) = match made {
        Made::ServiceAccount(_, id) => (CredentialType::ServiceAccount, id.to_string()),
        Made::ApiKey(_, id) => (CredentialType::ProgrammaticApiKey, id.to_string()),
        Made::Secret(..) | Made::Token(_) => (CredentialType::ServiceAccount, String::new()),
    };
    let known = call.internal_text("journal_id").and_then(JournalId::parse);
    let id = known.unwrap_or_else(|| JournalId::of_go_lease(&in_atlas));
    let now = engine.clock.now();
    let entry = engine.journal.entry(&id).await?;
    let mut entry = match entry {
        Some(entry) => entry,
        None => JournalEntry {
            stage: Stage::Making,
            role: call.internal_text("role").unwrap_or_default().to_owned(),
            credential_type,
            description: String::new(),
            organization_id: None,
            project_id: Some(project.clone()),
            programmatic_api_key_id: None,
            public_key: None,
            client_id: None,
            part: None,
            config_organization_id: None,
            origin: BoundTo::of_lease(call)?,
            pending_deletion_since: None,
            display_name: String::new(),
            entity_id: String::new(),
            issued_at: call.secret.issue_time.unwrap_or(now),
            dies_by: now,
        },
    };
    entry.stage = Stage::Making;
    entry.pending_deletion_since.get_or_insert(now);
    entry.note(made);
    engine.journal.write(&id, &entry).await?;
    Ok(id)
}

async fn take_out(
    linked: &Linked,
    project: &ProjectId,
    made: &Made,
    patience: Patience,
) -> Result<(), EngineError> {
    let (atlas, what) = (&linked.atlas, format!("taking it out of project {project}"));
    let outcome = match made {
        Made::ApiKey(_, id) => {
            let gone = atlas.unassign_api_key_from_project(project, id, patience);
            gone.await
        }
        Made::ServiceAccount(_, id) => {
            let gone = atlas.remove_service_account_from_project(project, id, patience);
            gone.await
        }
        Made::Secret(..) | Made::Token(_) => return Ok(()),
    };
    match outcome {
        Err(error) if error.says_project_is_gone() => Ok(()),
        outcome => outcome
            .map(drop)
            .map_err(|error| EngineError::atlas(&what, error)),
    }
}
