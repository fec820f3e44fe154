//! Deleting one secret of a service account, wherever the account is by now.
//!
//! An account that is taken out of a project lives on in the organization, with all its secrets and
//! their tokens. So a project that does not know an account is no proof that its secret is gone.
//! Source: Atlas API `deleteGroupServiceAccount`.

use super::api_keys::{Deletion, gone_is_fine};
use super::call::{Call, Patience};
use super::client::Atlas;
use super::error::AtlasError;
use super::ids::{ClientId, Level, OrgId, ProjectId, SecretId};
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
    /// Where a project does not know account or secret, it counts as gone only if the account is seen
    /// without it, in the project or in the organization; if it is still in the organization, it is
    /// deleted there. An organization that cannot be read is an error.
    /// Source: Atlas API `deleteOrgSecret`, `deleteGroupSecret`.
    pub async fn delete_secret(
        &self,
        level: &Level,
        account: &ClientId,
        secret: &SecretId,
        patience: Patience,
    ) -> Result<Deletion, AtlasError> {
        self.delete_secret_known_in(None, level, account, secret, patience)
            .await
    }

    /// The same for an account whose organization is known, if it is: then that need not be looked up
    /// should the account have left the project.
    pub async fn delete_secret_known_in(
        &self,
        organization: Option<&OrgId>,
        level: &Level,
        account: &ClientId,
        secret: &SecretId,
        patience: Patience,
    ) -> Result<Deletion, AtlasError> {
        let target = Target { account, secret };
        let outcome = self.delete_secret_at(level, target, patience).await;
        let Level::Project(project) = level else {
            return gone_is_fine(outcome, AtlasError::says_account_or_secret_is_gone);
        };
        match outcome {
            Err(error) if error.says_project_is_gone() => {}
            Err(error) if error.says_account_or_secret_is_gone() => {
                if self.is_in_reach(level, account, patience).await? {
                    // The account is there, so that it is the secret which is not.
                    return Ok(Deletion::AlreadyGone);
                }
            }
            outcome => return outcome.map(|()| Deletion::Deleted),
        }
        let org = match organization {
            Some(org) => org.clone(),
            None => self.organization_behind(project, patience).await?,
        };
        self.delete_in_organization(Level::Org(org), target, patience)
            .await
    }

    async fn delete_secret_at(
        &self,
        level: &Level,
        Target { account, secret }: Target<'_>,
        patience: Patience,
    ) -> Result<(), AtlasError> {
        let operation = named(level, "deleteOrgSecret", "deleteGroupSecret");
        let path = format!("{}/secrets/{secret}", account_path(level, account));
        let call = Call::delete(operation, &path, SET, level);
        self.send(&call, patience).await.map(drop)
    }

    /// Whether the account is known at this level.
    async fn is_in_reach(
        &self,
        level: &Level,
        account: &ClientId,
        patience: Patience,
    ) -> Result<bool, AtlasError> {
        match self.service_account(level, account, patience).await {
            Ok(_) => Ok(true),
            Err(error) if error.says_account_or_secret_is_gone() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The organization of a project; of one that is gone, the only one that the credential sees.
    async fn organization_behind(
        &self,
        project: &ProjectId,
        patience: Patience,
    ) -> Result<OrgId, AtlasError> {
        let gone = match self.project(project, patience).await {
            Ok(project) => return Ok(project.org_id),
            Err(error) if error.says_project_is_gone() => error,
            Err(error) => return Err(error),
        };
        match self.organizations(patience).await?.as_slice() {
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
        patience: Patience,
    ) -> Result<Deletion, AtlasError> {
        let seen = match self.service_account(&level, target.account, patience).await {
            Ok(seen) => seen,
            Err(error) if error.says_account_or_secret_is_gone() => {
                return Ok(Deletion::AlreadyGone);
            }
            Err(error) => return Err(error),
        };
        if seen.secrets.iter().all(|each| each.id != *target.secret) {
            return Ok(Deletion::AlreadyGone);
        }
        let outcome = self.delete_secret_at(&level, target, patience).await;
        gone_is_fine(outcome, AtlasError::says_account_or_secret_is_gone)
    }
}
