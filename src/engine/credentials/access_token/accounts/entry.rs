//! The stored accounts of one role.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::atlas::{ClientId, CreatedSecret, Level, OrgId, ProjectId, SecretId};
use crate::base::Sensitive;
use crate::engine::Engine;
use crate::engine::credentials::Grant;
use crate::engine::entries::CredentialType;
use crate::engine::error::EngineError;
use crate::engine::journal::{JournalEntry, Owner, State};
use crate::engine::lost_secret::SecretRequest;
use crate::engine::names::{JournalId, RoleName};
use crate::engine::origin::BoundTo;
use crate::engine::resource::Resource;
use crate::engine::stored::plain_text;
use crate::engine::{keys, stored};

/// Longest life of an access token. Source: Atlas documentation, "Generate Service Account Token".
pub(crate) const TOKEN_LIFE: TimeDelta = TimeDelta::hours(1);

/// A secret must outlive the tokens minted with it: without one nobody can revoke them.
const OUTLIVES: TimeDelta = TimeDelta::hours(2);

/// What is stored at `managed-accounts/<role>`, seal-wrapped.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ManagedAccounts {
    /// The account with which tokens are minted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) current: Option<ManagedAccount>,
    /// Accounts with which none is minted any more; they wait for the end of their tokens.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) retired: Vec<RetiredAccount>,
}

/// A service account of the role's reach.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ManagedAccount {
    /// Its journal entry.
    pub(crate) journal_id: JournalId,
    /// The account.
    pub(crate) client_id: ClientId,
    /// Where it is managed, also if it was made in a project.
    pub(crate) organization_id: OrgId,
    /// Where it was made, and where its secrets go.
    #[serde(default, skip_serializing_if = "BoundTo::is_legacy")]
    pub(crate) origin: BoundTo,
    /// What it was made for.
    pub(crate) reach: Reach,
    /// Oldest first; two at most.
    pub(crate) secrets: Vec<ManagedSecret>,
    /// Requests for another, of which the answers may be missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) requests: Vec<SecretRequest>,
}

/// An account that only waits for the end of its tokens.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RetiredAccount {
    /// The account.
    pub(crate) account: ManagedAccount,
    /// Since when nothing is minted with it.
    pub(crate) since: DateTime<Utc>,
}

/// One secret of a managed account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ManagedSecret {
    /// The secret's id.
    pub(crate) id: SecretId,
    /// The secret.
    #[serde(serialize_with = "plain_text")]
    pub(crate) client_secret: Sensitive,
    /// When it was made, by our clock.
    pub(crate) made_at: DateTime<Utc>,
    /// When Atlas stops taking it.
    pub(crate) expires_at: DateTime<Utc>,
    /// Since when nothing is minted with it, for a newer one is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) superseded_at: Option<DateTime<Utc>>,
}

impl ManagedSecret {
    /// A secret as Atlas just showed it.
    pub(crate) fn new(created: CreatedSecret, now: DateTime<Utc>) -> Self {
        Self {
            id: created.id,
            client_secret: created.client_secret,
            made_at: now,
            expires_at: created.expires_at,
            superseded_at: None,
        }
    }

    /// Whether it is time for another: the last third of its life has begun.
    fn is_aging(&self, now: DateTime<Utc>) -> bool {
        self.expires_at - now < (self.expires_at - self.made_at) / 3
    }
}

impl ManagedAccount {
    /// The secret to mint with; [`None`] if a new one is needed before.
    pub(crate) fn minting_secret(&self, now: DateTime<Utc>) -> Option<&ManagedSecret> {
        let newest = self.secrets.last()?;
        (newest.expires_at - now > OUTLIVES).then_some(newest)
    }

    /// The secrets that still sign in unless somebody deleted them, the newest first.
    pub(crate) fn working_secrets(
        &self,
        now: DateTime<Utc>,
    ) -> impl Iterator<Item = &ManagedSecret> {
        let newest_first = self.secrets.iter().rev();
        newest_first.filter(move |secret| secret.expires_at > now)
    }

    /// Whether a new secret should be made before the newest one ends.
    pub(crate) fn is_due(&self, now: DateTime<Utc>) -> bool {
        self.secrets
            .last()
            .is_none_or(|secret| secret.is_aging(now))
    }

    /// Brings its journal entry up to what is known here.
    pub(crate) fn complete(&self, entry: &mut JournalEntry) {
        let (org, id) = (self.organization_id.clone(), self.client_id.clone());
        entry.note(&Resource::ServiceAccount(org, id));
        entry.state = State::Managed;
        entry.owner = Owner::ManagedAccount;
        if let Some(secret) = self.secrets.last() {
            entry.max_expire_time = secret.expires_at;
        }
    }

    /// The level at which its secrets are managed.
    pub(crate) fn level(&self) -> Level {
        Level::Org(self.organization_id.clone())
    }
}

impl ManagedAccounts {
    /// What is stored for a role.
    pub(crate) async fn load(engine: &Engine, role: &RoleName) -> Result<Self, EngineError> {
        let stored = stored::load(&*engine.storage, &keys::managed_accounts(role)).await?;
        let accounts: Self = stored.unwrap_or_default();
        accounts.meet(engine);
        Ok(accounts)
    }

    /// Stores it, or nothing where nothing is left.
    pub(crate) async fn save(&self, engine: &Engine, role: &RoleName) -> Result<(), EngineError> {
        let key = keys::managed_accounts(role);
        if self.current.is_none() && self.retired.is_empty() {
            engine.storage.delete(&key).await?;
            engine.ambiguous.forget(&key);
            return Ok(());
        }
        self.meet(engine);
        stored::save(&*engine.storage, key.clone(), self, true).await?;
        let is_there = |id: &ClientId| self.accounts().any(|account| account.client_id == *id);
        engine.ambiguous.keep_of(&key, is_there);
        Ok(())
    }

    fn meet(&self, engine: &Engine) {
        let secrets = self.accounts().flat_map(|account| &account.secrets);
        let ids = secrets.map(|secret| &secret.id);
        engine.seen_secrets.meet(ids, engine.clock.monotonic());
    }

    /// Mints nothing more with the current account.
    pub(crate) fn retire(&mut self, now: DateTime<Utc>) {
        let account = self.current.take();
        let retired = account.map(|account| RetiredAccount {
            account,
            since: now,
        });
        self.retired.extend(retired);
    }

    /// All accounts, the current one first.
    pub(crate) fn accounts(&self) -> impl Iterator<Item = &ManagedAccount> {
        let retired = self.retired.iter().map(|retired| &retired.account);
        self.current.iter().chain(retired)
    }
}

/// The account of a journal entry, if the stored accounts of its role name it. Its entry looks
/// incomplete where the process died, or storage failed, between the two writes.
pub(crate) async fn managed_account(
    engine: &Engine,
    id: &JournalId,
    entry: &JournalEntry,
) -> Result<Option<ManagedAccount>, EngineError> {
    if entry.credential_type != CredentialType::ServiceAccount || entry.part.is_some() {
        return Ok(None);
    }
    let accounts = ManagedAccounts::load(engine, &RoleName::new(&entry.role)).await?;
    let mut accounts = accounts.accounts();
    Ok(accounts.find(|account| account.journal_id == *id).cloned())
}

/// The journal ids of all accounts that are kept for roles.
pub(crate) async fn managed_accounts(engine: &Engine) -> Result<Vec<JournalId>, EngineError> {
    let mut kept = Vec::new();
    for name in engine.storage.list(keys::MANAGED_ACCOUNTS).await? {
        let accounts = ManagedAccounts::load(engine, &RoleName::new(&name)).await?;
        kept.extend(
            accounts
                .accounts()
                .map(|account| account.journal_id.clone()),
        );
    }
    Ok(kept)
}

/// What an account was made for: with any other reach it is replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reach {
    #[serde(skip_serializing_if = "Option::is_none")]
    organization_id: Option<OrgId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    project_id: Option<ProjectId>,
    roles: Vec<String>,
    assignments: BTreeMap<String, Vec<String>>,
    access_list: Vec<String>,
}

impl Reach {
    /// The reach of a role; the order in which things are named does not matter.
    pub(crate) fn of(grant: &Grant) -> Self {
        let (organization_id, project_id) = match &grant.level {
            Level::Org(org) => (Some(org.clone()), None),
            Level::Project(project) => (None, Some(project.clone())),
        };
        let assignments = grant.assignments.iter();
        let entries = grant.access_list.entries().iter();
        Self {
            organization_id,
            project_id,
            roles: sorted(grant.roles.clone()),
            assignments: assignments
                .map(|(project, roles)| (project.to_string(), sorted(roles.clone())))
                .collect(),
            access_list: sorted(entries.map(ToString::to_string).collect()),
        }
    }
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort_unstable();
    texts.dedup();
    texts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Clock as _, SystemClock};
    use crate::engine::entries::RoleEntry;
    use crate::engine::testing::fixtures::{assert_written_as_read, read_of_every_release};

    const ID: &str = "5cf5a45a9ccf6400e60981b7";

    #[test]
    fn what_is_kept_of_this_version_is_what_it_writes() {
        assert_written_as_read::<ManagedAccounts>("managed-accounts/");
    }

    #[tokio::test]
    async fn the_accounts_that_a_release_managed_are_read_with_all_their_secrets() {
        let read = read_of_every_release::<ManagedAccounts>("managed-accounts/").await;
        for (kept, accounts) in read {
            let retired = kept["retired"].as_array().map_or(0, Vec::len);
            assert_eq!(accounts.retired.len(), retired);
            let Some(current) = accounts.current else {
                assert!(kept.get("current").is_none());
                continue;
            };
            let secrets = kept["current"]["secrets"].as_array().expect("secrets");
            let before = |secret: &ManagedSecret| secret.made_at + TimeDelta::seconds(1);
            for (secret, kept) in current.secrets.iter().zip(secrets) {
                assert_eq!(secret.client_secret.expose(), kept["client_secret"]);
                let working: Vec<_> = current.working_secrets(before(secret)).collect();
                assert!(working.iter().any(|works| works.id == secret.id));
            }
            assert_eq!(current.secrets.len(), secrets.len());
        }
    }

    fn reach(roles: &[&str], addresses: &[&str]) -> Reach {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let role = RoleEntry {
            organization_id: ID.to_owned(),
            roles: texts(roles),
            ip_addresses: texts(addresses),
            ..RoleEntry::default()
        };
        Reach::of(&Grant::of_stored(&role).unwrap())
    }

    fn secret(hours_left: i64, now: DateTime<Utc>) -> ManagedSecret {
        ManagedSecret {
            id: ID.parse().unwrap(),
            client_secret: Sensitive::new("mdb_sa_sk_hidden".to_owned()),
            made_at: now - TimeDelta::hours(168 - hours_left),
            expires_at: now + TimeDelta::hours(hours_left),
            superseded_at: None,
        }
    }

    fn account(secrets: Vec<ManagedSecret>) -> ManagedAccount {
        ManagedAccount {
            journal_id: JournalId::parse("01234567890123456789").unwrap(),
            client_id: format!("mdb_sa_id_{ID}").parse().unwrap(),
            organization_id: ID.parse().unwrap(),
            origin: BoundTo::default(),
            reach: reach(&["ORG_MEMBER"], &[]),
            secrets,
            requests: Vec::new(),
        }
    }

    #[test]
    fn the_order_of_a_reach_does_not_matter() {
        let one = reach(&["ORG_MEMBER", "ORG_OWNER"], &["192.0.2.1", "192.0.2.2"]);
        let same = reach(&["ORG_OWNER", "ORG_MEMBER"], &["192.0.2.2", "192.0.2.1"]);
        assert_eq!(one, same);
        assert_ne!(one, reach(&["ORG_MEMBER", "ORG_OWNER"], &["192.0.2.1"]));
        assert_ne!(one, reach(&["ORG_MEMBER"], &["192.0.2.1", "192.0.2.2"]));
    }

    #[test]
    fn a_secret_is_due_in_its_last_third_and_out_of_use_before_its_end() {
        let now = SystemClock.now();
        for (hours_left, due, mints, works) in [
            (100, false, true, true),
            (55, true, true, true),
            (2, true, false, true),
            (0, true, false, false),
        ] {
            let account = account(vec![secret(hours_left, now)]);
            assert_eq!(account.is_due(now), due, "{hours_left}");
            assert_eq!(account.minting_secret(now).is_some(), mints, "{hours_left}");
            assert_eq!(
                account.working_secrets(now).next().is_some(),
                works,
                "{hours_left}"
            );
        }
    }

    #[test]
    fn the_secret_is_stored_but_never_shown() {
        let accounts = ManagedAccounts {
            current: Some(account(vec![secret(9, SystemClock.now())])),
            ..ManagedAccounts::default()
        };
        let stored = serde_json::to_string(&accounts).unwrap();
        assert!(stored.contains("mdb_sa_sk_hidden"));
        assert!(!format!("{accounts:?}").contains("hidden"));
        let read: ManagedAccounts = serde_json::from_str(&stored).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), stored);
    }
}
