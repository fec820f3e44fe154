//! Service accounts and their secrets; a secret's end is in `secret_removal.rs`.
//!
//! An account made at project level belongs to the project's organization all the same, and only the
//! organization's delete removes it. An account holds two secrets at most, expired ones included.

use chrono::{DateTime, Datelike as _, Utc};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::base::Sensitive;

use super::api_keys::{Deletion, all_shown, mismatch, null_as_default};
use super::call::{Call, RequestBudget};
use super::client::Atlas;
use super::endpoints::{EndpointSet, Scope};
use super::error::{AnswerFault, AtlasError};
use super::ids::{ClientId, Hours, Level, OrgId, ProjectId, SecretId};
use super::presence::{Presence, after_look, after_look_in_project};
use super::success::Success;

/// Most secrets of one account, expired ones included.
/// Source: Atlas documentation, "MongoDB Limits and Thresholds".
pub(crate) const MOST_SECRETS: usize = 2;

/// A service account to be made.
#[derive(Debug, Clone)]
pub(crate) struct NewServiceAccount {
    /// 1 to 64 characters: letters, digits, blank and `-_.,'`; need not be unique for Atlas, but
    /// finds the account again if it is.
    pub name: String,
    /// 1 to 250 characters of the same kind.
    pub description: String,
    /// At least one role, of the level at which the account is made.
    pub roles: Vec<String>,
    /// How long its first secret lives.
    pub secret_lifetime: Hours,
}

/// A service account as it is shown once, when it is made.
#[derive(Debug)]
pub(crate) struct CreatedServiceAccount {
    /// For all later calls.
    pub client_id: ClientId,
    /// Its first secret.
    pub secret: CreatedSecret,
    /// The roles that the answer shows, at the level at which it was made.
    pub roles: Vec<String>,
}

impl CreatedServiceAccount {
    /// Whether Atlas's answer shows these roles: an account without them is not complete.
    pub(crate) fn shows(&self, level: &Level, roles: &[String]) -> Result<(), AtlasError> {
        all_shown(create_operation(level), roles, |role| {
            self.roles.iter().any(|shown| shown == role)
        })
    }
}

/// A secret as it is shown once, when it is made.
#[derive(Debug)]
pub(crate) struct CreatedSecret {
    /// For deleting it.
    pub id: SecretId,
    /// Atlas never shows it again.
    pub client_secret: Sensitive,
    /// When Atlas stops taking it.
    pub expires_at: DateTime<Utc>,
}

/// A service account as Atlas lists it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "AccountState")]
pub(crate) struct ServiceAccount {
    /// For all later calls.
    pub client_id: ClientId,
    /// For people; changeable and not unique.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its roles at the level that was asked.
    pub roles: Vec<String>,
    /// Its secrets without their values, expired ones included. Empty also where the answer has no
    /// list of them, which proves nothing: see [`has_no_list`](Self::has_no_list).
    pub secrets: Vec<SecretState>,
    lists_secrets: bool,
}

impl ServiceAccount {
    /// The answer as an error, if it has no list of secrets: that one is not listed proves nothing then.
    /// Atlas's description leaves open whether an account without secrets has an empty list or none.
    #[must_use]
    pub(crate) fn has_no_list(&self) -> Option<AtlasError> {
        (!self.lists_secrets).then_some(AtlasError::MalformedAnswer {
            operation: "getOrgServiceAccount",
            source: AnswerFault::Missing { field: "secrets" },
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AccountState {
    client_id: ClientId,
    #[serde(default, deserialize_with = "null_as_default")]
    name: String,
    #[serde(default, deserialize_with = "null_as_default")]
    description: String,
    #[serde(default, deserialize_with = "null_as_default")]
    roles: Vec<String>,
    #[serde(default)]
    secrets: Option<Vec<SecretState>>,
}

impl From<AccountState> for ServiceAccount {
    fn from(state: AccountState) -> Self {
        Self {
            client_id: state.client_id,
            name: state.name,
            description: state.description,
            roles: state.roles,
            lists_secrets: state.secrets.is_some(),
            secrets: state.secrets.unwrap_or_default(),
        }
    }
}

/// What Atlas tells of a secret after it was made.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SecretState {
    /// For deleting it.
    pub id: SecretId,
    /// The end of its value, behind dots; tells two secrets apart for whoever holds one.
    #[serde(
        default,
        rename = "maskedSecretValue",
        deserialize_with = "null_as_default"
    )]
    pub masked: String,
    /// When it was made.
    #[serde(default, deserialize_with = "time_if_readable")]
    pub created_at: Option<DateTime<Utc>>,
    /// When Atlas stops taking it; a newer secret brings this forward to seven days at most.
    #[serde(default, deserialize_with = "time_if_readable")]
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was last used, with some delay; `None` until then. One that cannot be read is not
    /// "never": deletions hang on it.
    #[serde(default, deserialize_with = "time_or_fault")]
    pub last_used_at: Option<DateTime<Utc>>,
}

impl SecretState {
    /// Whether what is shown of the value does not rule out that it is this one.
    #[must_use]
    pub(crate) fn may_be(&self, client_secret: &Sensitive) -> bool {
        client_secret.expose().ends_with(self.shown_end())
    }

    /// Whether the end of this value is what is shown, of a masked one such as `mdb_sa_sk_...abcd`.
    #[must_use]
    pub(crate) fn shows_end_of(&self, client_secret: &Sensitive) -> bool {
        let end = self.shown_end();
        !end.is_empty() && end.len() < self.masked.len() && self.may_be(client_secret)
    }

    fn shown_end(&self) -> &str {
        self.masked.rsplit(['.', '*']).next().unwrap_or_default()
    }

    /// The one of these that a value can be, if there is exactly one that has not expired.
    #[must_use]
    pub(crate) fn only_match<'a>(
        states: impl IntoIterator<Item = &'a Self>,
        client_secret: &Sensitive,
        now: DateTime<Utc>,
    ) -> Option<&'a Self> {
        let mut fitting = states
            .into_iter()
            .filter(|state| state.may_be(client_secret) && !state.is_expired(now));
        fitting.next().filter(|_| fitting.next().is_none())
    }

    /// Whether Atlas takes it at `now`.
    #[must_use]
    pub(crate) fn is_expired(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= now)
    }
}

/// The roles of a service account in one project.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccountProject {
    /// The project.
    pub group_id: ProjectId,
    /// Its roles there.
    #[serde(default, deserialize_with = "null_as_default")]
    pub roles: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AccountReply {
    client_id: ClientId,
    #[serde(default, deserialize_with = "null_as_default")]
    roles: Vec<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    secrets: Vec<SecretReply>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SecretReply {
    id: SecretId,
    #[serde(default)]
    secret: Option<Sensitive>,
    #[serde(default, deserialize_with = "time_if_readable")]
    expires_at: Option<DateTime<Utc>>,
}

impl SecretReply {
    /// Fails if the answer lacks the value, or its end: that another one was asked for proves nothing, as
    /// the organization's settings and other secrets bring it forward.
    fn created(self, operation: &'static str) -> Result<CreatedSecret, AtlasError> {
        let value = self.secret.filter(|secret| !secret.is_empty());
        Ok(CreatedSecret {
            id: self.id,
            client_secret: value.ok_or_else(|| lacking(operation, "secret"))?,
            expires_at: self
                .expires_at
                .ok_or_else(|| lacking(operation, "expiresAt"))?,
        })
    }
}

/// A time that cannot be read must not make an answer useless that holds a new secret.
fn time_if_readable<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<DateTime<Utc>>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let time = value.as_str().and_then(|text| text.parse().ok());
    // Of no secret, and too near to the end of what can be reckoned with.
    Ok(time.filter(|time: &DateTime<Utc>| (1970..=9999).contains(&time.year())))
}

/// A time, or none; anything else is an answer that cannot be read.
fn time_or_fault<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<DateTime<Utc>>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    if value.is_null() {
        return Ok(None);
    }
    let time = time_if_readable(value).map_err(D::Error::custom)?;
    time.map_or_else(|| Err(D::Error::custom("no time")), |time| Ok(Some(time)))
}

/// The API's names of the same call at either level.
pub(super) fn named(level: &Level, org: &'static str, project: &'static str) -> &'static str {
    match level {
        Level::Org(_) => org,
        Level::Project(_) => project,
    }
}

pub(super) fn account_path(level: &Level, account: &ClientId) -> String {
    format!("{}/serviceAccounts/{account}", level.path())
}

pub(super) const SET: EndpointSet = EndpointSet::ServiceAccounts;

impl Atlas {
    /// Makes a service account with its first secret. One request; never sent twice unless the first
    /// certainly had no effect.
    ///
    /// After a failure whose [`AtlasError::outcome_unknown`] is true, look for the name.
    /// Source: Atlas API `createOrgServiceAccount`, `createGroupServiceAccount`.
    pub(crate) async fn create_service_account(
        &self,
        level: &Level,
        account: &NewServiceAccount,
        budget: RequestBudget,
    ) -> Result<CreatedServiceAccount, AtlasError> {
        let operation = create_operation(level);
        let path = format!("{}/serviceAccounts", level.path());
        let content = json!({
            "name": account.name,
            "description": account.description,
            "roles": account.roles,
            "secretExpiresAfterHours": account.secret_lifetime.get(),
        });
        let call = Call::create(operation, &path, SET, level, &content);
        let reply: AccountReply = self.fetch(&call, budget).await?;
        let mut secrets = reply.secrets.into_iter();
        let secret = secrets.find(|secret| secret.secret.is_some());
        let secret = secret.ok_or_else(|| lacking(operation, "secret"))?;
        Ok(CreatedServiceAccount {
            client_id: reply.client_id,
            secret: secret.created(operation)?,
            roles: reply.roles,
        })
    }

    /// Adds an account of the organization to one of its projects. One request. Done is an answer that
    /// shows the roles.
    ///
    /// Whether Atlas takes the invitation twice is not documented, so when the outcome is unknown the
    /// project is asked instead. Source: Atlas API `inviteGroupServiceAccount`.
    pub(crate) async fn invite_service_account_to_project(
        &self,
        project: &ProjectId,
        account: &ClientId,
        roles: &[String],
        budget: RequestBudget,
    ) -> Result<(), AtlasError> {
        let path = format!("/groups/{project}/serviceAccounts/{account}:invite");
        let content = json!({ "roles": roles });
        let scope = Scope::Project(project.clone());
        let call = Call::create("inviteGroupServiceAccount", &path, SET, scope, &content);
        let operation = call.operation;
        let shows = |seen: ServiceAccount| {
            all_shown(operation, roles, |role| {
                seen.roles.iter().any(|shown| shown == role)
            })
        };
        let invited = self.fetch(&call.answered(Success::OK), budget).await;
        match invited.and_then(shows) {
            Err(unknown) if unknown.outcome_unknown() => {
                let level = Level::Project(project.clone());
                let seen = self.service_account(&level, account, budget).await;
                seen.and_then(shows).map_err(|_| unknown)
            }
            outcome => outcome,
        }
    }

    /// Deletes an account, out of all projects too. One of which Atlas does not know counts as
    /// [`Deletion::AlreadyGone`] only once [`Presence`] is proved; a delete of unknown outcome is
    /// settled the same way. Source: Atlas API `deleteOrgServiceAccount`.
    pub(crate) async fn delete_service_account(
        &self,
        org: &OrgId,
        account: &ClientId,
        budget: RequestBudget,
    ) -> Result<Deletion, AtlasError> {
        let level = Level::Org(org.clone());
        let path = account_path(&level, account);
        let call = Call::delete("deleteOrgServiceAccount", &path, SET, &level);
        match self.send(&call, budget).await {
            Ok(_) => Ok(Deletion::Deleted),
            Err(error) if error.says_not_found() || error.outcome_unknown() => {
                let found = self.find_service_account(org, account, budget).await;
                let look = found.map(|found| match found {
                    Some(_) => Presence::Present,
                    None => Presence::Gone,
                });
                after_look(error, look)
            }
            Err(error) => Err(error),
        }
    }

    /// Takes an account out of a project; it lives on in the organization. One that the project does not
    /// know counts as out only once that is proved as in [`Presence`]; a removal of unknown outcome is
    /// settled the same way.
    ///
    /// Source: Atlas API `deleteGroupServiceAccount`.
    pub(crate) async fn remove_service_account_from_project(
        &self,
        project: &ProjectId,
        account: &ClientId,
        budget: RequestBudget,
    ) -> Result<Deletion, AtlasError> {
        let level = Level::Project(project.clone());
        let path = account_path(&level, account);
        let call = Call::delete("deleteGroupServiceAccount", &path, SET, &level);
        match self.send(&call, budget).await {
            Ok(_) => Ok(Deletion::Deleted),
            Err(error) if error.says_not_found() || error.outcome_unknown() => {
                let look = self.account_in_project(project, account, budget).await;
                after_look_in_project(error, look)
            }
            Err(error) => Err(error),
        }
    }

    /// All accounts, but for those that Atlas itself owns.
    pub(crate) async fn list_service_accounts(
        &self,
        level: &Level,
        budget: RequestBudget,
    ) -> Result<Vec<ServiceAccount>, AtlasError> {
        self.walk_service_accounts(level, budget, Some).await
    }

    /// One account with its secrets.
    ///
    /// Source: Atlas API `getOrgServiceAccount`, `getGroupServiceAccount`.
    pub(crate) async fn service_account(
        &self,
        level: &Level,
        account: &ClientId,
        budget: RequestBudget,
    ) -> Result<ServiceAccount, AtlasError> {
        let operation = named(level, "getOrgServiceAccount", "getGroupServiceAccount");
        let call = Call::get(operation, &account_path(level, account), SET, level);
        let seen: ServiceAccount = self.fetch(&call, budget).await?;
        if seen.client_id == *account {
            Ok(seen)
        } else {
            Err(mismatch(operation))
        }
    }

    /// The projects an account was given, with its roles there.
    ///
    /// Source: Atlas API `getServiceAccountGroups`.
    pub(crate) async fn service_account_projects(
        &self,
        org: &OrgId,
        account: &ClientId,
        budget: RequestBudget,
    ) -> Result<Vec<AccountProject>, AtlasError> {
        let level = Level::Org(org.clone());
        let path = format!("{}/groups", account_path(&level, account));
        let call = Call::get("getServiceAccountGroups", &path, SET, &level);
        self.walk(call, budget, Some).await
    }

    /// Adds a secret to an account; Atlas shows it only in this answer.
    ///
    /// A secret that is there already then lives seven days at most, and a third one is refused. Two
    /// at once on one account are refused with status 409: let one run at a time.
    /// Source: Atlas API `createOrgSecret`, `createGroupSecret`.
    pub(crate) async fn create_secret(
        &self,
        level: &Level,
        account: &ClientId,
        lifetime: Hours,
        budget: RequestBudget,
    ) -> Result<CreatedSecret, AtlasError> {
        let operation = named(level, "createOrgSecret", "createGroupSecret");
        let path = format!("{}/secrets", account_path(level, account));
        let content = json!({ "secretExpiresAfterHours": lifetime.get() });
        let call = Call::create(operation, &path, SET, level, &content);
        let reply: SecretReply = self.fetch(&call, budget).await?;
        reply.created(operation)
    }

    async fn walk_service_accounts<U>(
        &self,
        level: &Level,
        budget: RequestBudget,
        keep: impl FnMut(ServiceAccount) -> Option<U>,
    ) -> Result<Vec<U>, AtlasError> {
        let operation = named(level, "listOrgServiceAccounts", "listGroupServiceAccounts");
        let path = format!("{}/serviceAccounts", level.path());
        let call = Call::get(operation, &path, SET, level);
        self.walk(call, budget, keep).await
    }
}

fn create_operation(level: &Level) -> &'static str {
    named(
        level,
        "createOrgServiceAccount",
        "createGroupServiceAccount",
    )
}

fn lacking(operation: &'static str, field: &'static str) -> AtlasError {
    AtlasError::MalformedAnswer {
        operation,
        source: AnswerFault::Missing { field },
    }
}

#[cfg(test)]
#[path = "service_accounts_tests.rs"]
mod tests;
