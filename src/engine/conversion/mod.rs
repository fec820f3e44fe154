//! What earlier versions stored, rewritten once in the shapes of today.
//!
//! Nothing else in the engine knows an earlier shape. So this comes first: at the start of the mount on a
//! node that may write, and before each request and periodic run until it has succeeded once. What is
//! stored at `storage-version` says that it has.
//!
//! Each entry is rewritten on its own, in one write, and what is moved is written at its new key before
//! the old one is deleted. So an entry is of before or of today, never lost, and a conversion that was
//! interrupted begins again without harm.
//!
//! A node that may not write converts nothing. While there is something to be converted it answers
//! nothing from storage: the host forwards the request to the node that may write.

#[cfg(test)]
mod fixture_tests;
mod left;
#[cfg(test)]
mod left_tests;
#[cfg(test)]
mod recorded_tests;
mod removals;
mod rename;
#[cfg(test)]
mod tests;
mod walk;

use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use self::walk::Walk;
use super::Engine;
use super::error::EngineError;
use super::{keys, stored};
use crate::vault::Storage;
use crate::vault::system_view::may_act;

/// The shapes of today. Raised by whoever changes a stored shape, together with a step that converts it.
const CURRENT: u32 = 1;

/// Keys and folders that earlier versions had: of the Go engine none.
const EARLIER_KEYS: &[&str] = &[
    keys::ISSUED,
    keys::STATIC_ROLES,
    keys::EARLIER_STATIC_LEAVING,
    keys::EARLIER_TOKEN_ACCOUNTS,
    keys::EARLIER_MARK,
];

/// What is stored at `storage-version`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct StorageVersion {
    version: u32,
}

/// Whether the mount's storage has the shapes of today.
#[derive(Default)]
pub(crate) struct Conversion {
    is_done: AtomicBool,
    /// Held while it is found out, and while storage is converted, so that it happens once.
    running: tokio::sync::Mutex<()>,
}

/// Waits until storage has the shapes of today, converting it where this node may. Costs nothing once
/// it has.
pub(crate) async fn ready(engine: &Engine) -> Result<(), EngineError> {
    let conversion = &engine.conversion;
    if conversion.is_done.load(Ordering::Acquire) {
        return Ok(());
    }
    let _running = conversion.running.lock().await;
    if conversion.is_done.load(Ordering::Acquire) {
        return Ok(());
    }
    let storage = &*engine.storage;
    let stored: Option<StorageVersion> = stored::load(storage, keys::STORAGE_VERSION).await?;
    match stored {
        Some(stored) if stored.version > CURRENT => {
            return Err(EngineError::LaterStorage {
                stored: stored.version,
                known: CURRENT,
            });
        }
        Some(_) => {}
        None if !may_act(&*engine.system).await? => {
            if is_earlier(storage).await? {
                return Err(EngineError::NotConverted);
            }
            // Empty, or the Go engine's: all of it can be read, and the other node stores the version.
            return Ok(());
        }
        None if is_earlier(storage).await? => convert(engine).await?,
        // Whoever cannot store this now has nothing to store either.
        None => {
            if store_version(storage).await.is_err() {
                return Ok(());
            }
        }
    }
    conversion.is_done.store(true, Ordering::Release);
    Ok(())
}

/// Whether an earlier version of this engine stored something.
async fn is_earlier(storage: &dyn Storage) -> Result<bool, EngineError> {
    let names = storage.list("").await?;
    if names
        .iter()
        .any(|name| EARLIER_KEYS.contains(&name.as_str()))
    {
        return Ok(true);
    }
    let config = storage.get(keys::CONFIG).await?;
    Ok(config.is_some_and(|config| rename::in_text(&config.value, rename::config).is_some()))
}

/// Converts everything, and stores that it was done.
async fn convert(engine: &Engine) -> Result<(), EngineError> {
    tracing::info!("converting the storage of an earlier version");
    let walk = Walk::new(&*engine.storage, &engine.closing);
    steps(engine, &walk).await?;
    store_version(&*engine.storage).await?;
    tracing::info!(
        converted = walk.converted(),
        unreadable = walk.unreadable(),
        "converted the storage of an earlier version"
    );
    Ok(())
}

async fn store_version(storage: &dyn Storage) -> Result<(), EngineError> {
    let version = StorageVersion { version: CURRENT };
    stored::save(storage, keys::STORAGE_VERSION.to_owned(), &version, false).await
}

/// From the earlier shapes to those of today. Each step may find its work done, or done in part.
async fn steps(engine: &Engine, walk: &Walk<'_>) -> Result<(), EngineError> {
    walk.one(keys::EARLIER_MARK, keys::OWNERSHIP_TAG, rename::nothing)
        .await?;
    walk.folder(
        keys::EARLIER_TOKEN_ACCOUNTS,
        keys::MANAGED_ACCOUNTS,
        rename::nothing,
    )
    .await?;
    walk.folder(keys::ISSUED, keys::ISSUED, rename::journal_entry)
        .await?;
    walk.folder(keys::STATIC_ROLES, keys::STATIC_ROLES, rename::static_role)
        .await?;
    left::to_journal(engine, walk).await?;
    walk.split(keys::CONFIG, removals::entries).await?;
    walk.one(keys::CONFIG, keys::CONFIG, rename::config).await
}
