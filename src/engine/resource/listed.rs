//! What Atlas lists of an organization, with the texts by which it is found.

use super::Resource;
use crate::atlas::{Level, OrgId, RequestBudget};
use crate::engine::connection::{ConfiguredClient, Kind, Listed};
use crate::engine::entries::CredentialType;
use crate::engine::error::EngineError;

/// A key or account in Atlas.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) made: Resource,
    /// Public key of a key; an account's client id is in `made`.
    pub(crate) public: String,
    /// Description of a key, name of an account.
    pub(crate) description: String,
}

/// Everything in an organization that could have been issued.
pub(crate) async fn list(
    linked: &ConfiguredClient,
    org: &OrgId,
    budget: RequestBudget,
) -> Result<Vec<Found>, EngineError> {
    let listing = |error| EngineError::atlas("listing the organization's keys and accounts", error);
    let keys = linked.atlas.list_org_api_keys(org, budget).await;
    let keys = keys.map_err(listing)?.into_iter().map(|key| Found {
        made: Resource::ApiKey(org.clone(), key.id),
        public: key.public_key,
        description: key.description,
    });
    let level = Level::Org(org.clone());
    let accounts = linked.atlas.list_service_accounts(&level, budget).await;
    let accounts = accounts.map_err(listing)?.into_iter();
    let accounts = accounts.map(|account| Found {
        public: account.client_id.to_string(),
        made: Resource::ServiceAccount(org.clone(), account.client_id),
        description: account.name,
    });
    Ok(keys.chain(accounts).collect())
}

/// The list in which a credential of this type is found by its text.
pub(crate) fn list_of(credential_type: CredentialType) -> Kind {
    match credential_type {
        CredentialType::ProgrammaticApiKey => Kind::ApiKeys,
        CredentialType::ServiceAccount | CredentialType::AccessToken => Kind::ServiceAccounts,
    }
}

/// Everything in a list that has exactly this text.
pub(crate) fn described(listed: &Listed, org: &OrgId, description: &str) -> Vec<Resource> {
    match listed {
        Listed::ApiKeys(keys) => keys
            .iter()
            .filter(|(_, text)| text == description)
            .map(|(id, _)| Resource::ApiKey(org.clone(), id.clone()))
            .collect(),
        Listed::ServiceAccounts(accounts) => accounts
            .iter()
            .filter(|(_, text)| text == description)
            .map(|(id, _)| Resource::ServiceAccount(org.clone(), id.clone()))
            .collect(),
    }
}
