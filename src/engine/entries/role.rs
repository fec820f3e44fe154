//! The stored role: the Go engine's shape and what came later, all of it optional.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::atlas::{ClientId, ProjectId};
use crate::base::time::serde_go_nanos;
use crate::engine::error::EngineError;
use crate::engine::names::RoleName;
use crate::engine::stored::null_as_default;
use crate::engine::{keys, stored};
use crate::vault::Storage;

/// What a role issues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CredentialType {
    /// A programmatic API key, deleted when its lease ends.
    #[default]
    ProgrammaticApiKey,
    /// A service account with one secret, deleted when its lease ends; or one secret of an account
    /// that exists.
    ServiceAccount,
    /// An access token of an account that is kept for the role, revoked when its lease ends.
    AccessToken,
    /// An AI model API key of a project, deleted when its lease ends.
    AiModelKey,
    /// A database user of a project with a password, deleted when its lease ends.
    DatabaseUser,
}

impl CredentialType {
    /// Every type, in the order in which it is told to users.
    pub(crate) const ALL: [Self; 5] = [
        Self::ProgrammaticApiKey,
        Self::ServiceAccount,
        Self::AccessToken,
        Self::AiModelKey,
        Self::DatabaseUser,
    ];

    /// The name users give; also the `secret_type` of the leases.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ProgrammaticApiKey => "programmatic_api_key",
            Self::ServiceAccount => "service_account",
            Self::AccessToken => "access_token",
            Self::AiModelKey => "ai_model_key",
            Self::DatabaseUser => "database_user",
        }
    }

    /// The names of all.
    pub(crate) const NAMES: [&str; 5] = [
        Self::ALL[0].name(),
        Self::ALL[1].name(),
        Self::ALL[2].name(),
        Self::ALL[3].name(),
        Self::ALL[4].name(),
    ];

    /// The type of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde calls it with a reference"
    )]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What a role of AI model API keys leaves open: any cloud, any geography.
pub(crate) const ANY_SCOPE: &str = "ANY";

/// What is stored at `roles/<name>`. The keys that are always written are the Go engine's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct RoleEntry {
    /// The project; empty for none.
    #[serde(deserialize_with = "null_as_default")]
    pub(crate) project_id: String,
    /// Kept for the Go engine, which stores it and does nothing with it.
    #[serde(deserialize_with = "null_as_default")]
    pub(crate) database_name: String,
    /// Atlas roles at the level at which the credential is made.
    #[serde(deserialize_with = "null_as_default")]
    pub(crate) roles: Vec<String>,
    /// The organization; empty for none.
    #[serde(deserialize_with = "null_as_default")]
    pub(crate) organization_id: String,
    /// The access list's networks.
    #[serde(deserialize_with = "null_as_default")]
    pub(crate) cidr_blocks: Vec<String>,
    /// The access list's addresses.
    #[serde(deserialize_with = "null_as_default")]
    pub(crate) ip_addresses: Vec<String>,
    /// Atlas roles in the project, when both ids are given.
    #[serde(deserialize_with = "null_as_default")]
    pub(crate) project_roles: Vec<String>,
    /// Lease length; zero means the mount's.
    #[serde(with = "serde_go_nanos")]
    pub(crate) ttl: Duration,
    /// The most that renewals may add up to; zero means the mount's.
    #[serde(with = "serde_go_nanos")]
    pub(crate) max_ttl: Duration,
    /// What is issued.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "CredentialType::is_default"
    )]
    pub(crate) credential_type: CredentialType,
    /// Further projects of the organization and the Atlas roles there.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub(crate) project_assignments: BTreeMap<String, Vec<String>>,
    /// The existing service account that gets a secret for each lease; empty for none.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub(crate) client_id: String,
    /// The most credentials alive at once; zero is no limit.
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "is_zero")]
    pub(crate) max_live: u32,
    /// Whether the address from which a credential is asked for joins its access list.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "std::ops::Not::not"
    )]
    pub(crate) bind_to_caller: bool,
    /// Where an AI model API key may be used; empty for anywhere, and for all other types.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub(crate) cloud: String,
    /// The same of the geography.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub(crate) geography: String,
    /// What a database user may do, each as `role@database` or `role@database.collection`.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub(crate) database_roles: Vec<String>,
    /// Where a database user may sign in, each a cluster's name or `name:TYPE`; empty for everywhere.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub(crate) scopes: Vec<String>,
    /// How many seconds a new database user is held back until it can sign in, at the most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) wait: Option<u64>,
    /// The form of a database user's name, in Vault's template language; empty for the engine's own.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub(crate) username_template: String,
    /// The server's policy by which a database user's password is made; empty for the engine's own.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub(crate) password_policy: String,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The roles that add secrets to this account.
pub(crate) async fn names_with_account(
    storage: &dyn Storage,
    client_id: &ClientId,
) -> Result<Vec<String>, EngineError> {
    let mut found = Vec::new();
    for name in storage.list(keys::ROLES).await? {
        let key = keys::role(&RoleName::new(&name));
        let role: Option<RoleEntry> = stored::load(storage, &key).await?;
        if role.is_some_and(|role| role.client_id == client_id.as_str()) {
            found.push(name);
        }
    }
    Ok(found)
}

/// The projects in which roles have credentials of this type made.
pub(crate) async fn projects_of_roles(
    storage: &dyn Storage,
    credential_type: CredentialType,
) -> Result<BTreeSet<ProjectId>, EngineError> {
    let mut projects = BTreeSet::new();
    for name in storage.list(keys::ROLES).await? {
        let key = keys::role(&RoleName::new(&name));
        let role: Option<RoleEntry> = stored::load(storage, &key).await?;
        let role = role.filter(|role| role.credential_type == credential_type);
        projects.extend(role.and_then(|role| role.project_id.parse().ok()));
    }
    Ok(projects)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GO_ROLE: &str = r#"{"project_id":"","database_name":"","roles":["ORG_MEMBER"],
        "organization_id":"5cf5a45a9ccf6400e60981b7","cidr_blocks":null,"ip_addresses":null,
        "project_roles":null,"ttl":3600000000000,"max_ttl":0}"#;

    #[test]
    fn a_role_of_the_go_engine_is_read_and_written_back_in_its_keys() {
        let entry: RoleEntry = serde_json::from_str(GO_ROLE).unwrap();
        assert_eq!(entry.ttl, Duration::from_hours(1));
        assert_eq!(entry.credential_type, CredentialType::ProgrammaticApiKey);
        assert_eq!(entry.cidr_blocks, Vec::<String>::new());
        let written: serde_json::Value = serde_json::to_value(&entry).unwrap();
        let read: serde_json::Value = serde_json::from_str(GO_ROLE).unwrap();
        let keys = |value: &serde_json::Value| -> Vec<String> {
            value.as_object().unwrap().keys().cloned().collect()
        };
        assert_eq!(keys(&written), keys(&read));
        assert_eq!(written["ttl"], read["ttl"]);
    }

    #[test]
    fn null_is_read_as_the_default_everywhere() {
        let mut all = serde_json::to_value(RoleEntry {
            credential_type: CredentialType::AccessToken,
            project_assignments: BTreeMap::from([(String::new(), Vec::new())]),
            client_id: "x".to_owned(),
            max_live: 1,
            bind_to_caller: true,
            cloud: "ANY".to_owned(),
            geography: "ANY".to_owned(),
            database_roles: vec![String::new()],
            scopes: vec![String::new()],
            wait: Some(1),
            username_template: "x".to_owned(),
            password_policy: "x".to_owned(),
            ..RoleEntry::default()
        })
        .unwrap();
        let nulls = all.as_object_mut().unwrap();
        nulls
            .values_mut()
            .for_each(|value| *value = serde_json::Value::Null);
        assert_eq!(nulls.len(), 21);
        let entry: RoleEntry = serde_json::from_value(all).unwrap();
        assert_eq!(entry, RoleEntry::default());
    }

    #[test]
    fn later_keys_are_let_pass() {
        let entry: RoleEntry = serde_json::from_str(r#"{"later": {"x": 1}}"#).unwrap();
        assert_eq!(entry, RoleEntry::default());
    }
}
