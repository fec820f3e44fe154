//! The configuration in hand while its credential is rotated, and the lock to have it in hand.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::time::Instant;

use crate::atlas::{ClientId, Level, OrgId, SecretId};
use crate::engine::connection::ConfiguredClient;
use crate::engine::entries::ConfigEntry;
use crate::engine::error::{EngineError, RotationError};
use crate::engine::keyed_mutex::{KeyedGuard, KeyedMutex};
use crate::engine::rotation::{Record, RotatedRecord};
use crate::engine::rotation_state::{ClientSecret, KnownBy, OtherSecrets, PresentSecret};
use crate::engine::{Engine, keys, stored};

/// What one mount keeps in memory about its configuration.
#[derive(Default)]
pub(crate) struct Root {
    lock: KeyedMutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Clients of credentials that were replaced: alive as long as a request holds one.
    replaced: Vec<Weak<ConfiguredClient>>,
    /// The threshold of the secret's end of which the log has warned.
    warned: Option<usize>,
    /// Monotonic.
    looked_at: Option<Duration>,
}

impl Root {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nobody else changes the configuration.
    pub(in crate::engine::config) async fn lock(
        &self,
        deadline: Instant,
    ) -> Result<KeyedGuard, EngineError> {
        let guard = self.lock.wait(&(), deadline).await;
        guard.ok_or_else(|| RotationError::Busy.into())
    }

    /// The same, before requests that wait to change it: for ticks, and for what asks nothing of Atlas.
    pub(in crate::engine::config) async fn lock_first(
        &self,
        deadline: Instant,
    ) -> Result<KeyedGuard, EngineError> {
        let guard = self.lock.wait_first(&(), deadline).await;
        guard.ok_or_else(|| RotationError::Busy.into())
    }

    /// A client was replaced; requests under way may hold it.
    pub(in crate::engine::config) fn replaced(&self, linked: Option<&Arc<ConfiguredClient>>) {
        let mut state = self.state();
        state.replaced.retain(|each| each.strong_count() > 0);
        state.replaced.extend(linked.map(Arc::downgrade));
    }

    /// Whether a request still works with a credential that was replaced.
    pub(super) fn is_old_in_use(&self) -> bool {
        let state = self.state();
        state.replaced.iter().any(|each| each.strong_count() > 0)
    }

    pub(super) fn warned(&self) -> Option<usize> {
        self.state().warned
    }

    pub(super) fn note_warned(&self, threshold: Option<usize>) {
        self.state().warned = threshold;
    }

    /// Whether the account is to be looked at, after so long a time; if so, that is noted.
    pub(super) fn is_time_to_look(&self, now: Duration, every: Duration) -> bool {
        let mut state = self.state();
        let due = state
            .looked_at
            .is_none_or(|at| now.saturating_sub(at) >= every);
        if due {
            state.looked_at = Some(now);
        }
        due
    }
}

/// The configuration in hand.
pub(super) struct RootRecord {
    pub(super) engine: Arc<Engine>,
    pub(super) entry: ConfigEntry,
    account: Option<(ClientId, OrgId)>,
}

impl RootRecord {
    /// The stored configuration; [`None`] if there is none.
    pub(super) async fn load(engine: &Arc<Engine>) -> Result<Option<Self>, EngineError> {
        let entry: Option<ConfigEntry> = stored::load(&*engine.storage, keys::CONFIG).await?;
        Ok(entry.map(|entry| Self::of(engine, entry)))
    }

    /// A configuration that is at hand.
    pub(super) fn of(engine: &Arc<Engine>, entry: ConfigEntry) -> Self {
        Self {
            engine: Arc::clone(engine),
            account: entry.client_id.clone().zip(entry.organization_id.clone()),
            entry,
        }
    }

    /// As an account whose secret can be rotated.
    pub(super) fn account(&mut self) -> Result<AccountRecord<'_>, EngineError> {
        let (client_id, org) = self
            .account
            .clone()
            .ok_or(EngineError::OrganizationUnknown)?;
        Ok(AccountRecord {
            root: self,
            client_id,
            level: Level::Org(org),
        })
    }

    /// Writes the configuration.
    pub(super) async fn store(&self) -> Result<(), EngineError> {
        stored::save(
            &*self.engine.storage,
            keys::CONFIG.to_owned(),
            &self.entry,
            true,
        )
        .await
    }

    /// Lets new requests use the stored credential. The old client goes when the last request that
    /// holds it has ended.
    pub(super) async fn activate(&mut self) -> Result<(), EngineError> {
        let linked = self.engine.connection.link(&self.entry).await;
        // Made by the next request then, from what is stored.
        let linked = linked.inspect_err(|_| self.engine.connection.reset())?;
        let old = self.engine.connection.replace(linked);
        self.engine.root.replaced(old.as_ref());
        self.account = (self.entry.client_id.clone()).zip(self.entry.organization_id.clone());
        Ok(())
    }
}

/// The configuration's service account.
pub(super) struct AccountRecord<'a> {
    root: &'a mut RootRecord,
    client_id: ClientId,
    level: Level,
}

#[async_trait]
impl Record for AccountRecord<'_> {
    fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    fn level(&self) -> Level {
        self.level.clone()
    }

    /// Only requests under way use the old secret, and those are waited for.
    fn overlap(&self) -> Duration {
        Duration::ZERO
    }

    fn current(&self) -> Option<PresentSecret> {
        let entry = &self.root.entry;
        Some(PresentSecret {
            known_by: match &entry.rotation.client_secret_id {
                Some(id) => KnownBy::Id(id.clone()),
                None => KnownBy::Value(entry.client_secret.clone()),
            },
            expires_at: entry.client_secret_expires_at,
        })
    }

    fn amend_current(&mut self, id: Option<SecretId>, expires_at: Option<DateTime<Utc>>) {
        self.root.entry.rotation.client_secret_id = id;
        self.root.entry.client_secret_expires_at = expires_at;
    }

    fn others(&self) -> &OtherSecrets {
        &self.root.entry.rotation.others
    }

    fn others_mut(&mut self) -> &mut OtherSecrets {
        &mut self.root.entry.rotation.others
    }

    fn key(&self) -> String {
        keys::CONFIG.to_owned()
    }

    async fn store(&self) -> Result<(), EngineError> {
        self.root.store().await
    }
}

impl RotatedRecord for AccountRecord<'_> {
    fn publish(&mut self, held: ClientSecret, now: DateTime<Utc>) {
        self.amend_current(held.id, held.expires_at);
        self.root.entry.client_secret = held.value;
        self.root.entry.rotation.note_success(now);
    }
}
