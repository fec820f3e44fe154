//! Entries in storage, and the few facts about each that are kept in memory.
//!
//! Memory is filled from storage once per instance: a new process or a new active node makes a new
//! instance, and only the active node writes entries, so memory stays true.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

use super::entry::{JournalEntry, JournalId, Part, Stage};
use crate::atlas::{ClientId, SecretId};
use crate::engine::error::EngineError;
use crate::engine::{keys, stored};
use crate::vault::Storage;

/// Entries read from storage in one listing.
const PAGE: usize = 500;

/// What is known of an entry without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Brief {
    stage: Stage,
    since: DateTime<Utc>,
    /// The request that made it has ended without completing it: nobody works on it any more.
    abandoned: bool,
    dies_by: DateTime<Utc>,
    part: Option<Part>,
}

impl Brief {
    fn of(entry: &JournalEntry) -> Self {
        Self {
            stage: entry.stage,
            since: entry.issued_at,
            abandoned: false,
            dies_by: entry.dies_by,
            part: entry.part.clone(),
        }
    }

    /// Whether a half-made one begun before `before` may be looked at. A token is none to look for:
    /// it counts until it is dead by itself.
    fn is_due(&self, before: DateTime<Utc>) -> bool {
        match self.part {
            Some(Part::Token { .. }) => self.dies_by < before,
            _ => self.abandoned || self.since < before,
        }
    }
}

/// An access token that may be alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LiveToken {
    /// The secret it was minted with.
    pub(crate) secret_id: SecretId,
    /// When it is dead.
    pub(crate) dies_by: DateTime<Utc>,
}

/// The journal of one mount.
pub(crate) struct Journal {
    storage: Arc<dyn Storage>,
    index: Mutex<Index>,
    /// Held while storage is read into memory, so that it happens once.
    filling: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Index {
    filled: bool,
    entries: BTreeMap<JournalId, Brief>,
    /// Removed while storage was being read.
    removed_meanwhile: HashSet<JournalId>,
}

impl Journal {
    /// The journal in `storage`; reads nothing yet.
    pub(crate) fn new(storage: Arc<dyn Storage>) -> Self {
        Self {
            storage,
            index: Mutex::default(),
            filling: tokio::sync::Mutex::default(),
        }
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes an entry, new or changed.
    pub(crate) async fn write(
        &self,
        id: &JournalId,
        entry: &JournalEntry,
    ) -> Result<(), EngineError> {
        stored::save(&*self.storage, keys::issued(id), entry, false).await?;
        let brief = Brief::of(entry);
        self.index().entries.insert(id.clone(), brief);
        Ok(())
    }

    /// Removes an entry; one that is not there is fine.
    pub(crate) async fn remove(&self, id: &JournalId) -> Result<(), EngineError> {
        self.storage.delete(&keys::issued(id)).await?;
        let mut index = self.index();
        index.entries.remove(id);
        if !index.filled {
            index.removed_meanwhile.insert(id.clone());
        }
        Ok(())
    }

    /// Says that nobody works on a half-made entry any more: the next tick may look at it.
    pub(crate) fn abandon(&self, id: &JournalId) {
        if let Some(brief) = self.index().entries.get_mut(id) {
            brief.abandoned = true;
        }
    }

    /// The entry as it is stored.
    pub(crate) async fn entry(&self, id: &JournalId) -> Result<Option<JournalEntry>, EngineError> {
        stored::load(&*self.storage, &keys::issued(id)).await
    }

    /// Half-made entries that were abandoned, or begun before `before`; oldest first.
    pub(crate) async fn half_made(
        &self,
        before: DateTime<Utc>,
    ) -> Result<Vec<JournalId>, EngineError> {
        self.fill().await?;
        let index = self.index();
        let mut due: Vec<_> = index
            .entries
            .iter()
            .filter(|(_, brief)| brief.stage == Stage::Making)
            .filter(|(_, brief)| brief.is_due(before))
            .map(|(id, brief)| (brief.since, id.clone()))
            .collect();
        due.sort_unstable();
        Ok(due.into_iter().map(|(_, id)| id).collect())
    }

    /// How many credentials are live.
    pub(crate) async fn live(&self) -> Result<usize, EngineError> {
        self.fill().await?;
        Ok(self
            .index()
            .entries
            .values()
            .filter(|brief| brief.stage == Stage::Live)
            .count())
    }

    /// How many accounts are kept for roles.
    pub(crate) async fn kept(&self) -> Result<usize, EngineError> {
        self.fill().await?;
        let index = self.index();
        let kept = |brief: &&Brief| brief.stage == Stage::Kept;
        Ok(index.entries.values().filter(kept).count())
    }

    /// The secrets issued of an account that exists, and of those begun the entries of which the
    /// outcome is not known.
    pub(crate) async fn secrets_of(
        &self,
        account: &ClientId,
    ) -> Result<(Vec<SecretId>, Vec<JournalId>), EngineError> {
        self.fill().await?;
        let (mut known, mut unsettled) = (Vec::new(), Vec::new());
        for (id, brief) in &self.index().entries {
            if let Some(Part::Secret {
                client_id,
                secret_id,
                ..
            }) = &brief.part
                && client_id == account
            {
                known.extend(secret_id.clone());
                if brief.stage == Stage::Making {
                    unsettled.push(id.clone());
                }
            }
        }
        Ok((known, unsettled))
    }

    /// The access tokens of an account that may be alive, those being minted included.
    pub(crate) async fn tokens_of(
        &self,
        account: &ClientId,
        now: DateTime<Utc>,
    ) -> Result<Vec<LiveToken>, EngineError> {
        self.fill().await?;
        let index = self.index();
        let alive = index.entries.values().filter(|brief| brief.dies_by > now);
        let tokens = alive.filter_map(|brief| match &brief.part {
            Some(Part::Token {
                client_id,
                secret_id,
            }) if client_id == account => Some(LiveToken {
                secret_id: secret_id.clone(),
                dies_by: brief.dies_by,
            }),
            _ => None,
        });
        Ok(tokens.collect())
    }

    /// Reads every entry into memory, the first time it is asked for.
    async fn fill(&self) -> Result<(), EngineError> {
        let _filling = self.filling.lock().await;
        if self.index().filled {
            return Ok(());
        }
        let mut after = String::new();
        loop {
            let page = self.storage.list_page(keys::ISSUED, &after, PAGE).await?;
            let Some(last) = page.last().cloned() else {
                break;
            };
            for name in page {
                self.remember(&name).await?;
            }
            after = last;
        }
        let mut index = self.index();
        index.filled = true;
        index.removed_meanwhile.clear();
        Ok(())
    }

    async fn remember(&self, name: &str) -> Result<(), EngineError> {
        let Some(id) = JournalId::parse(name) else {
            tracing::error!(
                key = name,
                "an entry under issued/ has a name that is no journal id"
            );
            return Ok(());
        };
        if self.index().entries.contains_key(&id) {
            return Ok(());
        }
        let entry = match self.entry(&id).await {
            Ok(Some(entry)) => entry,
            Ok(None) => return Ok(()),
            Err(error @ EngineError::Unreadable { .. }) => {
                tracing::error!(%error, "a journal entry is left alone");
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let mut index = self.index();
        if !index.removed_meanwhile.contains(&id) {
            index.entries.entry(id).or_insert_with(|| Brief::of(&entry));
        }
        Ok(())
    }
}
