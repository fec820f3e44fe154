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

impl WalEntry {
    /// Reads a stored entry; [`None`] if it is not in the shape of one.
    fn read(id: &str, stored: &[u8]) -> Option<Self> {
        let stored: Stored = serde_json::from_slice(stored).ok()?;
        Some(Self {
            id: id.to_owned(),
            kind: stored.kind,
            data: stored.data,
            created_at: DateTime::from_timestamp(stored.created_at, 0)?,
        })
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
        let Some(entry) = WalEntry::read(id, &stored.value) else {
            tracing::warn!(
                entry = id,
                "write-ahead log entry is not readable and left alone"
            );
            return Ok(());
        };
        if !walk.immediate && !self.is_old(&entry, walk.clock) {
            return Ok(());
        }
        let Some(undo) = self.handlers.get(entry.kind.as_str()) else {
            let kind = &entry.kind;
            tracing::warn!(
                entry = id,
                kind,
                "write-ahead log entry is of no known kind and left alone"
            );
            return Ok(());
        };
        let caller = walk.caller.clone();
        undo(Arc::clone(walk.engine), RollbackCall { entry, caller }).await?;
        Ok(delete(walk.storage, id).await?)
    }

    fn is_old(&self, entry: &WalEntry, clock: &dyn Clock) -> bool {
        let age = clock.now().timestamp() - entry.created_at.timestamp();
        u64::try_from(age).is_ok_and(|age| age > self.minimum_age.as_secs())
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::base::SystemEntropy;
    use crate::base::time::TurnedClock;
    use crate::framework::call::handler;
    use crate::framework::toy::{Toy, ToyMount};

    struct Story {
        toy: ToyMount,
        clock: TurnedClock,
        log: Log<Toy>,
    }

    async fn undo(toy: Arc<Toy>, call: RollbackCall) -> Result<(), Failure> {
        let what = call.entry.data["Role"].as_str().unwrap_or_default();
        toy.note(what);
        match what {
            "stubborn" => Err(Failure::Internal("atlas does not answer".to_owned())),
            _ => Ok(()),
        }
    }

    impl Story {
        fn new() -> Self {
            let mut log = Log::default();
            log.handlers.insert("key", handler(undo));
            let start = DateTime::from_timestamp(1_900_000_000, 0).expect("is a time");
            Self {
                toy: ToyMount::new(),
                clock: TurnedClock::at(start),
                log,
            }
        }

        async fn put(&self, kind: &str, role: &str) -> String {
            let data = json!({"Role": role, "ProjectID": ""});
            put(&*self.toy.storage, &self.clock, &SystemEntropy, kind, data)
                .await
                .expect("is written")
        }

        fn turn(&self, seconds: u64) {
            self.clock.turn(std::time::Duration::from_secs(seconds));
        }

        async fn tick(&self, immediate: bool) -> Result<(), Failure> {
            let walk = Walk {
                engine: &self.toy.engine,
                storage: &*self.toy.storage,
                clock: &self.clock,
                caller: &Caller::waiting(Duration::from_secs(90)),
                immediate,
            };
            self.log.roll_back(&walk).await
        }
    }

    #[tokio::test]
    async fn entries_have_the_sdks_key_and_shape() {
        let story = Story::new();
        let id = story.put("key", "a").await;
        assert_eq!(id.len(), 36);
        assert_eq!(id.as_bytes()[14], b'4', "version: {id}");
        assert!(b"89ab".contains(&id.as_bytes()[19]), "variant: {id}");
        let stored = story.toy.storage.get(&format!("wal/{id}")).await;
        let stored = stored.expect("reads").expect("is there");
        let stored: Value = serde_json::from_slice(&stored.value).expect("is JSON");
        let want = json!({
            "type": "key", "created_at": 1_900_000_000, "data": {"Role": "a", "ProjectID": ""},
        });
        assert_eq!(stored, want);
    }

    #[tokio::test]
    async fn only_old_entries_are_undone() {
        let story = Story::new();
        story.put("key", "a").await;
        story.turn(600);
        story.tick(false).await.expect("nothing to do");
        assert!(story.toy.engine.noted().is_empty());
        story.turn(1);
        story.tick(false).await.expect("undoes");
        assert_eq!(story.toy.engine.noted(), ["a"]);
        assert!(story.toy.storage.keys().is_empty());
    }

    #[tokio::test]
    async fn age_is_ignored_when_asked_so() {
        let story = Story::new();
        story.put("key", "a").await;
        story.tick(true).await.expect("undoes");
        assert!(story.toy.storage.keys().is_empty());
    }

    #[tokio::test]
    async fn deleted_entries_are_not_undone() {
        let story = Story::new();
        let id = story.put("key", "a").await;
        delete(&*story.toy.storage, &id).await.expect("deletes");
        story.tick(true).await.expect("nothing to do");
        assert!(story.toy.engine.noted().is_empty());
    }

    #[tokio::test]
    async fn a_failure_stays_and_keeps_no_other() {
        let story = Story::new();
        let stubborn = story.put("key", "stubborn").await;
        for role in ["a", "b", "c"] {
            story.put("key", role).await;
        }
        for _ in 0..2 {
            let failure = story.tick(true).await;
            assert_eq!(
                failure,
                Err(Failure::Internal("atlas does not answer".to_owned()))
            );
        }
        let mut noted = story.toy.engine.noted();
        noted.sort();
        assert_eq!(noted, ["a", "b", "c", "stubborn", "stubborn"]);
        assert_eq!(story.toy.storage.keys(), [format!("wal/{stubborn}")]);
    }

    #[tokio::test]
    async fn what_is_not_understood_is_left_alone() {
        let story = Story::new();
        story.put("key", "a").await;
        story.put("other", "b").await;
        for (key, value) in [
            ("wal/0", "not JSON"),
            ("wal/1", "{}"),
            ("wal/2", "{\"type\": 5, \"created_at\": 0}"),
            ("wal/folder/x", "{}"),
        ] {
            story.toy.storage.plant(key, value.as_bytes());
        }
        story.tick(true).await.expect("is no failure");
        assert_eq!(story.toy.engine.noted(), ["a"]);
        assert_eq!(story.toy.storage.keys().len(), 5);
    }

    #[tokio::test]
    async fn an_entry_without_data_is_understood() {
        let story = Story::new();
        let value = b"{\"type\": \"key\", \"created_at\": 5, \"later\": 1}";
        story.toy.storage.plant("wal/a", value);
        story.tick(false).await.expect("undoes");
        assert_eq!(story.toy.engine.noted(), [""]);
    }

    #[tokio::test]
    async fn a_tick_is_bounded_and_the_next_goes_on() {
        let story = Story::new();
        for _ in 0..=ENTRIES_PER_TICK {
            story.put("key", "stubborn").await;
        }
        let failure = story.tick(true).await.expect_err("all fail");
        assert!(failure.to_string().starts_with("100 steps"), "{failure}");
        assert_eq!(story.toy.engine.noted().len(), ENTRIES_PER_TICK);
        assert!(story.tick(true).await.is_err());
        assert_eq!(story.toy.engine.noted().len(), ENTRIES_PER_TICK + 1);
        assert!(story.tick(true).await.is_err());
        assert_eq!(story.toy.engine.noted().len(), 2 * ENTRIES_PER_TICK + 1);
    }

    #[tokio::test]
    async fn nothing_is_begun_once_nobody_waits() {
        let story = Story::new();
        story.put("key", "a").await;
        let caller = Caller::waiting(Duration::from_secs(90));
        caller.gone.cancel();
        let walk = Walk {
            engine: &story.toy.engine,
            storage: &*story.toy.storage,
            clock: &story.clock,
            caller: &caller,
            immediate: true,
        };
        story.log.roll_back(&walk).await.expect("does nothing");
        assert!(story.toy.engine.noted().is_empty());
    }

    proptest! {
        #[test]
        fn any_stored_bytes_are_left_or_undone(value: Vec<u8>, text in "[{}\":,a-z0-9]{0,40}") {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("starts");
            let story = Story::new();
            story.toy.storage.plant("wal/a", &value);
            story.toy.storage.plant("wal/b", text.as_bytes());
            prop_assert!(runtime.block_on(story.tick(true)).is_ok());
        }
    }
}
