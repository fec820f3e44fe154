//! Everything that exists, and the steps that touch more than one thing.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::azure::Azure;
use crate::clock::after;
use crate::database;
use crate::encryption;
use crate::settings::Settings;
use crate::state::{Account, ApiKey, Holder, Org, Project, Token};

/// Everything that exists.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct World {
    pub(crate) orgs: BTreeMap<String, Org>,
    pub(crate) projects: BTreeMap<String, Project>,
    pub(crate) keys: BTreeMap<String, ApiKey>,
    /// Public key to id.
    pub(crate) public_keys: HashMap<String, String>,
    pub(crate) accounts: BTreeMap<String, Account>,
    pub(crate) tokens: HashMap<String, Token>,
    /// What is behind Atlas.
    #[serde(default)]
    pub(crate) azure: Azure,
    /// Keys of every kind and accounts that are deleted but may still be seen.
    pub(crate) fading: usize,
}

impl World {
    /// Has all happen that was due by now.
    pub(crate) fn catch_up(&mut self, settings: &Settings, now: DateTime<Utc>) {
        encryption::catch_up(self, settings, now);
        database::catch_up(self, settings, now);
    }

    /// An existing key.
    pub(crate) fn key(&self, id: &str) -> Option<&ApiKey> {
        self.keys.get(id).filter(|key| key.holder.exists())
    }

    /// An existing key, to change it.
    pub(crate) fn key_mut(&mut self, id: &str) -> Option<&mut ApiKey> {
        self.keys.get_mut(id).filter(|key| key.holder.exists())
    }

    /// An existing account.
    pub(crate) fn account(&self, client_id: &str) -> Option<&Account> {
        self.accounts
            .get(client_id)
            .filter(|account| account.holder.exists())
    }

    /// An existing account, to change it.
    pub(crate) fn account_mut(&mut self, client_id: &str) -> Option<&mut Account> {
        self.accounts
            .get_mut(client_id)
            .filter(|account| account.holder.exists())
    }

    /// Adds a key; its id and public key are new.
    pub(crate) fn add_key(&mut self, key: ApiKey) {
        self.public_keys
            .insert(key.public_key.clone(), key.id.clone());
        self.keys.insert(key.id.clone(), key);
    }

    /// Deletes a key from its organization and every project.
    pub(crate) fn delete_key(&mut self, id: &str, now: DateTime<Utc>, settings: &Settings) {
        let lag = settings.read_lag_after_delete_seconds;
        if lag.max(settings.deleted_key_lives_seconds) == 0 {
            if let Some(key) = self.keys.remove(id) {
                self.public_keys.remove(&key.public_key);
            }
        } else if let Some(key) = self.key_mut(id) {
            key.holder.deleted_at = Some(now);
            self.fading += 1;
        }
    }

    /// Deletes an AI model key of a project; whether it was there.
    pub(crate) fn delete_model_key(
        &mut self,
        project: &str,
        id: &str,
        now: DateTime<Utc>,
        settings: &Settings,
    ) -> bool {
        let Some(project) = self.projects.get_mut(project) else {
            return false;
        };
        let Some(key) = project.model_keys.get_mut(id).filter(|key| key.exists()) else {
            return false;
        };
        if settings.read_lag_after_delete_seconds == 0 {
            project.model_keys.remove(id);
        } else {
            key.deleted_at = Some(now);
            self.fading += 1;
        }
        true
    }

    /// Deletes an account with its secrets, and its tokens if they die with it.
    pub(crate) fn delete_account(&mut self, id: &str, now: DateTime<Utc>, settings: &Settings) {
        let Some(account) = self.account_mut(id) else {
            return;
        };
        account.holder.deleted_at = Some(now);
        let tokens = std::mem::take(&mut account.tokens);
        self.fading += 1;
        if !settings.tokens_die_with_account {
            return;
        }
        for token in tokens {
            self.tokens.remove(&token);
        }
        if settings.read_lag_after_delete_seconds == 0 {
            self.accounts.remove(id);
            self.fading -= 1;
        }
    }

    /// Forgets what was deleted so long ago that no read and no sign-in can meet it.
    pub(crate) fn sweep(&mut self, now: DateTime<Utc>, settings: &Settings) {
        if self.fading == 0 {
            return;
        }
        let keep = settings
            .read_lag_after_delete_seconds
            .max(settings.deleted_key_lives_seconds)
            .max(if settings.tokens_die_with_account {
                0
            } else {
                settings.token_seconds
            });
        let stays_until =
            |gone: Option<DateTime<Utc>>| gone.is_none_or(|gone| now < after(gone, keep));
        let stays = |holder: &Holder| stays_until(holder.deleted_at);
        let (keys, accounts) = (self.keys.len(), self.accounts.len());
        let public_keys = &mut self.public_keys;
        self.keys.retain(|_, key| {
            let stays = stays(&key.holder);
            if !stays {
                public_keys.remove(&key.public_key);
            }
            stays
        });
        self.accounts.retain(|_, account| stays(&account.holder));
        self.fading -= (keys - self.keys.len()) + (accounts - self.accounts.len());
        for project in self.projects.values_mut() {
            let before = project.model_keys.len();
            project
                .model_keys
                .retain(|_, key| stays_until(key.deleted_at));
            self.fading -= before - project.model_keys.len();
        }
        self.tokens.retain(|_, token| now < token.expires_at);
    }

    /// Keys that count against the organization's limit.
    pub(crate) fn count_keys(&self, org_id: &str) -> usize {
        let of_org = |key: &&ApiKey| key.holder.exists() && key.holder.org_id == org_id;
        self.keys.values().filter(of_org).count()
    }

    /// Accounts that count against the organization's limit.
    pub(crate) fn count_accounts(&self, org_id: &str) -> usize {
        let of_org =
            |account: &&Account| account.holder.exists() && account.holder.org_id == org_id;
        self.accounts.values().filter(of_org).count()
    }

    /// Deletes an organization with its keys, accounts and tokens.
    pub(crate) fn remove_org(&mut self, id: &str) {
        self.orgs.remove(id);
        let public_keys = &mut self.public_keys;
        self.keys.retain(|_, key| {
            let stays = key.holder.org_id != id;
            if !stays {
                public_keys.remove(&key.public_key);
            }
            stays
        });
        self.accounts
            .retain(|_, account| account.holder.org_id != id);
        let accounts = &self.accounts;
        self.tokens
            .retain(|_, token| accounts.contains_key(&token.client_id));
    }

    /// Deletes a project; its assignments go with it.
    pub(crate) fn delete_project(&mut self, id: &str) {
        if let Some(project) = self.projects.remove(id) {
            let keys = project.model_keys.values();
            self.fading -= keys.filter(|key| !key.exists()).count();
        }
        let keys = self.keys.values_mut().map(|key| &mut key.holder);
        let accounts = self
            .accounts
            .values_mut()
            .map(|account| &mut account.holder);
        for holder in keys.chain(accounts) {
            holder.project_roles.remove(id);
        }
    }
}
