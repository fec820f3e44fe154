//! Whether a thing is still in Atlas, and what proves that it is not.
//!
//! An API key is gone when Atlas says so with its own code, `API_KEY_NOT_FOUND`. For service accounts
//! and their secrets no such code is documented: one is gone when Atlas answers 404 in its own error
//! shape, the code naming neither organization nor project, and two complete lists, seconds apart, do
//! not show it. A list that cannot be read to its end proves nothing, and neither does what a proxy or
//! gateway answers in Atlas's place: the [`AtlasError`] then means that nothing is known.
//!
//! Everything in the engine that forgets a credential decides by this.

use std::collections::HashSet;

use tokio::time::sleep;

use super::api_keys::Deletion;
use super::call::RequestBudget;
use super::client::Atlas;
use super::error::{AtlasError, TransportFault};
use super::ids::{ApiKeyId, ClientId, Level, OrgId, ProjectId, SecretId};
use super::service_accounts::ServiceAccount;

/// How many looks prove that something is gone.
const LOOKS: u32 = 2;

/// What Atlas has proved of a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// It is there.
    Present,
    /// It is not there any more.
    Gone,
}

/// Looks at Atlas, one of which alone proves nothing.
pub(super) struct Looks<'a> {
    atlas: &'a Atlas,
    budget: RequestBudget,
    begun: u32,
}

impl Looks<'_> {
    /// Waits until the next is due; false: there were enough.
    pub(super) async fn next(&mut self) -> Result<bool, AtlasError> {
        if self.begun == LOOKS {
            return Ok(false);
        }
        if self.begun > 0 {
            self.atlas.pause_between_looks(self.budget).await?;
        }
        self.begun += 1;
        Ok(true)
    }
}

impl Atlas {
    /// Whether an API key is still there. Source: Atlas API `getOrgApiKey`.
    pub(crate) async fn api_key_presence(
        &self,
        org: &OrgId,
        key: &ApiKeyId,
        budget: RequestBudget,
    ) -> Result<Presence, AtlasError> {
        match self.api_key(org, key, budget).await {
            Ok(_) => Ok(Presence::Present),
            Err(error) if error.says_api_key_is_gone() => Ok(Presence::Gone),
            Err(error) => Err(error),
        }
    }

    /// An account of the organization; [`None`] once it is proved to be gone.
    ///
    /// Source: Atlas API `getOrgServiceAccount`, `listOrgServiceAccounts`.
    pub(crate) async fn find_service_account(
        &self,
        org: &OrgId,
        account: &ClientId,
        budget: RequestBudget,
    ) -> Result<Option<ServiceAccount>, AtlasError> {
        let level = Level::Org(org.clone());
        match self.service_account(&level, account, budget).await {
            Ok(seen) => Ok(Some(seen)),
            Err(error) if error.says_not_found() => {
                match self.unlisted_presence(&level, account, budget).await? {
                    Presence::Gone => Ok(None),
                    Presence::Present => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Whether a secret is still there. `level` is where its account is managed: one that a project
    /// does not know may be in the organization, so there this is an error and no proof.
    pub(crate) async fn secret_presence(
        &self,
        level: &Level,
        account: &ClientId,
        secret: &SecretId,
        budget: RequestBudget,
    ) -> Result<Presence, AtlasError> {
        let mut looks = self.looks(budget);
        while looks.next().await? {
            let seen = match level {
                Level::Org(org) => self.find_service_account(org, account, budget).await?,
                Level::Project(_) => Some(self.service_account(level, account, budget).await?),
            };
            // With its account a secret is gone.
            let Some(seen) = seen else { break };
            if let Some(unexpected) = seen.has_no_list() {
                return Err(unexpected);
            }
            if seen.secrets.iter().any(|each| each.id == *secret) {
                return Ok(Presence::Present);
            }
        }
        Ok(Presence::Gone)
    }

    /// Those of `sought` that two complete lists do not show. Only for accounts of which Atlas has
    /// answered that it does not know them.
    ///
    /// Source: Atlas API `listOrgServiceAccounts`.
    pub(crate) async fn unlisted_service_accounts(
        &self,
        org: &OrgId,
        sought: HashSet<ClientId>,
        budget: RequestBudget,
    ) -> Result<HashSet<ClientId>, AtlasError> {
        self.unlisted_at(&Level::Org(org.clone()), sought, budget)
            .await
    }

    async fn unlisted_at(
        &self,
        level: &Level,
        mut sought: HashSet<ClientId>,
        budget: RequestBudget,
    ) -> Result<HashSet<ClientId>, AtlasError> {
        let mut looks = self.looks(budget);
        while !sought.is_empty() && looks.next().await? {
            let listed = self.list_service_accounts(level, budget).await?;
            for account in listed {
                sought.remove(&account.client_id);
            }
        }
        Ok(sought)
    }

    /// Whether an account is still in a project. Source: Atlas API `getGroupServiceAccount`,
    /// `listGroupServiceAccounts`.
    pub(super) async fn account_in_project(
        &self,
        project: &ProjectId,
        account: &ClientId,
        budget: RequestBudget,
    ) -> Result<Presence, AtlasError> {
        let level = Level::Project(project.clone());
        match self.service_account(&level, account, budget).await {
            Ok(_) => Ok(Presence::Present),
            Err(error) if error.says_not_found() => {
                self.unlisted_presence(&level, account, budget).await
            }
            Err(error) => Err(error),
        }
    }

    /// Whether a key is still in a project. There is no call for one key of a project, so it is out once
    /// two complete lists do not show it.
    pub(super) async fn api_key_in_project(
        &self,
        project: &ProjectId,
        key: &ApiKeyId,
        budget: RequestBudget,
    ) -> Result<Presence, AtlasError> {
        let mut looks = self.looks(budget);
        while looks.next().await? {
            if self.project_lists_api_key(project, key, budget).await? {
                return Ok(Presence::Present);
            }
        }
        Ok(Presence::Gone)
    }

    async fn unlisted_presence(
        &self,
        level: &Level,
        account: &ClientId,
        budget: RequestBudget,
    ) -> Result<Presence, AtlasError> {
        let sought = HashSet::from([account.clone()]);
        let unlisted = self.unlisted_at(level, sought, budget).await?;
        Ok(if unlisted.is_empty() {
            Presence::Present
        } else {
            Presence::Gone
        })
    }

    /// Looks at complete lists, seconds apart: what none of them shows is gone.
    pub(super) fn looks(&self, budget: RequestBudget) -> Looks<'_> {
        Looks {
            atlas: self,
            budget,
            begun: 0,
        }
    }

    /// Waits between two looks at Atlas, one of which alone proves nothing.
    pub(crate) async fn pause_between_looks(
        &self,
        budget: RequestBudget,
    ) -> Result<(), AtlasError> {
        let no_look = |source| AtlasError::NoAnswer {
            operation: "a second look",
            attempts: 0,
            source,
        };
        let pause = self.look_again_after();
        if pause >= budget.left() {
            return Err(no_look(TransportFault::NoTimeLeft));
        }
        self.while_wanted(sleep(pause))
            .await
            .ok_or_else(|| no_look(TransportFault::GivenUp))
    }
}

/// What came of a delete that Atlas did not simply do, `error`, after a look at what is there.
///
/// Where the look proves nothing, a delete of unknown outcome is told as such.
pub(super) fn after_look(
    error: AtlasError,
    look: Result<Presence, AtlasError>,
) -> Result<Deletion, AtlasError> {
    match look {
        Ok(Presence::Gone) => Ok(Deletion::AlreadyGone),
        Ok(Presence::Present) => Err(error),
        Err(failure) if error.outcome_unknown() => {
            tracing::debug!(%failure, "could not verify a deletion whose outcome is unknown");
            Err(error)
        }
        Err(failure) => Err(failure),
    }
}

/// The same for taking something out of a project: out of one that is gone it is, as the caller knows.
pub(super) fn after_look_in_project(
    error: AtlasError,
    look: Result<Presence, AtlasError>,
) -> Result<Deletion, AtlasError> {
    match look {
        Err(gone) if gone.says_project_is_gone() => Err(gone),
        look => after_look(error, look),
    }
}

#[cfg(test)]
#[path = "presence_tests.rs"]
mod tests;
