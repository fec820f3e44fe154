//! Storage and system view in memory, for tests of the layers above; storage can be told to fail.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::failure::READ_ONLY_TEXT;
use super::storage::{Storage, StorageEntry, StorageError, page_of};
use super::system_view::{Replication, SystemView, SystemViewError};
use crate::base::Sensitive;

/// Storage in memory.
#[derive(Debug, Default)]
pub(crate) struct MemoryStorage {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    entries: BTreeMap<String, StorageEntry>,
    read_only: bool,
    writes_until_failure: Option<usize>,
    writes_until_cancelled: Option<(usize, CancellationToken)>,
    writes_until_one_fails: Option<usize>,
    next_lands_with: Option<CancellationToken>,
    refused: Option<Refused>,
}

#[derive(Debug)]
struct Refused {
    key: String,
    gives_none: bool,
}

impl MemoryStorage {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes every write fail as a standby's does, or work again.
    pub(crate) fn set_read_only(&self, read_only: bool) {
        self.state().read_only = read_only;
    }

    /// Lets `writes` more writes pass and fails those after; [`None`] lets all pass.
    pub(crate) fn fail_after(&self, writes: Option<usize>) {
        self.state().writes_until_failure = writes;
    }

    /// Lets `writes` more writes pass and cancels the token during the one after.
    pub(crate) fn cancel_after(&self, writes: usize, token: CancellationToken) {
        self.state().writes_until_cancelled = Some((writes, token));
    }

    /// Lets the next value that is put land only once the token is cancelled.
    pub(crate) fn land_next_with(&self, token: CancellationToken) {
        self.state().next_lands_with = Some(token);
    }

    /// Lets `writes` more writes pass and fails the one after, that one alone; [`None`] lets all pass.
    /// True: the failure that was ordered before is still to come.
    pub(crate) fn fail_once_after(&self, writes: Option<usize>) -> bool {
        let before = std::mem::replace(&mut self.state().writes_until_one_fails, writes);
        before.is_some()
    }

    /// Takes nothing more for this key, though for all others; with `gives_none` it is not given either.
    pub(crate) fn refuse_key(&self, key: &str, gives_none: bool) {
        self.state().refused = Some(Refused {
            key: key.to_owned(),
            gives_none,
        });
    }

    /// All keys, sorted.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.state().entries.keys().cloned().collect()
    }

    /// The value of a key that is there.
    pub(crate) fn value(&self, key: &str) -> Vec<u8> {
        self.state().entries[key].value.clone()
    }

    /// Takes a value away without asking whether writes may pass.
    pub(crate) fn unplant(&self, key: &str) {
        self.state().entries.remove(key);
    }

    /// Puts a value without asking whether writes may pass.
    pub(crate) fn plant(&self, key: &str, value: &[u8]) {
        let entry = StorageEntry {
            key: key.to_owned(),
            value: value.to_owned(),
            seal_wrap: false,
        };
        self.state().entries.insert(key.to_owned(), entry);
    }
}

fn told_to() -> StorageError {
    StorageError::Refused("storage failed as it was told to".to_owned())
}

impl State {
    fn may_give(&self, key: &str) -> Result<(), StorageError> {
        match &self.refused {
            Some(refused) if refused.gives_none && refused.key == key => Err(told_to()),
            _ => Ok(()),
        }
    }

    fn may_take(&self, key: &str) -> Result<(), StorageError> {
        match &self.refused {
            Some(refused) if refused.key == key => Err(told_to()),
            _ => Ok(()),
        }
    }

    fn write_may_pass(&mut self) -> Result<(), StorageError> {
        if self.read_only {
            return Err(StorageError::Refused(READ_ONLY_TEXT.to_owned()));
        }
        match &mut self.writes_until_cancelled {
            Some((0, token)) => token.cancel(),
            Some((left, _)) => *left -= 1,
            None => {}
        }
        match &mut self.writes_until_one_fails {
            Some(0) => {
                self.writes_until_one_fails = None;
                return Err(told_to());
            }
            Some(left) => *left -= 1,
            None => {}
        }
        match &mut self.writes_until_failure {
            Some(0) => Err(told_to()),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Storage for MemoryStorage {
    async fn get(&self, key: &str) -> Result<Option<StorageEntry>, StorageError> {
        let state = self.state();
        state.may_give(key)?;
        Ok(state.entries.get(key).cloned())
    }

    async fn put(&self, entry: StorageEntry) -> Result<(), StorageError> {
        // A real write takes a while, in which others have their turn.
        tokio::task::yield_now().await;
        let lands = self.state().next_lands_with.take();
        if let Some(lands) = lands {
            lands.cancelled().await;
        }
        let mut state = self.state();
        state.may_take(&entry.key)?;
        state.write_may_pass()?;
        state.entries.insert(entry.key.clone(), entry);
        Ok(())
    }

    async fn delete(&self, key: &str) -> Result<(), StorageError> {
        let mut state = self.state();
        state.write_may_pass()?;
        state.entries.remove(key);
        Ok(())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        let state = self.state();
        let below = state
            .entries
            .keys()
            .filter_map(|key| key.strip_prefix(prefix));
        let mut children: Vec<String> = below
            .map(|rest| {
                rest.split_inclusive('/')
                    .next()
                    .unwrap_or_default()
                    .to_owned()
            })
            .collect();
        children.dedup();
        Ok(children)
    }

    async fn list_page(
        &self,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<String>, StorageError> {
        Ok(page_of(self.list(prefix).await?, after, limit))
    }
}

/// A system view whose answers a test sets.
#[derive(Debug)]
pub(crate) struct FixedSystemView {
    answers: Mutex<Answers>,
}

#[derive(Debug, Clone, Copy)]
struct Answers {
    default_ttl: Duration,
    max_ttl: Duration,
    tainted: bool,
    replication: Replication,
    local: bool,
}

impl Default for FixedSystemView {
    /// The answers of an active node with the server's defaults: 768 hours for both TTLs.
    fn default() -> Self {
        let month = Duration::from_hours(768);
        Self {
            answers: Mutex::new(Answers {
                default_ttl: month,
                max_ttl: month,
                tainted: false,
                replication: Replication(8_224),
                local: false,
            }),
        }
    }
}

impl FixedSystemView {
    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tunes the mount.
    pub(crate) fn set_ttls(&self, default_ttl: Duration, max_ttl: Duration) {
        let mut answers = self.answers();
        answers.default_ttl = default_ttl;
        answers.max_ttl = max_ttl;
    }

    /// Moves the node.
    pub(crate) fn set_replication(&self, replication: Replication) {
        self.answers().replication = replication;
    }

    /// Begins to disable the mount.
    pub(crate) fn set_tainted(&self, tainted: bool) {
        self.answers().tainted = tainted;
    }

    /// Makes the mount local.
    pub(crate) fn set_local(&self, local: bool) {
        self.answers().local = local;
    }
}

#[async_trait]
impl SystemView for FixedSystemView {
    async fn default_lease_ttl(&self) -> Result<Duration, SystemViewError> {
        Ok(self.answers().default_ttl)
    }

    async fn max_lease_ttl(&self) -> Result<Duration, SystemViewError> {
        Ok(self.answers().max_ttl)
    }

    async fn tainted(&self) -> Result<bool, SystemViewError> {
        Ok(self.answers().tainted)
    }

    async fn replication(&self) -> Result<Replication, SystemViewError> {
        Ok(self.answers().replication)
    }

    async fn local_mount(&self) -> Result<bool, SystemViewError> {
        Ok(self.answers().local)
    }

    async fn server_version(&self) -> Result<String, SystemViewError> {
        Ok("2.7.2".to_owned())
    }

    /// There is one policy, `long`, and one whose passwords are too short, `short`. Of `silent` no answer comes.
    async fn password_of(&self, policy: &str) -> Result<Sensitive, SystemViewError> {
        let password = match policy {
            "long" => "by-the-policy-p@ss/word",
            "short" => "abc",
            _ => {
                return Err(SystemViewError {
                    question: "a password by a policy",
                    reason: "failed to generate password".to_owned(),
                    refused: policy != "silent",
                });
            }
        };
        Ok(Sensitive::new(password.to_owned()))
    }
}
