//! Whether Atlas still has what it made.

use super::{Resource, project_is_gone};
use crate::atlas::{AtlasError, Level, OrgId, Presence, ProjectId, RequestBudget};
use crate::engine::connection::{ConfiguredClient, List};

/// What Atlas says of one thing.
pub(crate) enum Look {
    Proved(Presence),
    /// Atlas does not know it, which alone does not prove it gone: it is if [`unlisted`] finds so.
    Unknown(List, Resource),
    /// It cannot be told, or not from here.
    NotCompared,
}

impl Look {
    fn of(look: Result<Presence, AtlasError>) -> Self {
        look.map_or(Self::NotCompared, Self::Proved)
    }
}

/// Asks Atlas for what was made, if that is of this organization, which is the configured one.
pub(crate) async fn look(
    linked: &ConfiguredClient,
    made: Option<Resource>,
    of: &OrgId,
    budget: RequestBudget,
) -> Look {
    let atlas = &linked.atlas;
    let Some(made) = made else {
        return Look::NotCompared;
    };
    match &made {
        Resource::ApiKey(org, id) if org == of => {
            Look::of(atlas.api_key_presence(org, id, budget).await)
        }
        Resource::ServiceAccount(org, id) if org == of => {
            let level = Level::Org(org.clone());
            match atlas.service_account(&level, id, budget).await {
                Ok(_) => Look::Proved(Presence::Present),
                Err(error) if error.says_not_found() => {
                    Look::Unknown(List::ServiceAccounts(org.clone()), made)
                }
                Err(_) => Look::NotCompared,
            }
        }
        Resource::Secret(level, account, secret) => {
            Look::of(atlas.secret_presence(level, account, secret, budget).await)
        }
        Resource::ModelKey(org, project, id) if org == of => {
            match atlas.knows_model_key(project, id, budget).await {
                Ok(true) => Look::Proved(Presence::Present),
                Ok(false) => Look::Unknown(List::ModelKeys(project.clone()), made),
                Err(error) => in_project(linked, org, project, &error, budget).await,
            }
        }
        Resource::DatabaseUser(org, project, user) if org == of => {
            match atlas.see_database_user(project, user, budget).await {
                Ok(Some(seen)) => Look::Proved(seen),
                Ok(None) => Look::Unknown(List::DatabaseUsers(project.clone()), made),
                Err(error) => in_project(linked, org, project, &error, budget).await,
            }
        }
        // Nobody but its holder can ask for a token.
        Resource::Token(_)
        | Resource::ApiKey(..)
        | Resource::ServiceAccount(..)
        | Resource::ModelKey(..)
        | Resource::DatabaseUser(..) => Look::NotCompared,
    }
}

/// What a look in a project comes to that Atlas refused: with its project a thing is gone.
async fn in_project(
    linked: &ConfiguredClient,
    org: &OrgId,
    project: &ProjectId,
    refused: &AtlasError,
    budget: RequestBudget,
) -> Look {
    let is_gone = refused.says_project_is_gone()
        && project_is_gone(linked, org, project, budget).await.is_ok();
    if is_gone {
        Look::Proved(Presence::Gone)
    } else {
        Look::NotCompared
    }
}

/// Those of what Atlas does not know one by one, all of one list, that are gone: the list was read twice for
/// all of them, seconds apart, and does not show them.
pub(crate) async fn unlisted(
    linked: &ConfiguredClient,
    list: &List,
    mut unknown: Vec<Resource>,
    budget: RequestBudget,
) -> Result<Vec<Resource>, AtlasError> {
    let atlas = &linked.atlas;
    match list {
        List::ServiceAccounts(org) => {
            let account = |made: &Resource| match made {
                Resource::ServiceAccount(_, id) => Some(id.clone()),
                _ => None,
            };
            let sought = unknown.iter().filter_map(account).collect();
            let gone = atlas.unlisted_service_accounts(org, sought, budget).await?;
            unknown.retain(|made| account(made).is_some_and(|id| gone.contains(&id)));
        }
        List::ModelKeys(project) => {
            let key = |made: &Resource| match made {
                Resource::ModelKey(_, _, id) => Some(id.clone()),
                _ => None,
            };
            let sought = unknown.iter().filter_map(key).collect();
            let gone = atlas.unlisted_model_keys(project, sought, budget).await?;
            unknown.retain(|made| key(made).is_some_and(|id| gone.contains(&id)));
        }
        List::DatabaseUsers(project) => {
            let user = |made: &Resource| match made {
                Resource::DatabaseUser(_, _, user) => Some(user.clone()),
                _ => None,
            };
            let sought = unknown.iter().filter_map(user).collect();
            let gone = atlas
                .unlisted_database_users(project, sought, budget)
                .await?;
            unknown.retain(|made| user(made).is_some_and(|user| gone.contains(&user)));
        }
        // Of a key Atlas says by itself that it is gone.
        List::ApiKeys(_) => unknown.clear(),
    }
    Ok(unknown)
}
