//! The end of a static role. The account and its present secret stay as they are; what the engine
//! itself still has to remove is removed by the periodic run.

use std::sync::Arc;

use super::entry::StaticRoleEntry;
use super::record::RoleRecord;
use super::write::{load, name};
use crate::engine::Engine;
use crate::engine::error::EngineError;
use crate::engine::journal::{EndedBy, Leaving, Owner};
use crate::engine::rotation_state::LeftSecrets;
use crate::framework::Call;
use crate::vault::Response;

/// Deletes a static role.
///
/// What is left to be removed is written to the journal first. Were the second step to fail, the role is
/// there as before, and the journal's entry does not count beside it.
pub(super) async fn delete(
    engine: Arc<Engine>,
    call: Call,
) -> Result<Option<Response>, EngineError> {
    let name = name(&call);
    let deadline = call.caller.deadline;
    let _turn_of_name = engine.static_roles.lock_name_first(&name, deadline).await?;
    let Some(entry) = load(&engine, &name).await? else {
        return Ok(None);
    };
    let client_id = entry.client_id;
    let _lock = engine.lock_account_first(&client_id, deadline).await?;
    let Some(entry) = load(&engine, &name).await? else {
        return Ok(None);
    };
    let mut warnings = vec![format!(
        "the service account {client_id} and its present secret were left as they are"
    )];
    if entry.others.is_done() {
        // What an earlier attempt has left is older than this entry.
        engine.journal.forget_left_secrets(&client_id).await?;
    } else {
        leave(&engine, &name, entry.clone(), EndedBy::of(&call)).await?;
        warnings.push(
            "an earlier secret of the account is kept for its users and is deleted \
             when its time is over"
                .to_owned(),
        );
    }
    let record = RoleRecord {
        engine: Arc::clone(&engine),
        name,
        entry,
    };
    engine.rate_waits.forget(&record.work());
    record.erase().await?;
    engine.static_roles.drop(&client_id);
    Ok(Some(Response {
        warnings,
        ..Response::default()
    }))
}

/// Notes in the journal what a static role has left that was deleted by an earlier version, if there is
/// anything to do about it. Nobody knows any more who deleted it.
pub(crate) async fn note_left(
    engine: &Engine,
    name: &str,
    entry: StaticRoleEntry,
) -> Result<(), EngineError> {
    if entry.others.is_done() {
        return Ok(());
    }
    let by = EndedBy {
        display_name: String::new(),
        entity_id: String::new(),
    };
    leave(engine, name, entry, by).await
}

/// Notes in the journal what a role leaves at its account.
async fn leave(
    engine: &Engine,
    name: &str,
    entry: StaticRoleEntry,
    by: EndedBy,
) -> Result<(), EngineError> {
    let now = engine.clock.now();
    let overlap = entry.options.overlap;
    let leaving = Leaving {
        owner: Owner::StaticRole {
            name: name.to_owned(),
        },
        secrets: LeftSecrets {
            project_id: entry.project_id,
            rotation_mode: entry.options.rotation_mode,
            ..LeftSecrets::of(entry.client_id, entry.others, overlap, now)
        },
        organization_id: entry.organization_id,
        origin: entry.origin,
        present: entry.current,
        by,
        at: now,
    };
    engine.journal.leave_secrets(leaving).await
}
