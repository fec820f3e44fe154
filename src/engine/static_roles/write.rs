//! A write to a static role: a new one is adopted, a present one is changed.

use std::sync::Arc;

use super::adopt;
use super::entry::StaticRoleEntry;
use super::input::Input;
use super::record::RoleRecord;
use crate::atlas::{Priority, RequestBudget};
use crate::engine::account_use::{User, refuse_shared};
use crate::engine::error::EngineError;
use crate::engine::rotation::Record as _;
use crate::engine::rotation_state::Retiring;
use crate::engine::waiters::{Awaited, Crowd};
use crate::engine::{Engine, keys, stored};
use crate::framework::{Call, Faults};
use crate::vault::Response;

/// The role of a request, lower-cased like all names of roles.
pub(super) fn name(call: &Call) -> String {
    call.fields.captured("name").to_ascii_lowercase()
}

/// A stored static role.
pub(super) async fn load(
    engine: &Engine,
    name: &str,
) -> Result<Option<StaticRoleEntry>, EngineError> {
    stored::load(&*engine.storage, &keys::static_role(name)).await
}

/// Creates or changes a static role.
pub(super) async fn write(
    engine: Arc<Engine>,
    call: Call,
) -> Result<Option<Response>, EngineError> {
    let name = name(&call);
    let now = engine.clock.now();
    let mut faults = Faults::new();
    let roles = &engine.static_roles;
    let awaited = Awaited::StaticRole(name.clone());
    let _waiter = engine.waiters.enter(Crowd::Operators, [awaited])?;
    let _turn_of_name = roles.lock_name(&name, call.caller.deadline).await?;
    let stored = load(&engine, &name).await?;
    let input = Input::read(&call.fields, stored.as_ref(), now, &mut faults);
    let Some(input) = input.filter(|_| faults.is_empty()) else {
        return Err(EngineError::BadInput(faults.to_string()));
    };
    let budget = RequestBudget {
        deadline: call.caller.deadline,
        priority: Priority::Rotate,
    };
    let awaited = Awaited::Account(input.client_id.clone());
    let _waiter_of_account = engine.waiters.enter(Crowd::Operators, [awaited])?;
    let _lock = engine
        .lock_account(&input.client_id, budget.deadline)
        .await?;
    // It may have been rotated while this request waited for the account's turn.
    match load(&engine, &name).await? {
        Some(entry) if entry.client_id == input.client_id => {
            let mut record = RoleRecord {
                engine: Arc::clone(&engine),
                name,
                entry,
            };
            change(&mut record, input, budget).await?;
            let warnings = super::summary::warnings(&record.engine, &record.entry, now).await;
            Ok(answer(warnings))
        }
        Some(_) => Err(EngineError::BadInput(
            "client_id: cannot be changed: delete the static role and write another".to_owned(),
        )),
        None => {
            refuse_shared(&engine, &input.client_id, User::StaticRole(&name)).await?;
            let warnings = adopt::adopt(engine, name, input, budget).await?;
            Ok(answer(warnings))
        }
    }
}

fn answer(warnings: Vec<String>) -> Option<Response> {
    (!warnings.is_empty()).then(|| Response {
        warnings,
        ..Response::default()
    })
}

/// Changes a present role. What is new about its account is proved in Atlas first.
async fn change(
    record: &mut RoleRecord,
    input: Input,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let now = record.engine.clock.now();
    let new_account = input
        .level
        .as_ref()
        .is_some_and(|level| *level != record.entry.level())
        || input.client_secret.is_some()
        || input.options.rotation_mode != record.entry.options.rotation_mode;
    let new_timing = input.timing != record.entry.rotation.timing;
    if new_account {
        let found = adopt::find(&record.engine, &input, Some(&record.entry), budget).await?;
        if let Some(given) = found.current {
            replace_manually(record, given, now);
        }
        record.entry.organization_id = found.organization_id;
        record.entry.project_id = found.project_id;
        record.entry.origin = found.origin;
        record.entry.rotation.failure = None;
    } else {
        adopt::check_lifetime(record, &input, budget).await?;
    }
    record.entry.options = input.options;
    record.look_sooner();
    if new_timing {
        record.entry.rotation.timing = input.timing;
        record.plan_anew(now);
    }
    record.store().await?;
    record.note();
    Ok(())
}

/// A secret that a person gives takes the place of the present one.
fn replace_manually(
    record: &mut RoleRecord,
    given: crate::engine::rotation_state::ClientSecret,
    now: chrono::DateTime<chrono::Utc>,
) {
    record.entry.lost = None;
    let replaced = record.entry.current.replace(given);
    let id = record
        .entry
        .current
        .as_ref()
        .and_then(|held| held.id.clone());
    let look_at = now + record.overlap();
    let retiring = &mut record.entry.others.retiring;
    retiring.retain(|each| Some(&each.id) != id.as_ref());
    if let Some(old) = replaced.and_then(|held| held.id)
        && Some(&old) != id.as_ref()
    {
        retiring.push(Retiring {
            id: old,
            since: now,
            look_at,
            in_use: false,
            failures: 0,
        });
    }
}
