//! Entries in storage, and the few facts about each that are kept in memory.
//!
//! Memory is filled from storage when it is first needed: by the first periodic run, which comes within a
//! minute of a start, or by the first decision on a role's `max_live`. A new process or a new active
//! node makes a new instance, and only the active node writes entries, so memory stays true; where a
//! write failed, its effect is unknown, and storage is read anew.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::{TryStreamExt as _, stream};
use tokio::sync::OnceCell;

use super::entry::{End, JournalEntry, State};
use super::index::{Counts, Index, RequestState};
use super::lately::Lately;
use super::ownership_tag::OwnershipTag;
use super::parts::{IssuedSecrets, LiveToken};
use super::tally::Tally;
use crate::atlas::ClientId;
use crate::base::{Clock, Entropy};
use crate::engine::error::EngineError;
use crate::engine::lost_secret::AmbiguousSecrets;
use crate::engine::names::JournalId;
use crate::engine::{keys, stored};
use crate::vault::{Storage, StorageError};

/// Names taken from storage in one listing.
pub(super) const PAGE: usize = 500;
/// Entries read from storage at once.
pub(super) const READS_AT_ONCE: usize = 16;
/// Locks that keep changes of one entry apart; entries share them.
const LOCKS: usize = 64;

/// The journal of one mount.
pub(crate) struct Journal {
    storage: Arc<dyn Storage>,
    /// What could not be decided of an entry goes with it.
    ambiguous: Arc<AmbiguousSecrets>,
    index: Arc<Mutex<Index>>,
    /// Held while storage is read into memory, so that it happens once.
    filling: tokio::sync::Mutex<()>,
    /// Each held from the reading of an entry to its writing, and while one is deleted: so that a
    /// renewal does not bring back what a revocation removes. Never across a call to Atlas.
    changing: [tokio::sync::Mutex<()>; LOCKS],
    /// Held by the periodic run at work, so that a slow one is not joined by the next.
    pub(super) sweeping: tokio::sync::Mutex<()>,
    ownership_tag: OnceCell<OwnershipTag>,
    /// When this instance was made, by monotonic time.
    pub(super) since: Duration,
    tally: Mutex<Tally>,
    pub(super) lately: Lately,
}

/// An incomplete entry in the hands of a request. Dropped before the entry is complete or removed,
/// it leaves the entry to the next periodic run.
pub(crate) struct Hold {
    index: Arc<Mutex<Index>>,
    id: JournalId,
}

impl Drop for Hold {
    fn drop(&mut self) {
        locked(&self.index).leave(&self.id);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Journal {
    /// The journal in `storage`; reads nothing yet.
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        ambiguous: Arc<AmbiguousSecrets>,
        clock: &dyn Clock,
    ) -> Self {
        Self {
            storage,
            ambiguous,
            index: Arc::new(Mutex::new(Index::new(clock.now()))),
            filling: tokio::sync::Mutex::default(),
            changing: std::array::from_fn(|_| tokio::sync::Mutex::default()),
            sweeping: tokio::sync::Mutex::default(),
            ownership_tag: OnceCell::new(),
            since: clock.monotonic(),
            tally: Mutex::default(),
            lately: Lately::default(),
        }
    }

    pub(super) fn storage(&self) -> &dyn Storage {
        &*self.storage
    }

    pub(super) fn index(&self) -> MutexGuard<'_, Index> {
        locked(&self.index)
    }

    pub(crate) fn tally(&self) -> MutexGuard<'_, Tally> {
        locked(&self.tally)
    }

    /// The mount's mark. The first call on a mount makes it, so only nodes that may act ask.
    pub(super) async fn ownership_tag(
        &self,
        entropy: &dyn Entropy,
    ) -> Result<&OwnershipTag, EngineError> {
        let made = || OwnershipTag::load_or_make(&*self.storage, entropy);
        self.ownership_tag.get_or_try_init(made).await
    }

    /// Draws the id of a new credential.
    pub(crate) async fn draw(&self, entropy: &dyn Entropy) -> Result<JournalId, EngineError> {
        Ok(JournalId::draw(entropy, self.ownership_tag(entropy).await?))
    }

    /// Writes a new incomplete entry, unless its role has `max_live` already; 0 is no limit.
    ///
    /// Its place is taken before anything is awaited, so that requests at the same time cannot share
    /// the last one.
    pub(crate) async fn begin(
        &self,
        id: &JournalId,
        entry: &JournalEntry,
        max_live: u32,
    ) -> Result<Hold, EngineError> {
        let hold = loop {
            if max_live > 0 {
                self.fill().await?;
            }
            if let Some(hold) = self.reserve(id, entry, max_live)? {
                break hold;
            }
        };
        if let Err(error) = stored::save(&*self.storage, keys::issued(id), entry, false).await {
            // Nothing was sent to Atlas. Should the entry be stored all the same, it is found when
            // storage is read anew.
            let mut index = self.index();
            index.remove(id);
            index.filled = false;
            return Err(error);
        }
        Ok(hold)
    }

    /// [`None`]: memory must be filled first.
    fn reserve(
        &self,
        id: &JournalId,
        entry: &JournalEntry,
        max_live: u32,
    ) -> Result<Option<Hold>, EngineError> {
        let mut index = self.index();
        if max_live > 0 && !index.filled {
            return Ok(None);
        }
        let live = index.alive(&entry.role);
        if max_live > 0 && live >= usize::try_from(max_live).unwrap_or(usize::MAX) {
            return Err(EngineError::TooManyLive {
                role: entry.role.clone(),
                live,
                max_live,
            });
        }
        index.put(id, entry, RequestState::InFlight);
        Ok(Some(Hold {
            index: Arc::clone(&self.index),
            id: id.clone(),
        }))
    }

    /// Writes an entry, new or changed.
    pub(crate) async fn write(
        &self,
        id: &JournalId,
        entry: &JournalEntry,
    ) -> Result<(), EngineError> {
        stored::save(&*self.storage, keys::issued(id), entry, false).await?;
        self.index().put(id, entry, RequestState::Unknown);
        Ok(())
    }

    /// Moves an entry's last possible moment, and notes the longest that its lease was given: a renewal
    /// like those before it writes nothing. An entry that is not there stays so, and one that was ended is
    /// refused.
    pub(crate) async fn extend(
        &self,
        id: &JournalId,
        max_expire_time: DateTime<Utc>,
        ttl: Duration,
    ) -> Result<(), EngineError> {
        let _changing = self.changing[id.bucket(LOCKS)].lock().await;
        let Some(mut entry) = self.entry(id).await? else {
            return Ok(());
        };
        if let Some(end) = &entry.ended {
            return Err(end.refusal(&entry.role));
        }
        let longest = (
            entry.max_expire_time.max(max_expire_time),
            entry.ttl.max(ttl.as_secs()),
        );
        if longest == (entry.max_expire_time, entry.ttl) {
            return Ok(());
        }
        (entry.max_expire_time, entry.ttl) = longest;
        self.write(id, &entry).await
    }

    /// Notes, in memory alone, until when a lease runs that was renewed.
    pub(crate) fn renewed(&self, id: &JournalId, lease_ends: DateTime<Utc>) {
        self.index().renewed(id, lease_ends);
    }

    /// Notes that a live entry's credential was ended, and is gone from Atlas. Whatever the entry became
    /// meanwhile stays: it was removed with its lease, or it was never handed out.
    pub(super) async fn end(&self, id: &JournalId, end: End) -> Result<(), EngineError> {
        let _changing = self.changing[id.bucket(LOCKS)].lock().await;
        let Some(mut entry) = self.entry(id).await? else {
            return Ok(());
        };
        if entry.state != State::Active {
            return Ok(());
        }
        entry.end(end);
        self.write(id, &entry).await?;
        self.lately.forget(id);
        Ok(())
    }

    /// Removes an entry; one that is not there is fine.
    pub(crate) async fn remove(&self, id: &JournalId) -> Result<(), EngineError> {
        let _changing = self.changing[id.bucket(LOCKS)].lock().await;
        let key = keys::issued(id);
        self.storage.delete(&key).await?;
        self.ambiguous.forget(&key);
        self.index().remove(id);
        self.lately.forget(id);
        Ok(())
    }

    /// The entry as it is stored.
    pub(crate) async fn entry(&self, id: &JournalId) -> Result<Option<JournalEntry>, EngineError> {
        stored::load(&*self.storage, &keys::issued(id)).await
    }

    /// Corrects memory by an entry as it was found in storage, or as it is whatever storage holds.
    pub(crate) fn learn(&self, id: &JournalId, entry: &JournalEntry) {
        self.index().put(id, entry, RequestState::Unknown);
    }

    /// The same by what storage holds now.
    pub(super) async fn relearn(&self, id: &JournalId) -> Result<(), EngineError> {
        let _changing = self.changing[id.bucket(LOCKS)].lock().await;
        if let Some(entry) = self.entry(id).await? {
            self.learn(id, &entry);
        }
        Ok(())
    }

    /// Another node wrote entries: what was derived from them is dropped.
    pub(crate) fn forget(&self, now: DateTime<Utc>) {
        self.index().forget(now);
    }

    /// Which of these have an entry, be it one that cannot be read. What was ended is in Atlas no more:
    /// where it is listed all the same, nobody else knows of it.
    pub(super) async fn known(
        &self,
        ids: impl Iterator<Item = JournalId> + Clone,
    ) -> Result<HashSet<JournalId>, EngineError> {
        let index = self.filled().await?;
        let is_known =
            |id: &JournalId| index.may_be_in_atlas(id) || index.unreadable_ids.contains(id);
        Ok(ids.filter(is_known).collect())
    }

    /// How many credentials are live.
    pub(crate) async fn live(&self) -> Result<usize, EngineError> {
        Ok(self.filled().await?.live())
    }

    /// How many credentials are being made, or were and are to be removed.
    pub(crate) async fn half_made(&self) -> Result<usize, EngineError> {
        Ok(self.filled().await?.all_half_made())
    }

    /// How many accounts are kept for roles.
    pub(crate) async fn kept(&self) -> Result<usize, EngineError> {
        Ok(self.filled().await?.kept())
    }

    /// Figures about all entries.
    pub(crate) async fn counts(&self, now: DateTime<Utc>) -> Result<Counts, EngineError> {
        Ok(self.filled().await?.counts(now))
    }

    /// Notes what came of a revocation that the server asked for.
    pub(crate) fn note_revocation(&self, id: &JournalId, is_done: bool) {
        self.index().note_revocation(id, is_done);
    }

    /// How many entries of each type are in which state.
    pub(crate) async fn counts_by_type(
        &self,
    ) -> Result<BTreeMap<(&'static str, State), usize>, EngineError> {
        Ok(self.filled().await?.counts_by_type())
    }

    /// How far an account has come that was made here, and for which role; [`None`]: it was not.
    pub(crate) async fn account(
        &self,
        client_id: &ClientId,
    ) -> Result<Option<(State, String)>, EngineError> {
        Ok(self.filled().await?.account(client_id))
    }

    /// The secrets issued of an existing service account.
    pub(crate) async fn secrets_of(
        &self,
        account: &ClientId,
    ) -> Result<IssuedSecrets, EngineError> {
        Ok(self.filled().await?.secrets_of(account))
    }

    /// The access tokens of an account that may be alive, those being minted included.
    pub(crate) async fn tokens_of(
        &self,
        account: &ClientId,
        now: DateTime<Utc>,
    ) -> Result<Vec<LiveToken>, EngineError> {
        Ok(self.filled().await?.tokens_of(account, now))
    }

    /// Memory that holds every entry. One that was just forgotten knows nothing: then everything in
    /// Atlas would be an orphan, and no secret in use.
    pub(super) async fn filled(&self) -> Result<MutexGuard<'_, Index>, EngineError> {
        loop {
            self.fill().await?;
            let index = self.index();
            if index.filled {
                return Ok(index);
            }
        }
    }

    /// Reads every entry into memory, the first time it is asked for.
    pub(crate) async fn fill(&self) -> Result<(), EngineError> {
        let _filling = self.filling.lock().await;
        {
            let mut index = self.index();
            if index.filled {
                return Ok(());
            }
            index.begin_filling();
        }
        let outcome = self.read_all().await;
        self.index().end_filling(outcome.is_ok());
        outcome
    }

    async fn read_all(&self) -> Result<(), EngineError> {
        let mut after = String::new();
        loop {
            let names = self.names_after(&after).await?;
            let Some(last) = names.last().cloned() else {
                return Ok(());
            };
            let names = stream::iter(names.into_iter().map(Ok));
            names
                .try_for_each_concurrent(READS_AT_ONCE, |name| self.remember(name))
                .await?;
            after = last;
        }
    }

    async fn names_after(&self, after: &str) -> Result<Vec<String>, StorageError> {
        self.storage.list_page(keys::ISSUED, after, PAGE).await
    }

    async fn remember(&self, name: String) -> Result<(), EngineError> {
        let Some(id) = JournalId::parse(&name) else {
            tracing::error!(
                key = name,
                "entry under issued/ is not named by a journal id"
            );
            self.index().unreadable += 1;
            return Ok(());
        };
        if self.index().contains(&id) {
            return Ok(());
        }
        match self.entry(&id).await {
            Ok(Some(entry)) => self.index().remember(&id, &entry),
            Ok(None) => {}
            Err(error @ EngineError::Unreadable { .. }) => {
                tracing::error!(%error, "skipping an unreadable journal entry");
                let mut index = self.index();
                index.unreadable += 1;
                index.unreadable_ids.insert(id);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::engine::testing::TestMount;

    fn entry(number: usize, state: &str) -> (String, Vec<u8>) {
        let id = format!("{number:020}");
        let entry = json!({
            "state": state, "role": "reader", "credential_type": "programmatic_api_key",
            "description": format!("vault-reader-{id}"),
            "organization_id": "0123456789abcdef01234567",
            "programmatic_api_key_id": "0123456789abcdef01234567",
            "display_name": "", "entity_id": "",
            "issued_at": "2026-01-01T00:00:00Z", "max_expire_time": "9999-01-01T00:00:00Z",
        });
        (format!("issued/{id}"), entry.to_string().into_bytes())
    }

    fn plant(mount: &TestMount, numbers: std::ops::Range<usize>) {
        for number in numbers {
            let (key, value) = entry(number, "active");
            mount.storage.plant(&key, &value);
        }
    }

    #[tokio::test]
    async fn every_page_of_storage_is_read() {
        let mount = TestMount::with_role(json!({ "max_live": 1_200 })).await;
        plant(&mount, 0..1_200);
        mount.storage.plant("issued/no-journal-id", b"{}");
        mount.storage.plant("issued/0123456789abcdefghij", b"{");
        let refused = mount.read("creds/reader").await.expect_err("too many");
        assert!(refused.to_string().contains("1200"), "{refused}");
        assert_eq!(mount.figure("entries", "active").await, 1_200);
        assert_eq!(mount.figure("entries", "unreadable").await, 2);
    }

    #[tokio::test]
    async fn storage_is_read_anew_after_a_failed_write() {
        let mount = TestMount::with_role(json!({})).await;
        mount.issue("reader").await;
        assert_eq!(mount.figure("entries", "active").await, 1);
        mount.storage.fail_after(Some(0));
        mount.read("creds/reader").await.expect_err("no storage");
        mount.storage.fail_after(None);
        plant(&mount, 0..1);
        assert_eq!(mount.figure("entries", "active").await, 2);
    }

    #[tokio::test]
    async fn what_another_node_wrote_is_read() {
        let mount = TestMount::configured().await;
        assert_eq!(mount.figure("entries", "active").await, 0);
        plant(&mount, 0..3);
        mount.invalidate("roles/reader").await;
        assert_eq!(mount.figure("entries", "active").await, 0);
        mount.invalidate("issued/00000000000000000000").await;
        assert_eq!(mount.figure("entries", "active").await, 3);
    }

    #[tokio::test]
    async fn a_renewal_does_not_bring_back_what_was_removed() {
        let mount = TestMount::with_role(json!({ "max_ttl": "1h" })).await;
        let (_, lease) = mount.issue("reader").await;
        mount.write_reader(json!({ "max_ttl": "4h" })).await;
        mount.revoke(&lease).await.expect("revoked");
        mount.renew(&lease).await.expect("an answer");
        assert_eq!(mount.journal_keys(), Vec::<String>::new());
    }
}
