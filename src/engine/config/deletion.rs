//! The end of the configuration.

use std::sync::Arc;

use super::draining::{self, DrainEnd};
use super::paths::load;
use super::{address, rotation, trust};
use crate::atlas::{Priority, RequestBudget};
use crate::base::Counted;
use crate::engine::entries::ConfigEntry;
use crate::engine::error::EngineError;
use crate::engine::journal::EndedBy;
use crate::engine::{Engine, keys};
use crate::framework::Call;
use crate::vault::Response;

/// Deletes the configuration, unless that would leave something in Atlas without anybody to remove it.
pub(super) async fn delete(
    engine: Arc<Engine>,
    call: Call,
) -> Result<Option<Response>, EngineError> {
    let _lock = engine.root.lock_first(call.caller.deadline).await?;
    engine.connection.origins().await?;
    if !call.fields.boolean("force").unwrap_or(false) {
        let live = engine.journal.live().await?;
        if live > 0 {
            return Err(EngineError::BadInput(format!(
                "{} issued here could not be revoked without a configuration: revoke their leases \
                 first, or give force=true; {}",
                Counted(live, "active credential"),
                go_leases(&call)
            )));
        }
        let kept = engine.journal.kept().await?;
        if kept > 0 {
            return Err(EngineError::BadInput(format!(
                "{}, managed for roles of access tokens, could not be deleted without a \
                 configuration: delete these roles and wait until their tokens have ended, or give \
                 force=true",
                Counted(kept, "service account")
            )));
        }
        let half_made = engine.journal.half_made().await?;
        if half_made > 0 {
            return Err(EngineError::BadInput(format!(
                "credentials that are being created, or incomplete and still to be deleted from \
                 Atlas, need the configuration, {half_made} of them: try again later (pending in \
                 status), or give force=true"
            )));
        }
        if let Some(entry) = load(&engine).await? {
            rotation::refuse_while_needed(&engine, &entry).await?;
        }
    }
    let budget = RequestBudget {
        deadline: call.caller.deadline,
        priority: Priority::Rotate,
    };
    let stored = load(&engine).await;
    let before = stored.as_ref().ok().cloned().flatten();
    let mut told = None;
    match stored {
        Ok(None) => return Ok(None),
        Ok(Some(before)) => {
            let nothing = ConfigEntry::default();
            address::remember_organization(&engine, &before, &nothing, false, budget).await?;
            trust::remember(&engine, &before, None).await?;
            told = rotation::leave_all(&engine, &before, EndedBy::of(&call)).await?;
        }
        // One that cannot be read is deleted all the same.
        Err(EngineError::Unreadable { .. }) => trust::forget(&engine).await?,
        Err(error) => return Err(error),
    }
    deleted(&engine, &call, before, told).await
}

async fn deleted(
    engine: &Engine,
    call: &Call,
    before: Option<ConfigEntry>,
    told: Option<String>,
) -> Result<Option<Response>, EngineError> {
    let deleted = engine.storage.delete(keys::CONFIG).await;
    engine.drain.changed();
    deleted?;
    engine.ambiguous.forget(keys::CONFIG);
    engine.connection.reset();
    let mut warnings = vec![go_leases(call)];
    warnings.extend(told);
    let drain = before.as_ref();
    warnings.extend(drain.and_then(|before| draining::ended(before, DrainEnd::Deletion)));
    Ok(Some(Response {
        warnings,
        ..Response::default()
    }))
}

/// What no journal tells.
pub(super) fn go_leases(call: &Call) -> String {
    format!(
        "leases that the Go engine issued on this mount are not counted, as they have no journal \
         entry: list them role by role under sys/leases/lookup/{}creds/",
        call.mount_point
    )
}
