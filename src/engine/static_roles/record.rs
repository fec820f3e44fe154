//! A static role in hand: its entry, its place in storage, and whoever manages its account.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::entry::StaticRoleEntry;
use crate::atlas::{ClientId, Level, SecretId};
use crate::engine::error::EngineError;
use crate::engine::rotation::{Manager, Record, RotatedRecord};
use crate::engine::rotation_state::{ClientSecret, OtherSecrets, PresentSecret};
use crate::engine::{Engine, keys, stored};

/// A static role in hand.
pub(super) struct RoleRecord {
    pub(super) engine: Arc<Engine>,
    pub(super) name: String,
    pub(super) entry: StaticRoleEntry,
}

impl RoleRecord {
    /// What work on this role is called in `status`: its path.
    pub(super) fn work(&self) -> String {
        self.key()
    }

    /// Tells the index how things stand.
    pub(super) fn note(&self) {
        let now = self.engine.clock.now();
        let index = &self.engine.static_roles;
        index.note(&self.name, &self.entry, now);
    }

    /// Plans the next rotation, from the last one or else from now.
    pub(super) fn plan_next(&mut self, now: DateTime<Utc>) {
        let plan = self.entry.rotation.plan();
        self.entry.rotation.plan_next(&plan, &self.name, now);
    }

    /// The timing is another from now on.
    pub(super) fn plan_anew(&mut self, now: DateTime<Utc>) {
        let plan = self.entry.rotation.plan();
        self.entry.rotation.plan_anew(&plan, &self.name, now);
    }

    /// A shorter overlap counts for secrets that were replaced before, too: each is looked at when it
    /// says so, be the role deleted by then.
    pub(super) fn look_sooner(&mut self) {
        let overlap = self.entry.options.overlap;
        for each in &mut self.entry.others.retiring {
            each.look_at = each.look_at.min(each.since + overlap);
        }
    }

    /// Forgets the role in storage.
    pub(super) async fn erase(&self) -> Result<(), EngineError> {
        self.engine.storage.delete(&self.key()).await?;
        self.engine.ambiguous.forget(&self.key());
        Ok(())
    }

    /// After a failed write: what storage holds is what there is. Unread, nothing is known better.
    pub(super) async fn reload(&mut self) {
        if let Ok(Some(entry)) = stored::load(&*self.engine.storage, &self.key()).await {
            self.entry = entry;
        }
    }

    /// Signed in as whoever manages the account now.
    pub(super) async fn manager(&self) -> Result<Manager, EngineError> {
        let secret = self.entry.current.as_ref().map(|held| &held.value);
        let linked = self.engine.connection.linked_to(&self.entry.origin).await?;
        Manager::of(
            linked,
            self.entry.options.rotation_mode,
            &self.entry.client_id,
            secret,
        )
    }
}

#[async_trait]
impl Record for RoleRecord {
    fn client_id(&self) -> &ClientId {
        &self.entry.client_id
    }

    fn level(&self) -> Level {
        self.entry.level()
    }

    fn overlap(&self) -> Duration {
        self.entry.options.overlap
    }

    fn current(&self) -> Option<PresentSecret> {
        self.entry.current.as_ref().map(PresentSecret::from)
    }

    fn amend_current(&mut self, id: Option<SecretId>, expires_at: Option<DateTime<Utc>>) {
        if let Some(current) = &mut self.entry.current {
            current.id = id;
            current.expires_at = expires_at;
        }
    }

    fn others(&self) -> &OtherSecrets {
        &self.entry.others
    }

    fn others_mut(&mut self) -> &mut OtherSecrets {
        &mut self.entry.others
    }

    fn key(&self) -> String {
        keys::static_role(&self.name)
    }

    async fn store(&self) -> Result<(), EngineError> {
        stored::save(&*self.engine.storage, self.key(), &self.entry, true).await
    }
}

impl RotatedRecord for RoleRecord {
    fn publish(&mut self, held: ClientSecret, now: DateTime<Utc>) {
        self.entry.current = Some(held);
        self.entry.lost = None;
        let plan = self.entry.rotation.plan();
        self.entry.rotation.note_success(&plan, &self.name, now);
    }
}
