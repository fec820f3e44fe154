//! Handlers of `apply` and `rollback`.

use std::sync::Arc;

use serde_json::Value;

use super::answer::answer;
use super::apply::ApplyRequest;
use super::entry::{Accepted, AzureEntry};
use super::note::note;
use super::paths::{budget, load, lock, project, store};
use super::plan::{Standing, other_directory};
use super::private::Proofs;
use super::unseen::Ordered;
use super::{apply, rollback};
use crate::engine::Engine;
use crate::engine::error::{EncryptionError, EngineError};
use crate::framework::{Call, Faults};
use crate::vault::Response;

/// Changes a project over, or tells what that would be.
pub(super) async fn change_over(
    engine: Arc<Engine>,
    call: Call,
) -> Result<Option<Response>, EngineError> {
    let project = project(&call)?;
    let mut faults = Faults::new();
    let request = ApplyRequest::read(&call.fields, &mut faults);
    if !faults.is_empty() {
        return Err(EngineError::BadInput(faults.to_string()));
    }
    let _lock = lock(&engine, &project, &call).await?;
    let entry = load(&engine, &project).await?;
    let mut entry = entry.ok_or(EncryptionError::NotRegistered)?;
    let linked = engine.connection.linked_to(&entry.origin).await?;
    let (atlas, budget) = (&linked.atlas.until(&call.caller.gone), budget(&call));
    if !call.fields.boolean("dry_run").unwrap_or(false) {
        let applied = apply::apply(&engine, atlas, &project, &mut entry, &request, budget).await;
        applied.map_err(|error| error.in_project(&project))?;
        let mut answer = answer(&entry, engine.clock.now());
        answer.warnings.extend(doubts(&entry, &request));
        return Ok(Some(answer));
    }
    let standing = Standing::ask(atlas, &project, budget).await;
    let standing = standing.map_err(|error| error.in_project(&project))?;
    let proved_by = match (standing.key(request.enable.as_ref()), &entry.principal) {
        (Some(key), Some(principal)) if standing.is_private() => {
            let proofs = Proofs::read(&engine).await?;
            proofs.of(&project, &key, principal).cloned()
        }
        _ => None,
    };
    let plan = standing.plan(&entry, &project, &request, proved_by.as_ref());
    let warnings = standing.warnings(&entry, &request);
    note(
        &mut entry,
        &project,
        standing.vault.as_ref(),
        engine.clock.now(),
    );
    store(&engine, &project, &entry).await?;
    let Value::Object(plan) = plan else {
        return Ok(None);
    };
    Ok(Some(Response {
        warnings,
        ..Response::data(plan)
    }))
}

/// What may keep a change that was ordered from working, as long as it was not seen to work.
fn doubts(entry: &AzureEntry, request: &ApplyRequest) -> Vec<String> {
    if entry.seen.as_ref().and_then(|seen| seen.valid) == Some(true) {
        return Vec::new();
    }
    let before = entry.before.as_ref();
    let directory = other_directory(before.and_then(|before| before.tenant_id.as_ref()), entry);
    directory.into_iter().chain(request.warning()).collect()
}

/// Changes a project back to the static secret in keeping.
pub(super) async fn change_back(
    engine: Arc<Engine>,
    call: Call,
) -> Result<Option<Response>, EngineError> {
    let project = project(&call)?;
    let _lock = lock(&engine, &project, &call).await?;
    let entry = load(&engine, &project).await?;
    let mut entry = entry.ok_or(EncryptionError::NoSecretInKeeping)?;
    let linked = engine.connection.linked_to(&entry.origin).await?;
    let (atlas, budget) = (&linked.atlas.until(&call.caller.gone), budget(&call));
    let flag = |name| call.fields.boolean(name).unwrap_or(false);
    let accepted = Accepted {
        unvalidated: flag("accept_unvalidated"),
        no_way_back: flag("accept_no_way_back"),
    };
    let accepts = accepted.is_both();
    let ordered = Ordered::Now;
    let back = rollback::roll_back(
        &engine, atlas, &project, &mut entry, ordered, accepts, budget,
    );
    back.await.map_err(|error| error.in_project(&project))?;
    Ok(Some(answer(&entry, engine.clock.now())))
}
