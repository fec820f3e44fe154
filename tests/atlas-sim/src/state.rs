//! The things Atlas holds: organizations, projects, keys, accounts, tokens.

use std::collections::BTreeMap;
use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock::after;
use crate::database::{Cluster, DatabaseUser};
use crate::encryption::Encryption;
use crate::private_endpoints::PrivateEndpoint;
use crate::settings::Settings;

/// An organization.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Org {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) settings: Map<String, Value>,
    pub(crate) skip_default_alerts: bool,
}

impl Org {
    /// Whether every credential needs an access list.
    pub(crate) fn access_list_required(&self) -> bool {
        self.settings
            .get("apiAccessListRequired")
            .and_then(Value::as_bool)
            .unwrap_or(false)
    }

    /// Longest lifetime of a secret in hours. Source: Atlas API `OrganizationSettings`.
    pub(crate) fn max_secret_hours(&self) -> i64 {
        self.settings
            .get("maxServiceAccountSecretValidityInHours")
            .and_then(Value::as_i64)
            .unwrap_or(8_760)
    }
}

/// A project and what is configured in it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Project {
    pub(crate) id: String,
    pub(crate) org_id: String,
    pub(crate) name: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) tags: Value,
    pub(crate) default_alerts: bool,
    pub(crate) azure_principals: BTreeMap<String, AzurePrincipal>,
    #[serde(default)]
    pub(crate) encryption: Encryption,
    #[serde(default)]
    pub(crate) private_endpoints: BTreeMap<String, PrivateEndpoint>,
    pub(crate) model_keys: BTreeMap<String, ModelKey>,
    /// In the order in which they were made.
    #[serde(default)]
    pub(crate) database_users: Vec<DatabaseUser>,
    #[serde(default)]
    pub(crate) clusters: BTreeMap<String, Cluster>,
}

/// A registered Azure service principal.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AzurePrincipal {
    pub(crate) id: String,
    pub(crate) tenant_id: String,
    pub(crate) principal_id: String,
    pub(crate) app_id: String,
    /// The second step of the registration was taken.
    #[serde(default)]
    pub(crate) authorized: bool,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// An AI model API key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ModelKey {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) secret: String,
    #[serde(default = "any")]
    pub(crate) cloud: String,
    #[serde(default = "any")]
    pub(crate) geography: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) created_by: String,
    #[serde(default)]
    pub(crate) deleted_at: Option<DateTime<Utc>>,
}

fn any() -> String {
    "ANY".to_owned()
}

impl ModelKey {
    /// A new key.
    pub(crate) fn new(
        name: String,
        cloud: &str,
        geography: &str,
        created_by: &str,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            id: crate::ids::lower_case_id(),
            name,
            secret: crate::ids::model_key_secret(),
            cloud: cloud.to_owned(),
            geography: geography.to_owned(),
            created_at: now,
            created_by: created_by.to_owned(),
            deleted_at: None,
        }
    }

    /// Whether reads show it, lag included.
    pub(crate) fn readable(&self, now: DateTime<Utc>, settings: &Settings) -> bool {
        readable(self.created_at, self.deleted_at, now, settings)
    }

    /// Whether it really exists.
    pub(crate) fn exists(&self) -> bool {
        self.deleted_at.is_none()
    }
}

/// Whether a delete knows what was made then.
pub(crate) fn deletable(
    created_at: DateTime<Utc>,
    now: DateTime<Utc>,
    settings: &Settings,
) -> bool {
    !settings.deletes_lag_after_create
        || now >= after(created_at, settings.read_lag_after_create_seconds)
}

/// Whether reads show what was made and perhaps deleted then.
pub(crate) fn readable(
    created_at: DateTime<Utc>,
    deleted_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
    settings: &Settings,
) -> bool {
    let shown = now >= after(created_at, settings.read_lag_after_create_seconds);
    let fading =
        deleted_at.is_none_or(|gone| now < after(gone, settings.read_lag_after_delete_seconds));
    shown && fading
}

/// What keys and accounts have in common: where they belong, what they may, from where.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Holder {
    pub(crate) org_id: String,
    pub(crate) org_roles: Vec<String>,
    pub(crate) project_roles: BTreeMap<String, Vec<String>>,
    pub(crate) access_list: Vec<AccessEntry>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) deleted_at: Option<DateTime<Utc>>,
    /// The project it was made in, if it was made at project level.
    pub(crate) home_project: Option<String>,
}

impl Holder {
    pub(crate) fn new(org_id: &str, now: DateTime<Utc>) -> Self {
        Self {
            org_id: org_id.to_owned(),
            org_roles: Vec::new(),
            project_roles: BTreeMap::new(),
            access_list: Vec::new(),
            created_at: now,
            deleted_at: None,
            home_project: None,
        }
    }

    /// Whether reads show it, lag included.
    pub(crate) fn readable(&self, now: DateTime<Utc>, settings: &Settings) -> bool {
        readable(self.created_at, self.deleted_at, now, settings)
    }

    /// Whether it really exists.
    pub(crate) fn exists(&self) -> bool {
        self.deleted_at.is_none()
    }
}

/// A programmatic API key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ApiKey {
    pub(crate) id: String,
    pub(crate) public_key: String,
    pub(crate) private_key: String,
    pub(crate) description: String,
    pub(crate) holder: Holder,
}

/// A service account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) client_id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) secrets: Vec<Secret>,
    /// Its tokens, oldest first; dead ones are dropped at the next mint.
    pub(crate) tokens: Vec<String>,
    pub(crate) creating_secret_until: Option<DateTime<Utc>>,
    pub(crate) holder: Holder,
}

/// A secret of a service account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Secret {
    pub(crate) id: String,
    pub(crate) value: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) last_used: LastUsed,
}

/// An access token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Token {
    pub(crate) client_id: String,
    pub(crate) secret_id: String,
    pub(crate) expires_at: DateTime<Utc>,
}

/// One entry of an access list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AccessEntry {
    pub(crate) net: IpNet,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) effective_at: DateTime<Utc>,
    pub(crate) count: u32,
    pub(crate) last_used: LastUsed,
    pub(crate) last_address: Option<IpAddr>,
}

/// A time of last use that is shown only after a lag.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct LastUsed {
    shown: Option<DateTime<Utc>>,
    latest: Option<DateTime<Utc>>,
    pending_since: Option<DateTime<Utc>>,
}

impl LastUsed {
    pub(crate) fn touch(&mut self, now: DateTime<Utc>, lag_seconds: u64) {
        self.settle(now, lag_seconds);
        self.latest = Some(now);
        self.pending_since.get_or_insert(now);
        self.settle(now, lag_seconds);
    }

    /// The time as a reader sees it.
    pub(crate) fn seen(&self, now: DateTime<Utc>, lag_seconds: u64) -> Option<DateTime<Utc>> {
        match self.pending_since {
            Some(since) if now >= after(since, lag_seconds) => self.latest,
            _ => self.shown,
        }
    }

    fn settle(&mut self, now: DateTime<Utc>, lag_seconds: u64) {
        if self
            .pending_since
            .is_some_and(|since| now >= after(since, lag_seconds))
        {
            self.shown = self.latest;
            self.pending_since = None;
        }
    }
}

impl Account {
    /// A secret of this account.
    pub(crate) fn secret(&self, id: &str) -> Option<&Secret> {
        self.secrets.iter().find(|secret| secret.id == id)
    }

    /// Adds a secret and cuts the older ones' lives, as Atlas does.
    pub(crate) fn add_secret(&mut self, secret: Secret, older_seconds: u64) {
        let latest = after(secret.created_at, older_seconds);
        for older in &mut self.secrets {
            older.expires_at = older.expires_at.min(latest);
        }
        self.secrets.push(secret);
    }
}

impl Secret {
    /// A new secret that lives for `hours`.
    pub(crate) fn new(now: DateTime<Utc>, hours: i64) -> Self {
        let lifetime = TimeDelta::try_hours(hours).unwrap_or_default();
        Self {
            id: crate::ids::object_id(now),
            value: crate::ids::client_secret(),
            created_at: now,
            expires_at: now.checked_add_signed(lifetime).unwrap_or(now),
            last_used: LastUsed::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_last_use_is_seen_after_its_lag() {
        let start = DateTime::<Utc>::UNIX_EPOCH;
        let mut used = LastUsed::default();
        used.touch(start, 300);
        assert_eq!(used.seen(start, 300), None);
        assert_eq!(used.seen(after(start, 300), 300), Some(start));
        used.touch(after(start, 10), 0);
        assert_eq!(used.seen(after(start, 10), 0), Some(after(start, 10)));
    }

    #[test]
    fn a_new_secret_cuts_the_life_of_the_older() {
        let now = DateTime::<Utc>::UNIX_EPOCH;
        let mut account = Account {
            client_id: crate::ids::client_id(now),
            name: String::new(),
            description: String::new(),
            secrets: vec![Secret::new(now, 8_760)],
            tokens: Vec::new(),
            creating_secret_until: None,
            holder: Holder::new("org", now),
        };
        account.add_secret(Secret::new(now, 8), 3_600);
        assert_eq!(account.secrets[0].expires_at, after(now, 3_600));
        assert_eq!(account.secrets[1].expires_at, after(now, 8 * 3_600));
    }
}
