//! A thing at Atlas that can be deleted there: what names it, and how it goes for good.
//!
//! Nothing is known here of whose it is or where that is written down.

mod listed;
mod look;

use std::fmt;

use chrono::{DateTime, Utc};

pub(crate) use self::listed::{Found, Inventory, Listing, described, list_of};
pub(crate) use self::look::{Look, look, unlisted};
use crate::atlas::{
    ApiKeyId, AtlasError, ClientId, Deletion, Level, ModelKeyId, OrgId, OwnDatabaseUser, ProjectId,
    RequestBudget, SecretId,
};
use crate::engine::connection::ConfiguredClient;
use crate::engine::error::EngineError;
use crate::engine::unasked::Permit;

/// What Atlas made: enough to remove it for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Resource {
    /// A programmatic API key.
    ApiKey(OrgId, ApiKeyId),
    /// A service account with all its secrets.
    ServiceAccount(OrgId, ClientId),
    /// One secret of an account, which itself stays.
    Secret(Level, ClientId, SecretId),
    /// An access token. It ends by itself; only who holds its text can end it earlier.
    Token(ClientId),
    /// An AI model API key of a project. With the organization, which tells whether the project is gone or
    /// only out of sight.
    ModelKey(OrgId, ProjectId, ModelKeyId),
    /// A database user of a project. With the organization for the same reason.
    DatabaseUser(OrgId, ProjectId, OwnDatabaseUser),
}

impl Resource {
    /// Its id in Atlas; of a token the id of its account, as it has none, and of a database user its name.
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::ApiKey(_, id) => id.as_str(),
            Self::ServiceAccount(_, id) | Self::Token(id) => id.as_str(),
            Self::Secret(_, _, id) => id.as_str(),
            Self::ModelKey(_, _, id) => id.as_str(),
            Self::DatabaseUser(_, _, user) => user.username.as_str(),
        }
    }

    /// When it was made, if its id tells that.
    pub(crate) fn made_at(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::ApiKey(_, id) => id.made_at(),
            Self::ServiceAccount(_, id) => id.made_at(),
            Self::Secret(..) | Self::Token(_) | Self::ModelKey(..) | Self::DatabaseUser(..) => None,
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ApiKey(_, id) => write!(f, "API key {id}"),
            Self::ServiceAccount(_, id) => write!(f, "service account {id}"),
            Self::Secret(_, account, id) => write!(f, "secret {id} of service account {account}"),
            Self::ModelKey(_, project, id) => {
                write!(f, "AI model API key {id} of project {project}")
            }
            Self::DatabaseUser(_, project, user) => {
                write!(f, "database user {} of project {project}", user.username)
            }
            Self::Token(account) => write!(f, "access token of service account {account}"),
        }
    }
}

/// Deletes what was made, by the permit to do so; what is gone already counts as deleted.
///
/// A key or account always at the organization: the project's delete only takes it out of the project.
pub(crate) async fn remove(
    linked: &ConfiguredClient,
    made: &Resource,
    _: Permit,
    budget: RequestBudget,
) -> Result<Deletion, EngineError> {
    match made {
        Resource::ApiKey(org, id) => linked
            .atlas
            .delete_api_key(org, id, budget)
            .await
            .inspect_err(|error| linked.ownership.learn_from(error))
            .map_err(|error| EngineError::atlas(&format!("deleting API key {id}"), error)),
        Resource::ServiceAccount(org, id) => linked
            .atlas
            .delete_service_account(org, id, budget)
            .await
            .inspect_err(|error| linked.ownership.learn_from(error))
            .map_err(|error| EngineError::atlas(&format!("deleting service account {id}"), error)),
        Resource::Secret(level, account, id) => linked
            .atlas
            .delete_secret(level, account, id, budget)
            .await
            .map_err(|error| not_deleted(account, id, error)),
        Resource::ModelKey(org, project, id) => {
            match linked.atlas.delete_model_key(project, id, budget).await {
                Err(error) if error.says_project_is_gone() => {
                    project_is_gone(linked, org, project, budget).await?;
                    Ok(Deletion::AlreadyGone)
                }
                outcome => outcome.map_err(|error| {
                    EngineError::atlas(&format!("deleting AI model API key {id}"), error)
                }),
            }
        }
        Resource::DatabaseUser(org, project, user) => {
            match linked
                .atlas
                .delete_database_user(project, user, budget)
                .await
            {
                Err(error) if error.says_project_is_gone() => {
                    project_is_gone(linked, org, project, budget).await?;
                    Ok(Deletion::AlreadyGone)
                }
                outcome => outcome.map_err(|error| {
                    EngineError::atlas(&format!("deleting database user {}", user.username), error)
                }),
            }
        }
        // It died when its entry did, if not before.
        Resource::Token(_) => Ok(Deletion::AlreadyGone),
    }
}

/// Whether a project that Atlas does not know is gone with all that was in it. What another organization
/// than that of the credential has may be out of its sight; and of which one that is, Atlas says now: a
/// configuration may have been written unseen, with a credential of another than it names.
pub(crate) async fn project_is_gone(
    linked: &ConfiguredClient,
    org: &OrgId,
    project: &ProjectId,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let seen = linked.seen_organizations(budget).await?;
    if seen.contains(org) {
        return Ok(());
    }
    let organization = seen.into_iter().next();
    Err(EngineError::ProjectOutOfSight {
        project: project.to_string(),
        organization: organization.ok_or(EngineError::OrganizationUnknown)?,
    })
}

/// Why a secret could not be deleted.
pub(crate) fn not_deleted(account: &ClientId, id: &SecretId, error: AtlasError) -> EngineError {
    let doing = format!("deleting secret {id} of service account {account}");
    EngineError::atlas(&doing, error)
}
