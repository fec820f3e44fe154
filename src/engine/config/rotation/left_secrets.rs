//! Secrets of a former account of the configuration that rotations left there: they stand in the journal
//! once another credential is written or the configuration is deleted, and are removed from there.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use super::leftovers::warning_of_lost;
use super::record::RootRecord;
use crate::atlas::{ClientId, RequestBudget};
use crate::engine::Engine;
use crate::engine::connection::ConfiguredClient;
use crate::engine::entries::ConfigEntry;
use crate::engine::error::EngineError;
use crate::engine::journal::{
    EndedBy, JournalEntry, Leaving, LeftAccount, Owner, Part, clean_up_left_secrets,
};
use crate::engine::rotation_state::{ClientSecret, LeftSecrets, OtherSecrets};
use crate::vault::system_view::may_act;

/// Somebody else at work on the account is waited for as long.
const LOCK_BUDGET: Duration = Duration::from_secs(1);

fn is_root(owner: &Owner) -> bool {
    *owner == Owner::Root
}

/// What the journal has of what an account was left with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Noted {
    /// It is removed from there.
    All,
    /// Nobody could look for it, as the account's organization is not known.
    Nothing,
}

/// Writes what the account of a configuration is left with, before that goes.
pub(super) async fn leave(
    engine: &Engine,
    config: &ConfigEntry,
    others: &OtherSecrets,
    by: EndedBy,
) -> Result<Noted, EngineError> {
    let (Some(client_id), Some(org)) = (&config.client_id, &config.organization_id) else {
        return Ok(Noted::Nothing);
    };
    let now = engine.clock.now();
    // Without its id nothing here tells it from a stranger's, of which none is ever removed. Its value
    // is not kept for that: it is in the hands of whoever writes another.
    let id = config.rotation.client_secret_id.clone();
    let present = id.map(|id| ClientSecret {
        id: Some(id),
        value: config.client_secret.clone(),
        expires_at: config.client_secret_expires_at,
    });
    let leaving = Leaving {
        owner: Owner::Root,
        organization_id: org.clone(),
        origin: config.origin.clone(),
        // Only requests under way use a replaced one, and those are waited for.
        secrets: LeftSecrets::of(client_id.clone(), others.clone(), Duration::ZERO, now),
        present,
        by,
        at: now,
    };
    engine.journal.leave_secrets(leaving).await?;
    Ok(Noted::All)
}

/// What an earlier configuration left at the account that signs in from now on: it is the
/// configuration's again to remove. The entry goes with the next periodic run: see [`take_back`].
pub(super) async fn taken_over(
    engine: &Engine,
    client_id: &ClientId,
    new: &ConfiguredClient,
) -> Result<OtherSecrets, EngineError> {
    let entry = engine.journal.left_secrets(client_id).await?;
    let entry = entry.filter(|entry| is_root(&entry.owner) && new.serves(&entry.origin));
    Ok(match entry.and_then(|entry| entry.part) {
        Some(Part::Secrets(left)) => left.others,
        _ => OtherSecrets::default(),
    })
}

/// The accounts that former configurations left secrets at.
pub(super) async fn accounts(engine: &Engine) -> Result<Vec<LeftAccount>, EngineError> {
    engine.journal.accounts_with_left_secrets(is_root).await
}

/// How many of these secrets there are, as far as known. Only where the journal is kept in memory.
pub(super) async fn count(engine: &Engine) -> Result<usize, EngineError> {
    if !may_act(&*engine.system).await? {
        return Ok(0);
    }
    let accounts = accounts(engine).await?;
    Ok(accounts.iter().map(|account| account.count).sum())
}

/// What an earlier configuration left at the account that this one signs in with is this one's to remove:
/// it was taken over when it was written, or is now, as where it belongs was carried here since.
pub(super) async fn take_back(
    record: &mut RootRecord,
    linked: &ConfiguredClient,
) -> Result<(), EngineError> {
    let engine = Arc::clone(&record.engine);
    let Some(client_id) = record.entry.client_id.clone() else {
        return Ok(());
    };
    let left = accounts(&engine).await?;
    if !left.iter().any(|account| account.client_id == client_id) {
        return Ok(());
    }
    let soon = Instant::now() + LOCK_BUDGET;
    let Ok(_lock) = engine.lock_account_first(&client_id, soon).await else {
        return Ok(());
    };
    let Some(entry) = engine.journal.left_secrets(&client_id).await? else {
        return Ok(());
    };
    if !is_root(&entry.owner) || !linked.serves(&entry.origin) {
        return Ok(());
    }
    let Some(Part::Secrets(left)) = entry.part else {
        return Ok(());
    };
    warning_of_lost(&left.others, &record.entry);
    let retiring = &mut record.entry.rotation.others.retiring;
    let before = retiring.len();
    for each in left.others.retiring {
        if !retiring.iter().any(|known| known.id == each.id) {
            retiring.push(each);
        }
    }
    if retiring.len() > before {
        record.store().await?;
    }
    engine.journal.forget_left_secrets(&client_id).await
}

/// Removes what it is time to remove. Failures are noted with the entry and logged.
pub(super) async fn work_off(
    record: &RootRecord,
    linked: &ConfiguredClient,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let engine = &record.engine;
    // A request that began with the former credential may still use what it replaced.
    if engine.root.is_old_in_use() {
        return Ok(());
    }
    let signs_in = record.entry.client_id.as_ref();
    let due = engine.due_left_secrets(is_root, |_| false);
    let due: Vec<(DateTime<Utc>, ClientId)> = due.await?;
    for (_, client_id) in due {
        let soon = Instant::now() + LOCK_BUDGET;
        let Ok(_lock) = engine.lock_account_first(&client_id, soon).await else {
            continue;
        };
        let entry = engine.journal.left_secrets(&client_id).await?;
        // Until the configuration is where the account is, or that was moved.
        let is_here = |entry: &JournalEntry| linked.serves(&entry.origin);
        if !entry.as_ref().is_some_and(is_here) || signs_in == Some(&client_id) {
            continue;
        }
        if engine.static_role_with(&client_id).await?.is_some() {
            // All that the entry names stands there.
            engine.journal.forget_left_secrets(&client_id).await?;
            continue;
        }
        let outcome = clean_up_left_secrets(engine, &client_id, budget).await;
        if let Err(error @ EngineError::Storage(_)) = outcome {
            return Err(error);
        }
    }
    Ok(())
}

/// By what people find them.
pub(super) fn names(accounts: &[LeftAccount]) -> impl Iterator<Item = String> {
    let accounts = accounts.iter();
    accounts.map(|account| format!("secrets of service account {}", account.client_id))
}
