//! Whether Atlas still has what it made.

use super::{Resource, project_is_gone};
use crate::atlas::{AtlasError, ClientId, Level, OrgId, Presence, ProjectId, RequestBudget};
use crate::engine::connection::ConfiguredClient;

/// What Atlas says of one thing.
pub(crate) enum Look {
    Proved(Presence),
    /// Atlas does not know the account, which alone does not prove it gone.
    AccountUnknown(ClientId),
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
    match made {
        Some(Resource::ApiKey(org, id)) if org == *of => {
            Look::of(atlas.api_key_presence(&org, &id, budget).await)
        }
        Some(Resource::ServiceAccount(org, id)) if org == *of => {
            match atlas.service_account(&Level::Org(org), &id, budget).await {
                Ok(_) => Look::Proved(Presence::Present),
                Err(error) if error.says_not_found() => Look::AccountUnknown(id),
                Err(_) => Look::NotCompared,
            }
        }
        Some(Resource::Secret(level, account, secret)) => {
            let look = atlas.secret_presence(&level, &account, &secret, budget);
            Look::of(look.await)
        }
        Some(Resource::ModelKey(org, project, id)) if org == *of => {
            let look = atlas.model_key_presence(&project, &id, budget).await;
            in_project(linked, &org, &project, look, budget).await
        }
        Some(Resource::DatabaseUser(org, project, user)) if org == *of => {
            let look = atlas.database_user_presence(&project, &user, budget).await;
            in_project(linked, &org, &project, look, budget).await
        }
        // Nobody but its holder can ask for a token.
        Some(
            Resource::Token(_)
            | Resource::ApiKey(..)
            | Resource::ServiceAccount(..)
            | Resource::ModelKey(..)
            | Resource::DatabaseUser(..),
        )
        | None => Look::NotCompared,
    }
}

/// What a look in a project comes to: with its project a thing is gone.
async fn in_project(
    linked: &ConfiguredClient,
    org: &OrgId,
    project: &ProjectId,
    look: Result<Presence, AtlasError>,
    budget: RequestBudget,
) -> Look {
    if !look.as_ref().is_err_and(AtlasError::says_project_is_gone) {
        return Look::of(look);
    }
    match project_is_gone(linked, org, project, budget).await {
        Ok(()) => Look::Proved(Presence::Gone),
        Err(_) => Look::NotCompared,
    }
}
