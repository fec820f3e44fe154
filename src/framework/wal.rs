//! Write-ahead log: entries in storage that say what must be undone, and the walk that undoes it.
//!
//! An engine written in Go puts an entry before it makes something outside, and deletes it once that
//! is safe; what a crash leaves behind is found by the periodic function. Keys and shape are those
//! of Vault's SDK. Entries are read and undone here, never written: an engine of ours has its own
//! journal. Source: `framework.PutWAL` and its siblings.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use super::call::Handler;
use crate::base::Clock;
use crate::vault::{Caller, Failure, Storage, StorageError};

/// Where entries are stored; entries are best kept out of replication, as a special path.
pub(crate) const PREFIX: &str = "wal/";

/// The age above which an entry counts as left behind.
const MINIMUM_AGE: Duration = Duration::from_mins(10);

/// The most entries one periodic run looks at; the next one goes on behind them.
const ENTRIES_PER_TICK: usize = 100;

/// The most failures whose text is told to the host.
const FAILURES_TOLD: usize = 5;

/// One entry. `Debug` does not show its data.
#[derive(Clone, PartialEq)]
pub(crate) struct WalEntry {
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
#[derive(Deserialize)]
struct Stored {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    data: Value,
    created_at: i64,
}

/// Deletes an entry; one that is not there is fine.
pub(crate) async fn delete(storage: &dyn Storage, id: &str) -> Result<(), StorageError> {
    storage.delete(&format!("{PREFIX}{id}")).await
}

/// Undoes what entries tell, by the handler of each entry's kind.
pub(super) struct Log<E> {
    pub(super) handlers: BTreeMap<&'static str, Handler<E, WalEntry, ()>>,
}

impl<E> Default for Log<E> {
    fn default() -> Self {
        Self {
            handlers: BTreeMap::new(),
        }
    }
}

/// Where a mount's last periodic run stopped; empty to begin anew.
#[derive(Default)]
pub(super) struct Position(Mutex<String>);

impl Position {
    fn get(&self) -> MutexGuard<'_, String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a walk works with.
pub(super) struct Walk<'a, E> {
    pub(super) engine: &'a Arc<E>,
    pub(super) storage: &'a dyn Storage,
    pub(super) clock: &'a dyn Clock,
    pub(super) position: &'a Position,
    pub(super) caller: &'a Caller,
    /// Undo entries however young they are.
    pub(super) immediate: bool,
}

impl<E> Log<E> {
    /// Undoes the entries that are old enough, each on its own: one failure does not keep the
    /// others. What succeeds is deleted; what fails, and what is not understood, stays.
    pub(super) async fn roll_back(&self, walk: &Walk<'_, E>) -> Result<(), Failure> {
        let mut failures = Vec::new();
        let ids = next_ids(walk.storage, walk.position).await?;
        for id in &ids {
            if walk.caller.gone.is_cancelled() || Instant::now() >= walk.caller.deadline {
                return joined(failures);
            }
            if let Err(failure) = self.undo(walk, id).await {
                tracing::warn!(
                    entry = id,
                    %failure,
                    "write-ahead log entry could not be rolled back"
                );
                failures.push(failure);
            }
            walk.position.get().clone_from(id);
        }
        if ids.len() < ENTRIES_PER_TICK {
            walk.position.get().clear();
        }
        joined(failures)
    }

    async fn undo(&self, walk: &Walk<'_, E>, id: &str) -> Result<(), Failure> {
        let Some(stored) = walk.storage.get(&format!("{PREFIX}{id}")).await? else {
            return Ok(());
        };
        let Some(entry) = WalEntry::read(id, &stored.value) else {
            tracing::warn!(entry = id, "skipping an unreadable write-ahead log entry");
            return Ok(());
        };
        if !walk.immediate && !is_old(&entry, walk.clock) {
            return Ok(());
        }
        let Some(undo) = self.handlers.get(entry.kind.as_str()) else {
            let kind = &entry.kind;
            tracing::warn!(
                entry = id,
                kind,
                "skipping a write-ahead log entry of unknown kind"
            );
            return Ok(());
        };
        undo(Arc::clone(walk.engine), entry).await?;
        Ok(delete(walk.storage, id).await?)
    }
}

/// The ids behind those of the last periodic run, or the first ones when all had their turn.
async fn next_ids(storage: &dyn Storage, position: &Position) -> Result<Vec<String>, StorageError> {
    let after = position.get().clone();
    let mut ids = storage.list_page(PREFIX, &after, ENTRIES_PER_TICK).await?;
    if ids.is_empty() && !after.is_empty() {
        ids = storage.list_page(PREFIX, "", ENTRIES_PER_TICK).await?;
    }
    Ok(ids)
}

fn is_old(entry: &WalEntry, clock: &dyn Clock) -> bool {
    let age = clock.now().timestamp() - entry.created_at.timestamp();
    u64::try_from(age).is_ok_and(|age| age > MINIMUM_AGE.as_secs())
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
    use crate::base::time::TestClock;
    use crate::framework::call::handler;
    use crate::framework::toy::{Toy, ToyMount};

    struct Story {
        toy: ToyMount,
        clock: TestClock,
        log: Log<Toy>,
        position: Position,
    }

    async fn undo(toy: Arc<Toy>, entry: WalEntry) -> Result<(), Failure> {
        let what = entry.data["Role"].as_str().unwrap_or_default();
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
                clock: TestClock::at(start),
                log,
                position: Position::default(),
            }
        }

        /// An entry as an engine in Go would write it now; answers its id.
        fn put(&self, kind: &str, role: &str) -> String {
            let id = format!("{kind}-{role}-{:03}", self.toy.storage.keys().len());
            let stored = json!({
                "type": kind,
                "data": {"Role": role, "ProjectID": ""},
                "created_at": self.clock.now().timestamp(),
            });
            let stored = stored.to_string();
            let key = format!("{PREFIX}{id}");
            self.toy.storage.plant(&key, stored.as_bytes());
            id
        }

        fn turn(&self, seconds: u64) {
            self.clock.advance(std::time::Duration::from_secs(seconds));
        }

        async fn tick(&self, immediate: bool) -> Result<(), Failure> {
            let walk = Walk {
                engine: &self.toy.engine,
                storage: &*self.toy.storage,
                clock: &self.clock,
                position: &self.position,
                caller: &Caller::waiting(Duration::from_secs(90)),
                immediate,
            };
            self.log.roll_back(&walk).await
        }
    }

    #[tokio::test]
    async fn only_old_entries_are_undone() {
        let story = Story::new();
        story.put("key", "a");
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
        story.put("key", "a");
        story.tick(true).await.expect("undoes");
        assert!(story.toy.storage.keys().is_empty());
    }

    #[tokio::test]
    async fn deleted_entries_are_not_undone() {
        let story = Story::new();
        let id = story.put("key", "a");
        delete(&*story.toy.storage, &id).await.expect("deletes");
        story.tick(true).await.expect("nothing to do");
        assert!(story.toy.engine.noted().is_empty());
    }

    #[tokio::test]
    async fn a_failure_stays_and_keeps_no_other() {
        let story = Story::new();
        let stubborn = story.put("key", "stubborn");
        for role in ["a", "b", "c"] {
            story.put("key", role);
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
        story.put("key", "a");
        story.put("other", "b");
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
    async fn a_periodic_run_is_bounded_and_the_next_continues() {
        let story = Story::new();
        for _ in 0..=ENTRIES_PER_TICK {
            story.put("key", "stubborn");
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
        story.put("key", "a");
        let caller = Caller::waiting(Duration::from_secs(90));
        caller.gone.cancel();
        let walk = Walk {
            engine: &story.toy.engine,
            storage: &*story.toy.storage,
            clock: &story.clock,
            position: &story.position,
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
