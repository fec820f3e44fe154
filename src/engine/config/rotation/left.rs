//! What the rotation of the configuration's credential leaves behind as a whole: credentials that were
//! begun and never taken up, and those that were replaced.
//!
//! Each has an entry in the journal before Atlas is asked for anything. The configuration tells which of
//! them is in use: what it names is let go without asking Atlas, all else is deleted there.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::entry::RootType;
use super::record::RootRecord;
use crate::atlas::{Presence, ROTATION_SHOWN_WITHIN, RequestBudget};
use crate::base::Rfc3339;
use crate::engine::Engine;
use crate::engine::connection::{ConfiguredClient, Search};
use crate::engine::entries::ConfigEntry;
use crate::engine::error::EngineError;
use crate::engine::journal::find::find;
use crate::engine::journal::{JournalEntry, Owned, Owner};
use crate::engine::names::JournalId;
use crate::engine::origin::BoundTo;
use crate::engine::resource::Resource;
use crate::engine::unasked::{Mandate, Permit};
use crate::vault::failure::chain;
use crate::vault::system_view::may_act;

/// As whose work failures are told.
const WORK: &str = "rotation";

/// The entry of a credential of the configuration; nothing is known yet of where it is.
pub(super) fn entry_of(kind: RootType, origin: BoundTo, at: DateTime<Utc>) -> JournalEntry {
    JournalEntry {
        owner: Owner::Root,
        origin,
        ..JournalEntry::begun(String::new(), kind.into(), at)
    }
}

/// Whether requests under way may still use it: it was the configuration's, and not begun to become it.
/// Only what is begun is given a name to be found by.
fn was_in_use(entry: &JournalEntry) -> bool {
    entry.description.is_empty()
}

/// Whether this public key or client id is what the configuration signs in with: it was taken up, or a
/// person has written it back.
fn is_named(public: Option<&str>, config: &ConfigEntry) -> bool {
    let is_it = |id: &str| !id.is_empty() && public == Some(id);
    is_it(&config.public_key)
        || config
            .client_id
            .as_ref()
            .is_some_and(|id| is_it(id.as_str()))
}

/// What is still to be deleted with the credential of this configuration. Only where the journal is
/// kept in memory: a node that may not act would have to read all of it.
pub(super) async fn left(engine: &Engine, config: &ConfigEntry) -> Result<Vec<Owned>, EngineError> {
    if !may_act(&*engine.system).await? {
        return Ok(Vec::new());
    }
    let mut left = engine.journal.owned_by(&Owner::Root).await?;
    left.retain(|each| !is_named(each.public.as_deref(), config));
    Ok(left)
}

/// By what each of these is found in Atlas: its id, or its name if that is all there is.
pub(super) async fn names(engine: &Engine, left: &[Owned]) -> Result<Vec<String>, EngineError> {
    let mut names = Vec::new();
    for Owned { id, .. } in left {
        if let Some(entry) = engine.journal.entry(id).await? {
            let made = entry.made();
            names.push(made.map_or(entry.description, |made| made.id().to_owned()));
        }
    }
    Ok(names)
}

/// What people are told of attempts that failed.
pub(super) fn warnings(engine: &Engine, left: &[Owned], now: DateTime<Utc>) -> Vec<String> {
    let monotonic = engine.clock.monotonic();
    let failed = |each: &Owned| engine.journal.failed_attempt(&each.id, monotonic);
    let failed = left.iter().filter_map(failed);
    failed
        .map(|attempt| {
            format!(
                "a {} could not be deleted in Atlas yet; the next attempt is at {}: {}",
                "replaced or incomplete credential",
                Rfc3339(later(now, attempt.rests_for)),
                attempt.error
            )
        })
        .collect()
}

fn later(now: DateTime<Utc>, by: Duration) -> DateTime<Utc> {
    let by = TimeDelta::from_std(by).unwrap_or_default();
    now.checked_add_signed(by).unwrap_or(now)
}

/// Deletes what is due, with the present credential. What does not succeed stays for the next
/// periodic run, as does everything while deletions that nobody ordered are held.
///
/// `record` is the configuration as it is stored: of what it does not name, nothing is in use.
pub(super) async fn clean_up(
    record: &RootRecord,
    linked: &ConfiguredClient,
    mandate: Mandate,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let engine = &record.engine;
    let old_in_use = engine.root.is_old_in_use();
    let mut permit = None;
    for Owned { id, .. } in engine.journal.owned_by(&Owner::Root).await? {
        let Some(entry) = engine.journal.entry(&id).await? else {
            engine.journal.remove(&id).await?;
            continue;
        };
        if is_named(entry.public_part(), &record.entry) {
            engine.journal.remove(&id).await?;
            continue;
        }
        let waits = (was_in_use(&entry) && old_in_use)
            // Until the configuration is where it was made, or that was moved.
            || !linked.serves(&entry.origin)
            || engine.journal.rests(&id, engine.clock.monotonic());
        if waits {
            continue;
        }
        let permit = match permit {
            Some(permit) => permit,
            None => *permit.insert(mandate.permit(engine).await?.ok()),
        };
        if let Some(permit) = permit {
            // A node that no longer is the active one fails here: the configuration that it has read may
            // not be the last, and name another credential.
            engine.journal.write(&id, &entry).await?;
            work_off(engine, linked, &id, &entry, permit, budget).await?;
        }
    }
    Ok(())
}

/// Deletes one, and its entry with it. Fails only where storage does: what Atlas refuses is noted and
/// tried again.
pub(super) async fn work_off(
    engine: &Engine,
    linked: &ConfiguredClient,
    id: &JournalId,
    entry: &JournalEntry,
    permit: Permit,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    match delete(engine, linked, entry, permit, budget).await {
        Ok(Presence::Gone) => engine.journal.remove(id).await,
        Ok(Presence::Present) => Ok(()),
        Err(error) => {
            if !error.is_rate_limited() && !matches!(error, EngineError::LeftToTick) {
                note_failure(engine, id, entry, &error);
            }
            Ok(())
        }
    }
}

fn note_failure(engine: &Engine, id: &JournalId, entry: &JournalEntry, error: &EngineError) {
    let (now, journal) = (engine.clock.now(), &engine.journal);
    journal.tally().failed(now, WORK, Some(id), error);
    let error = chain(error);
    let rests_for = journal.attempt_failed(id, engine.clock.monotonic(), &error);
    tracing::warn!(
        error, next_retry_time = %Rfc3339(later(now, rests_for)),
        replaced = was_in_use(entry),
        "unused root credential could not be deleted in Atlas yet; retrying"
    );
}

/// Deletes it, or finds out that it was never made. [`Presence::Present`]: it may still be there, as
/// nothing is listed, which does not prove anything yet.
///
/// That enough time has passed is told by a clock. While that is doubted it may still be there, also for
/// whoever ordered a rotation: forgotten, it would stay in Atlas for good.
async fn delete(
    engine: &Engine,
    linked: &ConfiguredClient,
    entry: &JournalEntry,
    permit: Permit,
    budget: RequestBudget,
) -> Result<Presence, EngineError> {
    let mut found = find(linked, entry, Search::of_request(), budget).await?;
    if found.is_empty() {
        let is_new = engine.clock.now() - entry.issued_at <= ROTATION_SHOWN_WITHIN;
        if is_new || engine.may_believe_clock().await?.is_err() {
            return Ok(Presence::Present);
        }
        let pause = linked.atlas.pause_between_looks(budget).await;
        pause.map_err(|error| EngineError::atlas("looking for an incomplete credential", error))?;
        found = find(linked, entry, Search::of_request(), budget).await?;
    }
    for made in &found {
        // Its answer was lost, and a person has found it in Atlas and written it to the configuration.
        if matches!(made, Resource::ServiceAccount(_, id) if linked.client_id.as_ref() == Some(id))
        {
            continue;
        }
        let deletion = crate::engine::resource::remove(linked, made, permit, budget).await?;
        tracing::info!(%made, %deletion, "unused root credential deleted");
    }
    Ok(Presence::Gone)
}
