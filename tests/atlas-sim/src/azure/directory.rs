//! Azure's directories: service principals, and the passwords of their applications.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A directory.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Tenant {
    pub(crate) id: String,
    /// By object id, in lower case.
    pub(crate) principals: BTreeMap<String, Principal>,
}

/// A service principal: what an application is in one directory.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Principal {
    /// The object id; not the id of the application.
    pub(crate) id: String,
    /// The application's id, which Atlas calls client id.
    pub(crate) app_id: String,
    /// When Azure knows it everywhere.
    pub(crate) works_from: DateTime<Utc>,
    pub(crate) secrets: Vec<ClientSecret>,
}

/// A password of an application. It may have several.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ClientSecret {
    pub(crate) id: String,
    pub(crate) value: String,
    pub(crate) works_from: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
}

impl Tenant {
    pub(super) fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            principals: BTreeMap::new(),
        }
    }

    /// The principal with this object id.
    pub(crate) fn principal(&self, id: &str) -> Option<&Principal> {
        self.principals.get(&id.to_ascii_lowercase())
    }

    /// The one principal that an application has in a directory.
    pub(crate) fn principal_of(&self, app_id: &str) -> Option<&Principal> {
        let mut principals = self.principals.values();
        principals.find(|principal| principal.app_id.eq_ignore_ascii_case(app_id))
    }

    /// As [`Self::principal_of`], to change it.
    pub(crate) fn principal_of_mut(&mut self, app_id: &str) -> Option<&mut Principal> {
        let mut principals = self.principals.values_mut();
        principals.find(|principal| principal.app_id.eq_ignore_ascii_case(app_id))
    }

    pub(super) fn moments(&self) -> impl Iterator<Item = DateTime<Utc>> {
        self.principals.values().flat_map(|principal| {
            let secrets = principal.secrets.iter();
            let secrets = secrets.flat_map(|secret| [secret.works_from, secret.expires_at]);
            secrets.chain([principal.works_from])
        })
    }
}

impl Principal {
    /// Whether the application may sign in with this password.
    pub(super) fn takes(&self, secret: &str, now: DateTime<Utc>) -> bool {
        let mut matching = self.secrets.iter().filter(|known| known.value == secret);
        matching.any(|known| known.works_from <= now && now < known.expires_at)
    }
}
