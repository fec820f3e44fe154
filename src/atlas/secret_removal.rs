//! Deleting one secret of a service account, wherever the account is by now.
//!
//! An account that is taken out of a project lives on in the organization, with all its secrets and
//! their tokens. So a project that does not know an account is no proof that its secret is gone.
//! Source: Atlas API `deleteGroupServiceAccount`.

use super::api_keys::Deletion;
use super::call::{Call, RequestBudget};
use super::client::Atlas;
use super::error::AtlasError;
use super::ids::{ClientId, Level, OrgId, ProjectId, SecretId};
use super::presence::{Presence, after_look};
use super::service_accounts::{SET, account_path, named};

/// One secret and the account it belongs to.
#[derive(Clone, Copy)]
struct Target<'a> {
    account: &'a ClientId,
    secret: &'a SecretId,
}

impl Atlas {
    /// Deletes a secret; access tokens minted with it die at once.
    ///
    /// It counts as gone only once [`Presence`] is proved: where a project does not know account or
    /// secret, the account must be seen without it, in the project or in the organization. If it is
    /// still in the organization, it is deleted there. An organization that cannot be read is an error.
    /// A delete of unknown outcome is settled the same way.
    /// Source: Atlas API `deleteOrgSecret`, `deleteGroupSecret`.
    pub(crate) async fn delete_secret(
        &self,
        level: &Level,
        account: &ClientId,
        secret: &SecretId,
        budget: RequestBudget,
    ) -> Result<Deletion, AtlasError> {
        self.delete_secret_known_in(None, level, account, secret, budget)
            .await
    }

    /// The same for an account whose organization is known, if it is: then that need not be looked up
    /// should the account have left the project.
    pub(crate) async fn delete_secret_known_in(
        &self,
        organization: Option<&OrgId>,
        level: &Level,
        account: &ClientId,
        secret: &SecretId,
        budget: RequestBudget,
    ) -> Result<Deletion, AtlasError> {
        let target = Target { account, secret };
        let error = match self.delete_secret_at(level, target, budget).await {
            Ok(()) => return Ok(Deletion::Deleted),
            Err(error) => error,
        };
        let Level::Project(project) = level else {
            return self.settle(level, target, error, budget).await;
        };
        if !error.says_project_is_gone() {
            if !leaves_open(&error) {
                return Err(error);
            }
            let look = self.secret_presence(level, account, secret, budget).await;
            match look {
                Err(failure) if failure.says_not_found() || failure.says_project_is_gone() => {}
                look => return after_look(error, look),
            }
        }
        let org = match organization {
            Some(org) => org.clone(),
            None => self.organization_behind(project, budget).await?,
        };
        self.delete_in_organization(Level::Org(org), target, budget)
            .await
    }

    async fn settle(
        &self,
        level: &Level,
        Target { account, secret }: Target<'_>,
        error: AtlasError,
        budget: RequestBudget,
    ) -> Result<Deletion, AtlasError> {
        if !leaves_open(&error) {
            return Err(error);
        }
        let look = self.secret_presence(level, account, secret, budget).await;
        after_look(error, look)
    }

    async fn delete_secret_at(
        &self,
        level: &Level,
        Target { account, secret }: Target<'_>,
        budget: RequestBudget,
    ) -> Result<(), AtlasError> {
        let operation = named(level, "deleteOrgSecret", "deleteGroupSecret");
        let path = format!("{}/secrets/{secret}", account_path(level, account));
        let call = Call::delete(operation, &path, SET, level);
        self.send(&call, budget).await.map(drop)
    }

    /// The organization of a project; of one that is gone, the only one that the credential sees.
    async fn organization_behind(
        &self,
        project: &ProjectId,
        budget: RequestBudget,
    ) -> Result<OrgId, AtlasError> {
        let gone = match self.project(project, budget).await {
            Ok(project) => return Ok(project.org_id),
            Err(error) if error.says_project_is_gone() => error,
            Err(error) => return Err(error),
        };
        match self.organizations(budget).await?.as_slice() {
            [only] => Ok(only.id.clone()),
            _ => Err(gone),
        }
    }

    /// Looks before it deletes: whoever may read the organization but not change it can still learn
    /// that the secret is gone.
    async fn delete_in_organization(
        &self,
        level: Level,
        target: Target<'_>,
        budget: RequestBudget,
    ) -> Result<Deletion, AtlasError> {
        let Target { account, secret } = target;
        let seen = self.secret_presence(&level, account, secret, budget);
        if seen.await? == Presence::Gone {
            return Ok(Deletion::AlreadyGone);
        }
        match self.delete_secret_at(&level, target, budget).await {
            Ok(()) => Ok(Deletion::Deleted),
            Err(error) => self.settle(&level, target, error, budget).await,
        }
    }
}

/// Whether the secret may be gone after a delete that failed so.
fn leaves_open(error: &AtlasError) -> bool {
    error.says_not_found() || error.outcome_unknown()
}
