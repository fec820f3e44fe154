//! What Atlas lists of an organization, with the texts by which it is found.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::Resource;
use crate::atlas::{AtlasError, Level, OrgId, OwnDatabaseUser, ProjectId, RequestBudget};
use crate::engine::connection::{ConfiguredClient, List, Listed};
use crate::engine::entries::CredentialType;
use crate::engine::error::EngineError;
use crate::vault::failure::chain;

/// A key or account in Atlas.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) made: Resource,
    /// When it was made, if Atlas or its id tells that.
    pub(crate) made_at: Option<DateTime<Utc>>,
    /// Public key of a key; an account's client id, the id of an AI model API key and a database user's name
    /// are in `made` too.
    pub(crate) public: String,
    /// Description of a key or a database user, name of an account.
    pub(crate) description: String,
}

impl Found {
    fn of(made: Resource, public: String, description: String) -> Self {
        Self {
            made_at: made.made_at(),
            made,
            public,
            description,
        }
    }
}

/// Everything in an organization that could have been issued.
#[derive(Debug, Default)]
pub(crate) struct Inventory {
    pub(crate) found: Vec<Found>,
    /// Why something is not among it.
    pub(crate) warnings: Vec<String>,
}

/// Lists everything in an organization that could have been issued; database users in these projects alone,
/// as an organization does not list them.
pub(crate) async fn list(
    linked: &ConfiguredClient,
    org: &OrgId,
    projects: BTreeSet<ProjectId>,
    budget: RequestBudget,
) -> Result<Inventory, EngineError> {
    let listing = |error| EngineError::atlas("listing the organization's keys and accounts", error);
    let keys = linked.atlas.list_org_api_keys(org, budget).await;
    let keys = keys.map_err(listing)?.into_iter().map(|key| {
        let made = Resource::ApiKey(org.clone(), key.id);
        Found::of(made, key.public_key, key.description)
    });
    let level = Level::Org(org.clone());
    let accounts = linked.atlas.list_service_accounts(&level, budget).await;
    let accounts = accounts.map_err(listing)?.into_iter().map(|account| {
        let public = account.client_id.to_string();
        let made = Resource::ServiceAccount(org.clone(), account.client_id);
        Found::of(made, public, account.name)
    });
    let mut all = Inventory {
        found: keys.chain(accounts).collect(),
        warnings: Vec::new(),
    };
    let model_keys = linked.atlas.list_model_keys(&level, budget).await;
    match model_keys {
        Ok(keys) => all.found.extend(keys.into_iter().filter_map(|key| {
            let public = key.id.to_string();
            let made_at = key.made_at();
            let made = Resource::ModelKey(org.clone(), key.project_id?, key.id);
            Some(Found {
                made_at,
                ..Found::of(made, public, key.name)
            })
        })),
        // Not every Atlas has such keys; all else is compared there too.
        Err(error) if is_refusal(&error) => {
            let error = EngineError::atlas("listing the organization's AI model API keys", error);
            all.warnings.push(format!(
                "AI model API keys were not compared: {}",
                chain(&error)
            ));
        }
        Err(error) => return Err(listing(error)),
    }
    for project in projects {
        let users = linked.atlas.list_database_users(&project, budget).await;
        match users {
            Ok(users) => all.found.extend(users.into_iter().filter_map(|user| {
                let (tag, made_at) = (user.tag().to_owned(), user.made_at());
                let username = user.username()?;
                let public = username.to_string();
                let own = OwnDatabaseUser {
                    username,
                    tag: tag.clone(),
                };
                let made = Resource::DatabaseUser(org.clone(), project.clone(), own);
                Some(Found {
                    made_at,
                    ..Found::of(made, public, tag)
                })
            })),
            // With a project that is gone, all its users are.
            Err(error) if error.says_project_is_gone() => {}
            Err(error) if is_refusal(&error) => {
                let doing = format!("listing the database users of project {project}");
                let error = EngineError::atlas(&doing, error);
                all.warnings.push(format!(
                    "database users of project {project} were not compared: {}",
                    chain(&error)
                ));
            }
            Err(error) => return Err(listing(error)),
        }
    }
    Ok(all)
}

fn is_refusal(error: &AtlasError) -> bool {
    matches!(
        error,
        AtlasError::Refused { .. } | AtlasError::UnexpectedAnswer { .. }
    )
}

/// The list in which a credential of this type is found by its text: of its organization, but of its project
/// where it is managed in that. [`None`]: there is no project, so that there is no credential.
pub(crate) fn list_of(
    credential_type: CredentialType,
    org: &OrgId,
    project: Option<&ProjectId>,
) -> Option<List> {
    match credential_type {
        CredentialType::ProgrammaticApiKey => Some(List::ApiKeys(org.clone())),
        CredentialType::ServiceAccount | CredentialType::AccessToken => {
            Some(List::ServiceAccounts(org.clone()))
        }
        CredentialType::AiModelKey => project.cloned().map(List::ModelKeys),
        CredentialType::DatabaseUser => project.cloned().map(List::DatabaseUsers),
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
        Listed::ModelKeys(project, keys) => keys
            .iter()
            .filter(|(_, text)| text == description)
            .map(|(id, _)| Resource::ModelKey(org.clone(), project.clone(), id.clone()))
            .collect(),
        Listed::DatabaseUsers(project, users) => users
            .iter()
            .filter(|user| user.tag == description)
            .map(|user| Resource::DatabaseUser(org.clone(), project.clone(), user.clone()))
            .collect(),
        Listed::NoProject => Vec::new(),
    }
}
