//! The periodic check of the root credential: a rotation that is due, what rotations left behind,
//! and a secret that is about to end. And what people are told of it.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::json;
use tokio::time::Instant;

use super::entry::NAME;
use super::record::RootRecord;
use super::{left, left_secrets, rotate};
use crate::atlas::{Priority, RequestBudget};
use crate::base::Rfc3339;
use crate::engine::entries::ConfigEntry;
use crate::engine::error::EngineError;
use crate::engine::journal::Owner;
use crate::engine::rotation_state::{ExpiryStatus, warn_if_crossed};
use crate::engine::unasked::Mandate;
use crate::engine::{Engine, keys};
use crate::vault::Data;

const BUDGET: Duration = Duration::from_secs(45);
/// Somebody else who changes the configuration is waited for as long.
const LOCK_BUDGET: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_hours(24);
const WHAT: &str = "the client_secret of this mount's configuration";

/// Does what is due. Failures are noted with the configuration and logged.
pub(crate) async fn run_due(engine: &Arc<Engine>) -> Result<(), EngineError> {
    let Ok(_lock) = engine.root.lock_first(Instant::now() + LOCK_BUDGET).await else {
        return Ok(());
    };
    let Some(mut record) = RootRecord::load(engine).await? else {
        return Ok(());
    };
    note_accepted(engine, &mut record).await?;
    let now = engine.clock.now();
    let held = engine.held_with(record.entry.hold).is_some();
    let expiry = record.entry.expiry().with_held(held);
    let crossed = warn_if_crossed(&expiry, WHAT, engine.root.warned(), now);
    engine.root.note_warned(crossed);
    // A rotation deletes what it replaces, so it waits as well.
    if held {
        return Ok(());
    }
    pass_over_missed(&mut record, now).await?;
    let budget = RequestBudget::within(BUDGET, Priority::Rotate);
    let mut outcome = Ok(());
    if let Ok(linked) = engine.connection.linked().await {
        left_secrets::take_back(&mut record, &linked).await?;
    }
    if leaves_work(&record).await? {
        // Logged where it happened; it must not keep a rotation from its turn.
        outcome = rotate::tidy_up(&mut record, Mandate::Unasked, budget).await;
    }
    if let Ok(linked) = engine.connection.linked().await {
        left_secrets::work_off(&record, &linked, budget).await?;
    }
    let is_due =
        record.entry.draining.is_none() && record.entry.rotation.is_due(record.entry.due(), now);
    if is_due {
        let to = record.entry.root_type();
        // Noted with the configuration, for the next try.
        outcome = rotate::rotate(&mut record, to, false, Mandate::Unasked, budget).await;
    }
    engine.rate_waits.note(keys::CONFIG, &outcome, now);
    if is_due {
        return Ok(());
    }
    if record.entry.client_id.is_some()
        && engine
            .root
            .is_time_to_look(engine.clock.monotonic(), LOOK_EVERY)
    {
        let looked = rotate::inspect(&mut record, budget).await;
        if let Err(error) = looked {
            tracing::debug!(%error, "could not read the configured service account");
        }
    }
    Ok(())
}

/// A configuration that was stored unverified is one like any other once Atlas took its credential.
async fn note_accepted(engine: &Engine, record: &mut RootRecord) -> Result<(), EngineError> {
    // Whoever changes the configuration replaces the client in the same turn: the two belong together.
    if record.entry.unverified && engine.connection.linked().await?.atlas.was_accepted() {
        record.entry.unverified = false;
        record.store().await?;
    }
    Ok(())
}

async fn leaves_work(record: &RootRecord) -> Result<bool, EngineError> {
    let journal = &record.engine.journal;
    let owned = journal.owned_by(&Owner::Root).await?;
    Ok(!owned.is_empty() || !record.entry.rotation.others.retiring.is_empty())
}

async fn pass_over_missed(record: &mut RootRecord, now: DateTime<Utc>) -> Result<(), EngineError> {
    let entry = &mut record.entry;
    if entry.rotation.others.pending.is_some() {
        return Ok(());
    }
    let (plan, end) = (entry.rotation.plan(), entry.client_secret_expires_at);
    let state = &mut entry.rotation.state;
    let Some(missed) = state.pass_over_missed(&plan, NAME, end, now) else {
        return Ok(());
    };
    tracing::warn!(due = %Rfc3339(missed), "root credential rotation missed its window");
    record.store().await
}

/// What is to be expected of the configuration's secret.
pub(crate) fn expiry(engine: &Engine, entry: &ConfigEntry) -> ExpiryStatus {
    entry
        .expiry()
        .with_held(engine.held_with(entry.hold).is_some())
}

/// How rotation stands, for the mount's status.
pub(crate) async fn state(engine: &Engine, entry: &ConfigEntry) -> Result<Data, EngineError> {
    let mut data = Data::new();
    show(engine, entry, &mut data).await?;
    let expires_at = json!(entry.client_secret_expires_at.map(Rfc3339));
    data.insert("client_secret_expires_at".to_owned(), expires_at);
    Ok(data)
}

/// Shows how rotation stands.
pub(in crate::engine::config) async fn show(
    engine: &Engine,
    entry: &ConfigEntry,
    data: &mut Data,
) -> Result<(), EngineError> {
    let rotation = &entry.rotation;
    rotation.state.show(entry.due(), data);
    let manual = json!(rotation.disable_automated_rotation);
    data.insert("disable_automated_rotation".to_owned(), manual);
    let (left, secrets) = tokio::try_join!(left::left(engine, entry), left_secrets::count(engine))?;
    let waiting = left.len() + secrets + rotation.others.retiring.len();
    if waiting > 0 {
        data.insert("pending_deletions".to_owned(), json!(waiting));
    }
    Ok(())
}

/// What readers should know.
pub(in crate::engine::config) async fn warnings(
    engine: &Engine,
    entry: &ConfigEntry,
    now: DateTime<Utc>,
) -> Result<Vec<String>, EngineError> {
    let mut warnings = entry.rotation.state.warnings();
    let left = left::left(engine, entry).await?;
    warnings.extend(left::warnings(engine, &left, now));
    let held = engine.held_with(entry.hold).is_some();
    let expiry = entry.expiry().with_held(held);
    warnings.extend(expiry.warning(WHAT, "write a working one manually", now));
    Ok(warnings)
}
