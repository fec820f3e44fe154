//! Reading and writing migrations. Requests and the work of one migration both write its entry: each reads
//! it anew with the lock, and changes only what is its own.

use std::time::Duration;

use tokio::time::Instant;

use super::super::entry::AzureEntry;
use super::entry::{MigrationEntry, State};
use crate::engine::error::EngineError;
use crate::engine::keyed_mutex::KeyedGuard;
use crate::engine::{Engine, keys, stored};

/// The lock is held for a read and a write of storage.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn load(
    engine: &Engine,
    name: &str,
) -> Result<Option<MigrationEntry>, EngineError> {
    let entry: Option<MigrationEntry> =
        stored::load(&*engine.storage, &keys::azure_migration(name)).await?;
    Ok(entry.map(MigrationEntry::named))
}

async fn save(engine: &Engine, name: &str, entry: &MigrationEntry) -> Result<(), EngineError> {
    stored::save(&*engine.storage, keys::azure_migration(name), entry, true).await
}

/// Whether the migration that ordered a change to the role was told to stop since: what is half done is not
/// sent again for one that is paused, planned anew, deleted, or goes back, nor for one that took its name.
pub(in super::super) async fn is_stopped(
    engine: &Engine,
    project: &AzureEntry,
) -> Result<bool, EngineError> {
    let Some(name) = &project.migration else {
        return Ok(false);
    };
    let entry = match load(engine, name).await {
        Err(EngineError::Unreadable { .. }) => None,
        entry => entry?,
    };
    let goes_on = entry.is_some_and(|entry| {
        let is_the_same = entry.started_at <= project.ordered_at;
        is_the_same && matches!(entry.state, State::Running | State::Done)
    });
    Ok(!goes_on)
}

async fn lock(engine: &Engine, name: &str) -> Result<KeyedGuard, EngineError> {
    let key = name.to_owned();
    let lock = engine
        .migrations
        .locks
        .wait(&key, Instant::now() + PATIENCE);
    lock.await.ok_or_else(|| EngineError::Busy {
        what: format!("migration {name:?}"),
    })
}

/// Deletes an entry that cannot be read; any other stays.
pub(super) async fn forget_unreadable(engine: &Engine, name: &str) -> Result<(), EngineError> {
    let _lock = lock(engine, name).await?;
    match load(engine, name).await {
        Err(EngineError::Unreadable { .. }) => {
            Ok(engine.storage.delete(&keys::azure_migration(name)).await?)
        }
        other => other.map(drop),
    }
}

/// What a change wants to become of the entry.
pub(super) enum Outcome<T> {
    Save(Box<MigrationEntry>, T),
    Delete(T),
    Leave(T),
}

/// Reads the entry, and does with it what `change` says.
pub(super) async fn change<T>(
    engine: &Engine,
    name: &str,
    change: impl FnOnce(Option<MigrationEntry>) -> Result<Outcome<T>, EngineError>,
) -> Result<T, EngineError> {
    let _lock = lock(engine, name).await?;
    match change(load(engine, name).await?)? {
        Outcome::Save(entry, answer) => {
            save(engine, name, &entry).await?;
            Ok(answer)
        }
        Outcome::Delete(answer) => {
            engine.storage.delete(&keys::azure_migration(name)).await?;
            Ok(answer)
        }
        Outcome::Leave(answer) => Ok(answer),
    }
}

/// Changes an entry, if it is still there.
pub(super) async fn update(
    engine: &Engine,
    name: &str,
    edit: impl FnOnce(&mut MigrationEntry),
) -> Result<(), EngineError> {
    let edited = change(engine, name, |entry| {
        Ok(match entry {
            Some(mut entry) => {
                edit(&mut entry);
                Outcome::Save(Box::new(entry), ())
            }
            None => Outcome::Leave(()),
        })
    });
    edited.await
}
