//! `rotate-role/<name>`: a rotation that somebody asks for.

use std::sync::Arc;

use super::record::RoleRecord;
use super::write::{load, name};
use super::{summary, work};
use crate::atlas::{Priority, RequestBudget};
use crate::engine::Engine;
use crate::engine::error::EngineError;
use crate::engine::rotation_state::refuse_too_soon;
use crate::engine::unasked::Mandate;
use crate::engine::waiters::{Awaited, Crowd};
use crate::framework::Call;
use crate::vault::Response;

/// Rotates a static role now.
pub(super) async fn rotate(
    engine: Arc<Engine>,
    call: Call,
) -> Result<Option<Response>, EngineError> {
    let name = name(&call);
    let unknown = || EngineError::NoSuchStaticRole(name.clone());
    let client_id = load(&engine, &name).await?.ok_or_else(unknown)?.client_id;
    let deadline = call.caller.deadline;
    let awaited = Awaited::Account(client_id.clone());
    let _waiter = engine.waiters.enter(Crowd::Operators, [awaited])?;
    let _lock = engine.lock_account(&client_id, deadline).await?;
    let entry = load(&engine, &name).await?;
    let entry = entry
        .filter(|entry| entry.client_id == client_id)
        .ok_or_else(unknown)?;
    let force = call.fields.boolean("force").unwrap_or(false);
    let now = engine.clock.now();
    refuse_too_soon(entry.rotation.last, now, force)?;
    let mut record = RoleRecord {
        engine: Arc::clone(&engine),
        name,
        entry,
    };
    let budget = RequestBudget {
        deadline,
        priority: Priority::Rotate,
    };
    let outcome = work::rotate(&mut record, Mandate::Ordered, budget, force).await;
    record.note();
    outcome?;
    let warnings = summary::warnings(&engine, &record.entry, now).await;
    Ok(Some(Response {
        warnings,
        ..Response::data(summary::rotated(&record.entry))
    }))
}
