//! Secrets that an account was left with: a static role was deleted, or another credential was written to
//! the configuration, while secrets of its account were still to be removed. The account and its present
//! secret stay.
//!
//! There is one such entry for an account at most, under an id made of the account's: a repeated attempt
//! writes the same one. Its owner's room says when it is worked off; how is the same for all.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::entry::{EndedBy, JournalEntry, Part};
use super::index::Index;
use super::owner::Owner;
use super::store::Journal;
use crate::atlas::{AtlasError, ClientId, Hours, Level, OrgId, RequestBudget, SecretId};
use crate::engine::entries::CredentialType;
use crate::engine::error::{EngineError, RotationError};
use crate::engine::names::JournalId;
use crate::engine::origin::BoundTo;
use crate::engine::rotation::{Manager, Record, RotationContext, discard_pending, retire};
use crate::engine::rotation_state::{
    ClientSecret, KnownBy, LeftSecrets, OtherSecrets, PresentSecret, RotationMode,
};
use crate::engine::unasked::Mandate;
use crate::engine::{Engine, keys, stored};
use crate::vault::failure::chain;

/// As whose work failures are told.
const WORK: &str = "retirement";

/// What an account is left with, and whose it was.
pub(crate) struct Leaving {
    pub(crate) owner: Owner,
    pub(crate) organization_id: OrgId,
    pub(crate) origin: BoundTo,
    pub(crate) secrets: LeftSecrets,
    /// The account's present secret.
    pub(crate) present: Option<ClientSecret>,
    /// Who left it.
    pub(crate) by: EndedBy,
    pub(crate) at: DateTime<Utc>,
}

impl Leaving {
    fn entry(mut self) -> JournalEntry {
        let id = self.present.and_then(|present| present.id);
        self.secrets.present_secret_id = id;
        JournalEntry {
            owner: self.owner,
            organization_id: Some(self.organization_id),
            origin: self.origin,
            display_name: self.by.display_name,
            entity_id: self.by.entity_id,
            max_expire_time: self.secrets.removed_by(self.at),
            part: Some(Part::Secrets(self.secrets)),
            ..JournalEntry::begun(String::new(), CredentialType::ServiceAccount, self.at)
        }
    }

    /// The present secret, where the work needs its value: to sign in with, or to know it by.
    fn needed_value(&self) -> Option<&ClientSecret> {
        let signs_in = self.secrets.rotation_mode == RotationMode::Own;
        let present = self.present.as_ref();
        present.filter(|present| signs_in || present.id.is_none())
    }
}

impl Journal {
    /// Writes what an account is left with, before whatever rotated it goes. The value that this needs comes
    /// last: whoever drops the entry of an account that is rotated all the same drops the value, too.
    pub(crate) async fn leave_secrets(&self, leaving: Leaving) -> Result<(), EngineError> {
        let client_id = leaving.secrets.client_id.clone();
        let value = leaving.needed_value().cloned();
        let id = JournalId::of_left_secrets(&client_id);
        self.write(&id, &leaving.entry()).await?;
        match value {
            Some(value) => {
                let key = keys::present_secret(&client_id);
                stored::save(self.storage(), key, &value, true).await
            }
            None => Ok(()),
        }
    }

    /// What an account was left with, if with anything.
    pub(crate) async fn left_secrets(
        &self,
        client_id: &ClientId,
    ) -> Result<Option<JournalEntry>, EngineError> {
        self.entry(&JournalId::of_left_secrets(client_id)).await
    }

    /// Forgets what an account was left with: it is gone, or somebody else sees to it. The entry goes last,
    /// so that no value stays of which nobody knows.
    pub(crate) async fn forget_left_secrets(
        &self,
        client_id: &ClientId,
    ) -> Result<(), EngineError> {
        let key = keys::present_secret(client_id);
        self.storage().delete(&key).await?;
        self.remove(&JournalId::of_left_secrets(client_id)).await
    }

    /// The accounts with left secrets that belong to such an owner, and when there is something to do.
    pub(crate) async fn accounts_with_left_secrets(
        &self,
        is_owner: impl Fn(&Owner) -> bool,
    ) -> Result<Vec<LeftAccount>, EngineError> {
        let index = self.filled().await?;
        Ok(index.accounts_with_left_secrets(is_owner))
    }
}

/// An account with left secrets.
#[derive(Debug, Clone)]
pub(crate) struct LeftAccount {
    pub(crate) id: JournalId,
    pub(crate) client_id: ClientId,
    /// [`None`]: nothing is left to be removed but the entry.
    pub(crate) wake: Option<DateTime<Utc>>,
    /// Secrets that are left, or may be.
    pub(crate) count: usize,
}

impl Index {
    fn accounts_with_left_secrets(&self, is_owner: impl Fn(&Owner) -> bool) -> Vec<LeftAccount> {
        let briefs = self.briefs().filter(|(_, brief)| is_owner(&brief.owner));
        let left = briefs.filter_map(|(id, brief)| match &brief.part {
            Some(Part::Secrets(left)) => Some(LeftAccount {
                id: id.clone(),
                client_id: left.client_id.clone(),
                wake: left.wake(),
                count: left.others.retiring.len() + usize::from(left.others.pending.is_some()),
            }),
            _ => None,
        });
        left.collect()
    }
}

impl Engine {
    /// Accounts with left secrets of such an owner whose turn it is, with when it came: what failed rests.
    /// Of an account that `is_rotated` again the entry is to go at once.
    pub(crate) async fn due_left_secrets(
        &self,
        is_owner: impl Fn(&Owner) -> bool,
        is_rotated: impl Fn(&ClientId) -> bool,
    ) -> Result<Vec<(DateTime<Utc>, ClientId)>, EngineError> {
        let (now, monotonic) = (self.clock.now(), self.clock.monotonic());
        let mut left = self.journal.accounts_with_left_secrets(is_owner).await?;
        let index = self.journal.index();
        left.retain(|account| !index.rests(&account.id, monotonic));
        let due = left.into_iter().map(|account| {
            let wake = account.wake.filter(|_| !is_rotated(&account.client_id));
            (wake.unwrap_or(DateTime::UNIX_EPOCH), account.client_id)
        });
        Ok(due.filter(|(at, _)| *at <= now).collect())
    }
}

/// Removes what it is time to remove of the secrets that an account was left with, and the entry once
/// nothing is. The caller holds the account's lock, and has made sure that nobody rotates it again.
pub(crate) async fn clean_up_left_secrets(
    engine: &Arc<Engine>,
    client_id: &ClientId,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let Some(mut record) = LeftRecord::load(engine, client_id).await? else {
        return engine.journal.forget_left_secrets(client_id).await;
    };
    let outcome = record.work_off(budget).await;
    let (id, key) = (&record.id, record.key());
    if engine.rate_waits.note(&key, &outcome, engine.clock.now()) {
        return outcome;
    }
    match &outcome {
        Ok(()) => engine.journal.index().succeeded(id),
        Err(error) => {
            tracing::warn!(
                journal_id = %id,
                %client_id,
                error = %chain(error),
                "replaced client secret could not be deleted yet; retrying"
            );
            let journal = &engine.journal;
            journal.index().failed(id, engine.clock.monotonic());
            let now = engine.clock.now();
            journal.tally().failed(now, WORK, Some(id), error);
        }
    }
    outcome
}

/// An account with left secrets in hand.
struct LeftRecord {
    engine: Arc<Engine>,
    id: JournalId,
    entry: JournalEntry,
    left: LeftSecrets,
    organization_id: OrgId,
    /// The present secret, where its value is needed.
    value: Option<ClientSecret>,
    /// Something is known that is not stored yet.
    has_learnt: bool,
}

impl LeftRecord {
    /// [`None`]: there is no such entry.
    async fn load(engine: &Arc<Engine>, client_id: &ClientId) -> Result<Option<Self>, EngineError> {
        let id = JournalId::of_left_secrets(client_id);
        let Some(entry) = engine.journal.entry(&id).await? else {
            return Ok(None);
        };
        let Some(Part::Secrets(left)) = entry.part.clone() else {
            return Err(EngineError::NoSuchCredential);
        };
        let organization = entry.organization_id.clone();
        let organization_id = organization.ok_or(EngineError::OrganizationUnknown)?;
        let key = keys::present_secret(client_id);
        Ok(Some(Self {
            engine: Arc::clone(engine),
            value: stored::load(&*engine.storage, &key).await?,
            id,
            entry,
            left,
            organization_id,
            has_learnt: false,
        }))
    }

    async fn work_off(&mut self, budget: RequestBudget) -> Result<(), EngineError> {
        if !self.left.others.is_done() {
            self.remove_due(budget).await?;
        }
        if self.left.others.is_done() {
            return self
                .engine
                .journal
                .forget_left_secrets(&self.left.client_id)
                .await;
        }
        if self.has_learnt {
            self.store().await?;
        }
        Ok(())
    }

    async fn remove_due(&mut self, budget: RequestBudget) -> Result<(), EngineError> {
        let engine = Arc::clone(&self.engine);
        let linked = engine.connection.linked_to(&self.entry.origin).await?;
        let value = self.value.as_ref().map(|present| &present.value);
        let mode = self.left.rotation_mode;
        let manager = Manager::of(linked, mode, &self.left.client_id, value)?;
        let context = RotationContext {
            engine: &engine,
            atlas: &manager.atlas,
            budget,
            // None is made.
            lifetime: Hours::SHORTEST_SECRET,
            mandate: Mandate::Unasked,
        };
        let outcome = match discard_pending(self, &context).await {
            Ok(()) => retire(self, &context).await,
            Err(error) => Err(error),
        };
        let outcome = match outcome {
            Err(EngineError::Rotation(RotationError::AccountGone { source, .. })) => {
                self.without_account(&context, source).await
            }
            outcome => outcome,
        };
        manager.done(outcome).await
    }

    /// Where the account is managed Atlas does not know it. Once it is proved to be gone in the
    /// organization as well, so are its secrets. One that only left its project lives on there.
    async fn without_account(
        &mut self,
        context: &RotationContext<'_>,
        unknown: AtlasError,
    ) -> Result<(), EngineError> {
        const DOING: &str = "looking for the service account in its organization";
        let (org, client_id) = (&self.organization_id, &self.left.client_id);
        let found = context
            .atlas
            .find_service_account(org, client_id, context.budget);
        let found = found
            .await
            .map_err(|error| EngineError::atlas(DOING, error))?;
        if found.is_none() {
            self.left.others = OtherSecrets::default();
            return Ok(());
        }
        match self.left.project_id.take() {
            // The next try looks for it there.
            Some(_) => {
                self.has_learnt = true;
                Ok(())
            }
            None => Err(EngineError::atlas(DOING, unknown)),
        }
    }
}

#[async_trait]
impl Record for LeftRecord {
    fn client_id(&self) -> &ClientId {
        &self.left.client_id
    }

    fn level(&self) -> Level {
        self.left.level(self.organization_id.clone())
    }

    fn overlap(&self) -> Duration {
        self.left.overlap
    }

    fn current(&self) -> Option<PresentSecret> {
        let known_by = match (&self.left.present_secret_id, &self.value) {
            (Some(id), _) => KnownBy::Id(id.clone()),
            (None, Some(present)) => KnownBy::Value(present.value.clone()),
            (None, None) => return None,
        };
        Some(PresentSecret {
            known_by,
            expires_at: None,
        })
    }

    /// When it ends is of no use here.
    fn amend_current(&mut self, id: Option<SecretId>, _: Option<DateTime<Utc>>) {
        self.has_learnt |= self.left.present_secret_id != id;
        self.left.present_secret_id = id;
    }

    fn others(&self) -> &OtherSecrets {
        &self.left.others
    }

    fn others_mut(&mut self) -> &mut OtherSecrets {
        &mut self.left.others
    }

    fn key(&self) -> String {
        keys::issued(&self.id)
    }

    async fn store(&self) -> Result<(), EngineError> {
        let entry = JournalEntry {
            part: Some(Part::Secrets(self.left.clone())),
            ..self.entry.clone()
        };
        self.engine.journal.write(&self.id, &entry).await
    }
}
