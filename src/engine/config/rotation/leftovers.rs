//! What is still to be done in Atlas with a credential when another one is written, or when the
//! configuration is deleted.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use super::left_secrets::Noted;
use super::record::RootRecord;
use super::{left, left_secrets};
use crate::atlas::{ClientId, Hours, RequestBudget};
use crate::base::Rfc3339;
use crate::engine::connection::ConfiguredClient;
use crate::engine::entries::ConfigEntry;
use crate::engine::error::EngineError;
use crate::engine::journal::{EndedBy, Owner};
use crate::engine::rotation::{Record as _, RotationContext, discard_pending, retire};
use crate::engine::rotation_state::{OtherSecrets, Retiring};
use crate::engine::unasked::Mandate;
use crate::engine::{Engine, keys};
use crate::vault::failure::chain;

/// The credential that is being written is worth more than what the last one has left.
const BUDGET: Duration = Duration::from_secs(10);
/// So many names are told; how many there are is told in any case.
const MOST_NAMED: usize = 10;

/// Another credential takes the place of the one in `before`: what its rotations have left among the
/// secrets of its account is removed, with either credential. What could not be removed is left to the
/// journal, and told. A new secret of the same account takes over what is to be removed, and so does an
/// account that signed in before of what it was left with.
pub(in crate::engine::config) async fn settle_former(
    engine: &Arc<Engine>,
    before: &ConfigEntry,
    entry: &mut ConfigEntry,
    new: &ConfiguredClient,
    by: EndedBy,
    budget: RequestBudget,
) -> Result<Vec<String>, EngineError> {
    let mut warnings = Vec::new();
    if let Some(client_id) = &entry.client_id {
        let taken = left_secrets::taken_over(engine, client_id, new).await?;
        warnings.extend(warning_of_lost(&taken, entry));
        entry.rotation.others.retiring.extend(taken.retiring);
    }
    let others = &before.rotation.others;
    if others.is_done() {
        return Ok(warnings);
    }
    if before.client_id == entry.client_id && new.serves(&before.origin) {
        let carried = carried_over(others, engine.clock.now());
        entry.rotation.others.retiring.extend(carried);
        warnings.extend(warning_of_lost(others, entry));
        return Ok(warnings);
    }
    // Nobody asked for their deletion, so what holds the unasked holds it too.
    let held = engine.held_with(entry.hold);
    let others = match held {
        Some(_) => others.clone(),
        None => remove_at_once(engine, before, entry, new, budget).await,
    };
    if !others.is_done() {
        let noted = left_secrets::leave(engine, before, &others, by).await?;
        let by = held.as_ref().map(|by| by as &dyn Display);
        warnings.push(warning_of_left(before, &others, by, noted));
    }
    Ok(warnings)
}

/// Removes what may go, with the former credential and the new one; answers what remains.
async fn remove_at_once(
    engine: &Arc<Engine>,
    before: &ConfigEntry,
    entry: &ConfigEntry,
    new: &ConfiguredClient,
    budget: RequestBudget,
) -> OtherSecrets {
    let budget = RequestBudget {
        deadline: budget.deadline.min(Instant::now() + BUDGET),
        ..budget
    };
    let mut record = RootRecord::of(engine, before.clone());
    if let Ok(old) = engine.connection.linked().await {
        remove(&mut record, &old, budget).await;
    }
    if before.organization_id == entry.organization_id && new.serves(&before.origin) {
        remove(&mut record, new, budget).await;
    }
    record.entry.rotation.others
}

fn warning_of_left(
    before: &ConfigEntry,
    others: &OtherSecrets,
    held: Option<&dyn Display>,
    noted: Noted,
) -> String {
    let client_id = before.client_id.as_ref().map_or("", ClientId::as_str);
    let why = match held {
        Some(by) => format!("were not removed, as that is held ({by})"),
        None => "could not be removed yet".to_owned(),
    };
    let further = if noted == Noted::All {
        "that is tried each minute once nothing holds it, as long as the configured credential can \
         reach the account; else delete them in Atlas"
    } else {
        "delete them in Atlas once they are not needed"
    };
    format!(
        "secrets of the former service account {client_id} {why}; {further}: {}",
        named(&secrets(others))
    )
}

/// The configuration is about to be deleted: what its rotations have left among the secrets of its
/// account is left to the journal, and to the configuration that comes after. What nobody could look for
/// there is told.
pub(in crate::engine::config) async fn leave_all(
    engine: &Engine,
    before: &ConfigEntry,
    by: EndedBy,
) -> Result<Option<String>, EngineError> {
    let others = &before.rotation.others;
    if others.is_done() {
        return Ok(None);
    }
    let noted = left_secrets::leave(engine, before, others, by).await?;
    Ok((noted == Noted::Nothing).then(|| warning_of_left(before, others, None, noted)))
}

/// What is still to be removed of an account that is kept; the new secret itself is found out before
/// anything is removed.
fn carried_over(others: &OtherSecrets, now: DateTime<Utc>) -> Vec<Retiring> {
    let made = others.made().and_then(|held| held.id.clone());
    let unused = made.map(|id| Retiring {
        id,
        since: now,
        look_at: now,
        in_use: false,
        failures: 0,
    });
    others.retiring.iter().cloned().chain(unused).collect()
}

/// A secret whose answer was lost is not looked for any more, as that might take the one that is being
/// written for it. A person is told.
pub(super) fn warning_of_lost(others: &OtherSecrets, entry: &ConfigEntry) -> Option<String> {
    let pending = others.pending.as_ref()?;
    let client_id = entry.client_id.as_ref()?;
    if others.made().is_some_and(|held| held.id.is_some()) {
        return None;
    }
    let since = Rfc3339(pending.since);
    tracing::warn!(
        %client_id, %since,
        "no longer searching for a client secret that Atlas may have created: another account was \
         configured"
    );
    Some(format!(
        "a rotation of service account {client_id} that began at {since} did not finish, and a \
         secret that Atlas may have made for it is no longer looked for: delete the unused ones \
         in Atlas"
    ))
}

async fn remove(record: &mut RootRecord, linked: &ConfiguredClient, budget: RequestBudget) {
    if record.entry.rotation.others.is_done() {
        return;
    }
    if let Err(error) = try_to_remove(record, linked, budget).await {
        let error = chain(&error);
        tracing::warn!(
            error,
            "some client secrets of the previous service account could not be deleted"
        );
    }
}

async fn try_to_remove(
    record: &mut RootRecord,
    linked: &ConfiguredClient,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let engine = Arc::clone(&record.engine);
    let context = RotationContext {
        engine: &engine,
        atlas: &linked.atlas,
        budget,
        lifetime: Hours::SHORTEST_SECRET,
        // Whoever writes another credential wants the end of the former one.
        mandate: Mandate::Ordered,
    };
    let mut account = record.account()?;
    discard_pending(&mut account, &context).await?;
    if engine.root.is_old_in_use() {
        return Ok(());
    }
    let now = engine.clock.now();
    for each in &mut account.others_mut().retiring {
        each.look_at = now;
    }
    retire(&mut account, &context).await
}

/// Refuses to delete a configuration that is needed to rotate, or to remove what rotations have left.
pub(in crate::engine::config) async fn refuse_while_needed(
    engine: &Engine,
    entry: &ConfigEntry,
) -> Result<(), EngineError> {
    let refused = |text: String| Err(EngineError::BadInput(text));
    let mut left = secrets(&entry.rotation.others);
    let whole = left::left(engine, entry).await?;
    left.extend(left::names(engine, &whole).await?);
    let accounts = left_secrets::accounts(engine).await?;
    left.extend(left_secrets::names(&accounts));
    if !left.is_empty() {
        return refused(format!(
            "{} credentials of earlier rotations of this configuration are still to be removed in \
             Atlas and would be left there: {}; read config for what keeps them, or give force=true",
            left.len(),
            named(&left)
        ));
    }
    let roles = engine.storage.list(keys::STATIC_ROLES).await?;
    if !roles.is_empty() {
        return refused(format!(
            "{} static roles could not be rotated without a configuration: {}; delete them first, \
             or give force=true",
            roles.len(),
            named(&roles)
        ));
    }
    let projects = engine.storage.list(keys::AZURE_KEY_VAULTS).await?;
    if !projects.is_empty() {
        return refused(format!(
            "{} encryption-at-rest projects would be watched by nobody without a configuration, nor \
             a change of them brought to its end: {}; delete these entries first, or give force=true",
            projects.len(),
            named(&projects)
        ));
    }
    let is_role = |owner: &Owner| matches!(owner, Owner::StaticRole { .. });
    let left = engine.journal.accounts_with_left_secrets(is_role).await?;
    let accounts: Vec<_> = left.iter().map(|left| left.client_id.to_string()).collect();
    if !accounts.is_empty() {
        return refused(format!(
            "replaced secrets of deleted static roles are still to be removed in Atlas, of {} \
             service accounts: {}; wait for the end of their overlap, or give force=true",
            accounts.len(),
            named(&accounts)
        ));
    }
    Ok(())
}

/// The secrets beside the present one that are still to be removed.
fn secrets(others: &OtherSecrets) -> Vec<String> {
    let kept = others.retiring.iter().map(|each| each.id.to_string());
    let made = others.pending.as_ref().map(|pending| {
        let id = others.made().and_then(|held| held.id.as_ref());
        id.map_or_else(
            || {
                format!(
                    "one that Atlas may have made about {}",
                    Rfc3339(pending.since)
                )
            },
            ToString::to_string,
        )
    });
    kept.chain(made).collect()
}

fn named(names: &[String]) -> String {
    let mut text = names
        .iter()
        .take(MOST_NAMED)
        .map(String::as_str)
        .collect::<Vec<&str>>()
        .join(", ");
    if names.len() > MOST_NAMED {
        text.push_str(", and others");
    }
    text
}
