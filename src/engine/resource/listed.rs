//! What Atlas lists of an organization, with the texts by which it is found.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::Resource;
use crate::atlas::{AtlasError, Level, ModelKey, OrgId, OwnDatabaseUser, ProjectId, RequestBudget};
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
    /// Why the organization's list of AI model API keys is not all that there are, if it is not.
    pub(crate) lacks_model_keys: Option<String>,
}

/// Where something is listed, and for how long.
#[derive(Clone, Copy)]
pub(crate) struct Listing<'a> {
    pub(crate) linked: &'a ConfiguredClient,
    pub(crate) org: &'a OrgId,
    pub(crate) budget: RequestBudget,
}

impl Inventory {
    /// Lists what an organization lists of itself. A list that the credential may not read is told of, and the
    /// others are read: one that manages keys of a project alone may not read them all.
    pub(crate) async fn of(listing: Listing<'_>) -> Result<Self, EngineError> {
        let mut all = Self::default();
        all.add_api_keys(listing).await?;
        all.add_accounts(listing).await?;
        all.add_model_keys(listing).await?;
        Ok(all)
    }

    async fn add_api_keys(&mut self, listing: Listing<'_>) -> Result<(), EngineError> {
        let keys = listing
            .linked
            .atlas
            .list_org_api_keys(listing.org, listing.budget)
            .await;
        let Some(keys) = self.unless_forbidden(keys, "API keys")? else {
            return Ok(());
        };
        self.found.extend(keys.into_iter().map(|key| {
            let made = Resource::ApiKey(listing.org.clone(), key.id);
            Found::of(made, key.public_key, key.description)
        }));
        Ok(())
    }

    async fn add_accounts(&mut self, listing: Listing<'_>) -> Result<(), EngineError> {
        let level = Level::Org(listing.org.clone());
        let accounts = listing
            .linked
            .atlas
            .list_service_accounts(&level, listing.budget)
            .await;
        let Some(accounts) = self.unless_forbidden(accounts, "service accounts")? else {
            return Ok(());
        };
        self.found.extend(accounts.into_iter().map(|account| {
            let public = account.client_id.to_string();
            let made = Resource::ServiceAccount(listing.org.clone(), account.client_id);
            Found::of(made, public, account.name)
        }));
        Ok(())
    }

    /// A list of the organization, unless the credential may not read it, which is told then.
    fn unless_forbidden<T>(
        &mut self,
        listed: Result<T, AtlasError>,
        what: &str,
    ) -> Result<Option<T>, EngineError> {
        let doing = format!("listing the organization's {what}");
        self.unless(AtlasError::says_forbidden, listed, &doing, what)
    }

    /// A list, unless Atlas answers in a way that is passed over, which is told then.
    fn unless<T>(
        &mut self,
        is_passed_over: impl Fn(&AtlasError) -> bool,
        listed: Result<T, AtlasError>,
        doing: &str,
        what: &str,
    ) -> Result<Option<T>, EngineError> {
        match listed {
            Ok(listed) => Ok(Some(listed)),
            Err(error) if is_passed_over(&error) => {
                let error = EngineError::atlas(doing, error);
                let told = format!("{what} were not compared: {}", chain(&error));
                self.warnings.push(told);
                Ok(None)
            }
            Err(error) => Err(not_listed(error)),
        }
    }

    /// Not every Atlas has such keys, and an answer need not tell their project.
    async fn add_model_keys(&mut self, listing: Listing<'_>) -> Result<(), EngineError> {
        let level = Level::Org(listing.org.clone());
        let keys = match listing
            .linked
            .atlas
            .list_model_keys(&level, listing.budget)
            .await
        {
            Ok(keys) => keys,
            Err(error) if is_refusal(&error) => {
                let doing = "listing the organization's AI model API keys";
                let error = EngineError::atlas(doing, error);
                self.lacks_model_keys = Some(chain(&error));
                return Ok(());
            }
            Err(error) => return Err(not_listed(error)),
        };
        let count = keys.len();
        let known = keys.into_iter().filter_map(|key| {
            let project = key.project_id.clone()?;
            Some(found_model_key(listing.org, project, key))
        });
        let before = self.found.len();
        self.found.extend(known);
        let untold = count - (self.found.len() - before);
        if untold > 0 {
            let told = format!("Atlas does not tell the project of {untold} of them");
            self.lacks_model_keys = Some(told);
        }
        Ok(())
    }

    /// Adds the AI model API keys of projects, where the organization's list does not have them all. A credential
    /// that manages those of a project may read these.
    pub(crate) async fn add_model_keys_of(
        &mut self,
        listing: Listing<'_>,
        projects: BTreeSet<ProjectId>,
        why: &str,
    ) -> Result<(), EngineError> {
        self.warnings.push(format!(
            "AI model API keys were compared only in projects that roles and entries name ({}): {why}",
            projects.len()
        ));
        for project in projects {
            let level = Level::Project(project.clone());
            let keys = listing
                .linked
                .atlas
                .list_model_keys(&level, listing.budget)
                .await;
            let Some(keys) = self.unless_refused(keys, "AI model API keys", &project)? else {
                continue;
            };
            for key in keys {
                let is_known = |found: &Found| matches!(&found.made, Resource::ModelKey(_, _, id) if *id == key.id);
                if !self.found.iter().any(is_known) {
                    self.found
                        .push(found_model_key(listing.org, project.clone(), key));
                }
            }
        }
        Ok(())
    }

    /// Adds the database users of projects, as an organization does not list them.
    pub(crate) async fn add_database_users_of(
        &mut self,
        listing: Listing<'_>,
        projects: BTreeSet<ProjectId>,
    ) -> Result<(), EngineError> {
        for project in projects {
            let users = listing
                .linked
                .atlas
                .list_database_users(&project, listing.budget)
                .await;
            let Some(users) = self.unless_refused(users, "database users", &project)? else {
                continue;
            };
            self.found.extend(users.into_iter().filter_map(|user| {
                let (tag, made_at) = (user.tag().to_owned(), user.made_at());
                let username = user.username()?;
                let public = username.to_string();
                let own = OwnDatabaseUser {
                    username,
                    tag: tag.clone(),
                };
                let made = Resource::DatabaseUser(listing.org.clone(), project.clone(), own);
                Some(Found {
                    made_at,
                    ..Found::of(made, public, tag)
                })
            }));
        }
        Ok(())
    }

    /// A list of a project, unless it is refused, which is told then. With a project that is gone, all that
    /// was in it is.
    fn unless_refused<T>(
        &mut self,
        listed: Result<T, AtlasError>,
        what: &str,
        project: &ProjectId,
    ) -> Result<Option<T>, EngineError> {
        match listed {
            Err(error) if error.says_project_is_gone() => Ok(None),
            listed => {
                let what = format!("{what} of project {project}");
                let doing = format!("listing the {what}");
                self.unless(is_refusal, listed, &doing, &what)
            }
        }
    }
}

fn found_model_key(org: &OrgId, project: ProjectId, key: ModelKey) -> Found {
    let (public, made_at) = (key.id.to_string(), key.made_at());
    let made = Resource::ModelKey(org.clone(), project, key.id);
    Found {
        made_at,
        ..Found::of(made, public, key.name)
    }
}

fn not_listed(error: AtlasError) -> EngineError {
    EngineError::atlas("listing what the organization has", error)
}

fn is_refusal(error: &AtlasError) -> bool {
    matches!(
        error,
        AtlasError::Refused { .. }
            | AtlasError::UnexpectedAnswer { .. }
            | AtlasError::MalformedAnswer { .. }
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
