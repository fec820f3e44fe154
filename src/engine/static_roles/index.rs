//! What is due when: one line for each static role, in memory.
//!
//! Due times live in storage. Memory is filled from there the first time it is needed, and again
//! after another node changed a role; only the node that may write does either.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

use super::entry::StaticRoleEntry;
use crate::atlas::ClientId;
use crate::engine::error::EngineError;
use crate::engine::keyed_mutex::{KeyedGuard, KeyedMutex};
use crate::engine::rotation_state::{ExpiryStatus, RotationFailure};
use crate::engine::{keys, stored};
use crate::vault::Storage;

/// Entries read in one listing.
const PAGE: usize = 500;
/// How often an account is looked at though nothing is due: somebody may have changed it in Atlas.
const LOOK_EVERY: TimeDelta = TimeDelta::days(1);

/// What is known of a role without reading it.
#[derive(Debug, Clone)]
pub(super) struct Brief {
    pub(super) name: String,
    pub(super) wake: Option<DateTime<Utc>>,
    /// When to look at the account though nothing is due.
    pub(super) look: DateTime<Utc>,
    pub(super) expiry: ExpiryStatus,
    /// The present series of failures.
    pub(super) failure: Option<RotationFailure>,
    /// The threshold of its end of which the log has warned.
    pub(super) warned: Option<usize>,
}

impl Brief {
    fn of(name: &str, entry: &StaticRoleEntry, look: DateTime<Utc>) -> Self {
        let next_retry_time = entry
            .rotation
            .failure
            .as_ref()
            .map(|failure| failure.next_retry_time);
        Self {
            name: name.to_owned(),
            wake: entry.wake(),
            // What failed, a look or a rotation that is not due, is settled by the next look.
            look: next_retry_time.map_or(look, |next_retry_time| next_retry_time.min(look)),
            expiry: entry.expiry(),
            failure: entry.rotation.failure.clone(),
            warned: None,
        }
    }
}

/// All static roles of a mount.
#[derive(Default)]
pub(crate) struct StaticRoles {
    state: Mutex<State>,
    filling: tokio::sync::Mutex<()>,
    names: KeyedMutex<String>,
}

fn busy(name: &str) -> EngineError {
    EngineError::Busy {
        what: format!("static role {name:?}"),
    }
}

#[derive(Default)]
struct State {
    filled: bool,
    briefs: BTreeMap<ClientId, Brief>,
    /// Noted or dropped since filling began: newer than what is read from storage.
    fresh: HashSet<ClientId>,
}

impl State {
    fn put(&mut self, client_id: &ClientId, mut brief: Brief) {
        brief.warned = self.briefs.get(client_id).and_then(|brief| brief.warned);
        self.briefs.insert(client_id.clone(), brief);
    }
}

impl StaticRoles {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another node changed a role: what is known of all is read anew when it is next needed.
    pub(crate) fn forget(&self) {
        self.state().filled = false;
    }

    /// Waits for the name's turn: a name becomes another account's, or nobody's, only with it. It is
    /// waited for before the account's.
    pub(super) async fn lock_name(
        &self,
        name: &String,
        deadline: Instant,
    ) -> Result<KeyedGuard, EngineError> {
        let guard = self.names.wait(name, deadline).await;
        guard.ok_or_else(|| busy(name))
    }

    /// The same, before requests that wait for the name.
    pub(super) async fn lock_name_first(
        &self,
        name: &String,
        deadline: Instant,
    ) -> Result<KeyedGuard, EngineError> {
        let guard = self.names.wait_first(name, deadline).await;
        guard.ok_or_else(|| busy(name))
    }

    /// Notes a role as it is stored now.
    pub(super) fn note(&self, name: &str, entry: &StaticRoleEntry, looked_at: DateTime<Utc>) {
        self.note_look(name, entry, looked_at + LOOK_EVERY);
    }

    /// The same; the account is looked at next at `look`, if nothing is due before.
    pub(super) fn note_look(&self, name: &str, entry: &StaticRoleEntry, look: DateTime<Utc>) {
        let brief = Brief::of(name, entry, look);
        let mut state = self.state();
        if !state.filled {
            state.fresh.insert(entry.client_id.clone());
        }
        state.put(&entry.client_id, brief);
    }

    /// Remembers of which threshold of a secret's end the log has warned.
    pub(super) fn note_warned(&self, client_id: &ClientId, threshold: Option<usize>) {
        if let Some(brief) = self.state().briefs.get_mut(client_id) {
            brief.warned = threshold;
        }
    }

    /// A role is no more.
    pub(super) fn drop(&self, client_id: &ClientId) {
        let mut state = self.state();
        state.briefs.remove(client_id);
        if !state.filled {
            state.fresh.insert(client_id.clone());
        }
    }

    /// Everything that is known.
    pub(super) async fn briefs(
        &self,
        storage: &dyn Storage,
        now: DateTime<Utc>,
    ) -> Result<BTreeMap<ClientId, Brief>, EngineError> {
        self.fill(storage, now).await?;
        Ok(self.state().briefs.clone())
    }

    /// The name of the role that holds an account.
    pub(crate) async fn holder(
        &self,
        client_id: &ClientId,
        storage: &dyn Storage,
        now: DateTime<Utc>,
    ) -> Result<Option<String>, EngineError> {
        self.fill(storage, now).await?;
        let state = self.state();
        let brief = state.briefs.get(client_id);
        Ok(brief.map(|brief| brief.name.clone()))
    }

    async fn fill(&self, storage: &dyn Storage, now: DateTime<Utc>) -> Result<(), EngineError> {
        let _filling = self.filling.lock().await;
        if self.state().filled {
            return Ok(());
        }
        {
            // What an attempt that failed half-way has read may have changed since; what was written
            // meanwhile is known better than storage tells.
            let State { briefs, fresh, .. } = &mut *self.state();
            briefs.retain(|client_id, _| fresh.contains(client_id));
        }
        let (mut number, mut after) = (0, String::new());
        loop {
            let page = storage.list_page(keys::STATIC_ROLES, &after, PAGE).await?;
            let Some(last) = page.last().cloned() else {
                break;
            };
            for name in page {
                number += 1;
                // Roles are looked at over the first day, not all at once.
                let spread = TimeDelta::minutes(number % (24 * 60));
                let looked_at = now - LOOK_EVERY + spread;
                self.remember(storage, &name, looked_at).await?;
            }
            after = last;
        }
        let mut state = self.state();
        state.filled = true;
        state.fresh.clear();
        Ok(())
    }

    async fn remember(
        &self,
        storage: &dyn Storage,
        name: &str,
        looked_at: DateTime<Utc>,
    ) -> Result<(), EngineError> {
        match stored::load::<StaticRoleEntry>(storage, &keys::static_role(name)).await {
            Ok(Some(entry)) => {
                let mut state = self.state();
                if !state.fresh.contains(&entry.client_id) {
                    let brief = Brief::of(name, &entry, looked_at + LOOK_EVERY);
                    state.put(&entry.client_id, brief);
                }
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(error @ EngineError::Unreadable { .. }) => {
                tracing::error!(%error, "skipping an unreadable static role");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}
