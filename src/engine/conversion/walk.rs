//! The way through storage: in pages, some entries at once, each converted in one write.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::rename::{self, Rename, Resource};
use crate::engine::error::EngineError;
use crate::engine::stored;
use crate::vault::{Storage, StorageEntry};

/// Names taken from storage in one listing.
pub(super) const PAGE: usize = 500;
/// Entries in hand at once.
const AT_ONCE: usize = 16;

/// One conversion.
pub(super) struct Walk<'a> {
    storage: &'a dyn Storage,
    /// Cancelled once the mount is about to end.
    closing: &'a CancellationToken,
    converted: AtomicUsize,
    unreadable: AtomicUsize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(storage: &'a dyn Storage, closing: &'a CancellationToken) -> Self {
        Self {
            storage,
            closing,
            converted: AtomicUsize::new(0),
            unreadable: AtomicUsize::new(0),
        }
    }

    /// Ends where the mount is about to end.
    pub(super) fn refuse_end(&self) -> Result<(), EngineError> {
        if self.closing.is_cancelled() {
            return Err(EngineError::BeingDisabled);
        }
        Ok(())
    }

    /// Notes that an entry was converted.
    pub(super) fn is_converted(&self) {
        self.converted.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that an entry cannot be read, and says so.
    pub(super) fn is_unreadable(&self, key: &str) {
        tracing::warn!(key, "a stored entry cannot be read and was not converted");
        self.unreadable.fetch_add(1, Ordering::Relaxed);
    }

    /// How many entries were written.
    pub(super) fn converted(&self) -> usize {
        self.converted.load(Ordering::Relaxed)
    }

    /// How many entries could not be read.
    pub(super) fn unreadable(&self) -> usize {
        self.unreadable.load(Ordering::Relaxed)
    }

    /// Writes the entries that are made of a part of the one at a key. That keeps the part until it is
    /// converted itself, after this.
    pub(super) async fn split(
        &self,
        from: &str,
        make: fn(&Map<String, Value>) -> Vec<Resource>,
    ) -> Result<(), EngineError> {
        let Some(stored) = self.storage.get(from).await? else {
            return Ok(());
        };
        for (key, entry) in rename::made_of(&stored.value, make) {
            self.refuse_end()?;
            stored::save(self.storage, key, &entry, false).await?;
            self.is_converted();
        }
        Ok(())
    }

    /// Converts every entry of a folder, and moves it where the folder has another name today.
    pub(super) async fn folder(
        &self,
        from: &str,
        to: &str,
        rename: Rename,
    ) -> Result<(), EngineError> {
        let mut after = String::new();
        loop {
            let names = self.storage.list_page(from, &after, PAGE).await?;
            let Some(last) = names.last() else {
                return Ok(());
            };
            for names in names.chunks(AT_ONCE) {
                let keys = names.iter();
                let keys = keys.map(|name| (format!("{from}{name}"), format!("{to}{name}")));
                // One failure ends the walk, but no write that has begun is given up.
                let all = join_all(keys.map(async |(from, to)| self.one(&from, &to, rename).await));
                all.await.into_iter().collect::<Result<(), _>>()?;
            }
            after.clone_from(last);
        }
    }

    /// Converts the entry at a key, and moves it where that is another one today. What cannot be read
    /// stays as it is: whoever needs it says so.
    pub(super) async fn one(
        &self,
        from: &str,
        to: &str,
        rename: Rename,
    ) -> Result<(), EngineError> {
        self.refuse_end()?;
        let Some(stored) = self.storage.get(from).await? else {
            return Ok(());
        };
        let value = rename::in_text(&stored.value, rename);
        if value.is_none() && !rename::is_object(&stored.value) {
            self.is_unreadable(to);
        }
        if value.is_none() && from == to {
            return Ok(());
        }
        let entry = StorageEntry {
            key: to.to_owned(),
            value: value.unwrap_or(stored.value),
            seal_wrap: stored.seal_wrap,
        };
        self.storage.put(entry).await?;
        if from != to {
            self.storage.delete(from).await?;
        }
        self.is_converted();
        Ok(())
    }
}
