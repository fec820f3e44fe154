//! What exists from the start: an organization, three projects, an owner's key and account.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::{Map, json};

use crate::clock::Clock;
use crate::encryption::Encryption;
use crate::ids;
use crate::state::{Account, ApiKey, Holder, Org, Project, Secret};
use crate::world::World;

/// Lifetime of the seed's client secret: a year, Atlas's longest.
const SECRET_HOURS: i64 = 8_760;
/// Age of the seed's credentials, so that no setting about new ones applies to them.
const AGE: TimeDelta = TimeDelta::days(30);

/// Ids and credentials of the start.
#[derive(Debug, Clone, Serialize)]
pub struct Seed {
    /// The organization.
    pub org_id: String,
    /// Its three projects.
    pub project_ids: Vec<String>,
    /// A key with `ORG_OWNER`.
    pub api_key: SeedKey,
    /// A service account with `ORG_OWNER`.
    pub service_account: SeedAccount,
}

/// The seed's API key.
#[derive(Debug, Clone, Serialize)]
pub struct SeedKey {
    /// Id of the key.
    pub id: String,
    /// User name at digest sign-in.
    pub public_key: String,
    /// Password at digest sign-in.
    pub private_key: String,
}

/// The seed's service account.
#[derive(Debug, Clone, Serialize)]
pub struct SeedAccount {
    /// Its client id.
    pub client_id: String,
    /// Id of its secret.
    pub secret_id: String,
    /// Its secret.
    pub client_secret: String,
}

/// Makes up the ids and credentials.
pub(crate) fn make(key: Option<(String, String)>) -> Seed {
    let now = Clock::default().now();
    let (public_key, private_key) = key.unwrap_or_else(|| (ids::public_key(), ids::private_key()));
    Seed {
        org_id: ids::object_id(now),
        project_ids: (0..3).map(|_| ids::object_id(now)).collect(),
        api_key: SeedKey {
            id: ids::object_id(now),
            public_key,
            private_key,
        },
        service_account: SeedAccount {
            client_id: ids::client_id(now),
            secret_id: ids::object_id(now),
            client_secret: ids::client_secret(),
        },
    }
}

impl Seed {
    /// Puts the seed into an empty world.
    pub(crate) fn plant(&self, world: &mut World, now: DateTime<Utc>) {
        world
            .orgs
            .insert(self.org_id.clone(), org(&self.org_id, "Seed-Org"));
        for (id, name) in self.project_ids.iter().zip(["alpha", "beta", "gamma"]) {
            world
                .projects
                .insert(id.clone(), project(id, &self.org_id, name, now));
        }
        let made = now.checked_sub_signed(AGE).unwrap_or(now);
        let mut holder = Holder::new(&self.org_id, made);
        holder.org_roles = vec!["ORG_OWNER".to_owned()];
        world.add_key(ApiKey {
            id: self.api_key.id.clone(),
            public_key: self.api_key.public_key.clone(),
            private_key: self.api_key.private_key.clone(),
            description: "seed".to_owned(),
            holder: holder.clone(),
        });
        let secret = Secret {
            id: self.service_account.secret_id.clone(),
            value: self.service_account.client_secret.clone(),
            created_at: made,
            ..Secret::new(now, SECRET_HOURS)
        };
        let account = Account {
            client_id: self.service_account.client_id.clone(),
            name: "seed".to_owned(),
            description: "seed".to_owned(),
            secrets: vec![secret],
            tokens: Vec::new(),
            creating_secret_until: None,
            holder,
        };
        world.accounts.insert(account.client_id.clone(), account);
    }
}

/// A new organization, with Atlas's settings but no required access list.
pub(crate) fn org(id: &str, name: &str) -> Org {
    let mut settings = Map::new();
    for (setting, value) in [
        ("apiAccessListRequired", false),
        ("genAIFeaturesEnabled", true),
        ("multiFactorAuthRequired", false),
        ("restrictEmployeeAccess", false),
        ("streamsCrossGroupEnabled", false),
    ] {
        settings.insert(setting.to_owned(), json!(value));
    }
    Org {
        id: id.to_owned(),
        name: name.to_owned(),
        settings,
        skip_default_alerts: false,
    }
}

/// A new, empty project.
pub(crate) fn project(id: &str, org_id: &str, name: &str, now: DateTime<Utc>) -> Project {
    Project {
        id: id.to_owned(),
        org_id: org_id.to_owned(),
        name: name.to_owned(),
        created_at: now,
        tags: json!([]),
        default_alerts: true,
        azure_principals: BTreeMap::new(),
        encryption: Encryption::default(),
        private_endpoints: BTreeMap::new(),
        model_keys: BTreeMap::new(),
        database_users: Vec::new(),
        clusters: BTreeMap::new(),
    }
}
