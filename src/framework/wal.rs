//! Write-ahead log: entries in storage that say what must be undone, and the walk that undoes it.
//!
//! An entry is put before something is made outside and deleted once that is safe; what a crash
//! leaves behind is found by the host's minutely tick. Keys and shape are those of Vault's SDK, so
//! that entries of engines written in Go are understood. Source: `framework.PutWAL` and its
//! siblings.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use super::call::{Handler, RollbackCall};
use crate::base::{Clock, Entropy};
use crate::vault::{Caller, Failure, Storage, StorageEntry, StorageError};

/// Where entries are stored; entries are best kept out of replication, as a special path.
pub const PREFIX: &str = "wal/";

/// The age above which an entry counts as left behind.
pub const MINIMUM_AGE: Duration = Duration::from_mins(10);

/// The most entries one tick looks at; the next one goes on behind them.
const ENTRIES_PER_TICK: usize = 100;

/// The most failures whose text is told to the host.
const FAILURES_TOLD: usize = 5;

/// One entry. `Debug` does not show its data.
#[derive(Clone, PartialEq)]
pub struct WalEntry {
    /// Names the entry below [`PREFIX`].
    pub id: String,
    /// Tells which handler undoes it.
    pub kind: String,
    /// All that the handler needs.
    pub data: Value,
    /// When the entry was written, in whole seconds.
    pub created_at: DateTime<Utc>,
}

impl fmt::Debug for WalEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WalEntry")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("created_at", &self.created_at)
            .finish_non_exhaustive()
    }
}

/// The stored shape.
#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    data: Value,
    created_at: i64,
}

/// Writes an entry and answers its id.
pub async fn put(
    storage: &dyn Storage,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
    kind: &str,
    data: Value,
) -> Result<String, Failure> {
    let id = random_uuid(entropy);
    let stored = Stored {
        kind: kind.to_owned(),
        data,
        created_at: clock.now().timestamp(),
    };
    let entry = StorageEntry {
        key: format!("{PREFIX}{id}"),
        value: serde_json::to_vec(&stored).map_err(|error| Failure::internal(&error))?,
        seal_wrap: false,
    };
    storage.put(entry).await?;
    Ok(id)
}

/// Deletes an entry; one that is not there is fine.
pub async fn delete(storage: &dyn Storage, id: &str) -> Result<(), StorageError> {
    storage.delete(&format!("{PREFIX}{id}")).await
}

/// A random UUID (version 4) in its usual form. Source: RFC 9562, sections 4 and 5.4.
fn random_uuid(entropy: &dyn Entropy) -> String {
    let mut bytes = [0_u8; 16];
    entropy.fill(&mut bytes);
    let mut number = u128::from_be_bytes(bytes);
    number = number & !(0xf << 76) | 0x4 << 76;
    number = number & !(0x3 << 62) | 0x2 << 62;
    let hex = format!("{number:032x}");
    let parts = [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ];
    parts.join("-")
}

/// Undoes what entries tell, by the handler of each entry's kind.
pub(super) struct Log<E> {
    pub(super) handlers: BTreeMap<&'static str, Handler<E, RollbackCall, ()>>,
    pub(super) minimum_age: Duration,
    /// Where the last tick stopped; empty to begin anew.
    resume_after: Mutex<String>,
}

impl<E> Default for Log<E> {
    fn default() -> Self {
        Self {
            handlers: BTreeMap::new(),
            minimum_age: MINIMUM_AGE,
            resume_after: Mutex::default(),
        }
    }
}

/// What a walk works with.
pub(super) struct Walk<'a, E> {
    pub(super) engine: &'a Arc<E>,
    pub(super) storage: &'a dyn Storage,
    pub(super) clock: &'a dyn Clock,
    pub(super) caller: &'a Caller,
    /// Undo entries however young they are.
    pub(super) immediate: bool,
}

impl<E> Log<E> {
    /// Undoes the entries that are old enough, each on its own: one failure does not keep the
    /// others. What succeeds is deleted; what fails, and what is not understood, stays.
    pub(super) async fn roll_back(&self, walk: &Walk<'_, E>) -> Result<(), Failure> {
        let mut failures = Vec::new();
        let ids = self.next_ids(walk.storage).await?;
        for id in &ids {
            if walk.caller.gone.is_cancelled() || Instant::now() >= walk.caller.deadline {
                return joined(failures);
            }
            if let Err(failure) = self.undo(walk, id).await {
                tracing::warn!(entry = id, %failure, "write-ahead log entry could not be undone");
                failures.push(failure);
            }
            self.cursor().clone_from(id);
        }
        if ids.len() < ENTRIES_PER_TICK {
            self.cursor().clear();
        }
        joined(failures)
    }

    fn cursor(&self) -> MutexGuard<'_, String> {
        self.resume_after
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The ids behind those of the last tick, or the first ones when all had their turn.
    async fn next_ids(&self, storage: &dyn Storage) -> Result<Vec<String>, StorageError> {
        let after = self.cursor().clone();
        let mut ids = storage.list_page(PREFIX, &after, ENTRIES_PER_TICK).await?;
        if ids.is_empty() && !after.is_empty() {
            ids = storage.list_page(PREFIX, "", ENTRIES_PER_TICK).await?;
        }
        Ok(ids)
    }

    async fn undo(&self, walk: &Walk<'_, E>, id: &str) -> Result<(), Failure> {
        let Some(stored) = walk.storage.get(&format!("{PREFIX}{id}")).await? else {
            return Ok(());
        };
        let Ok(Stored {
            kind,
            data,
            created_at,
        }) = serde_json::from_slice(&stored.value)
        else {
            tracing::warn!(
                entry = id,
                "write-ahead log entry is not readable; it is left alone"
            );
            return Ok(());
        };
        let age = walk.clock.now().timestamp().saturating_sub(created_at);
        let old = u64::try_from(age).is_ok_and(|age| age > self.minimum_age.as_secs());
        if !old && !walk.immediate {
            return Ok(());
        }
        let Some(undo) = self.handlers.get(kind.as_str()) else {
            tracing::warn!(
                entry = id,
                kind,
                "write-ahead log entry is of an unknown kind; it is left alone"
            );
            return Ok(());
        };
        let entry = WalEntry {
            id: id.to_owned(),
            kind,
            data,
            created_at: DateTime::from_timestamp(created_at, 0).unwrap_or_default(),
        };
        let caller = walk.caller.clone();
        undo(Arc::clone(walk.engine), RollbackCall { entry, caller }).await?;
        Ok(delete(walk.storage, id).await?)
    }
}

/// All failures as one; a single one is handed on as it is.
pub(super) fn joined(mut failures: Vec<Failure>) -> Result<(), Failure> {
    if failures.len() <= 1 {
        return failures.pop().map_or(Ok(()), Err);
    }
    let told = failures.iter().take(FAILURES_TOLD).map(ToString::to_string);
    let text = format!(
        "{} steps of the rollback failed: {}",
        failures.len(),
        told.collect::<Vec<_>>().join("; ")
    );
    Err(Failure::Internal(text))
}
