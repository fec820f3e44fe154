//! Programmatic API keys: create, assign to projects, find, delete.
//!
//! A key made at project level belongs to the project's organization all the same, and only the
//! organization's delete removes it. Rotation in place does not exist in Atlas.

use http::StatusCode;
use serde::{Deserialize, Deserializer};
use serde_json::json;

use crate::base::Sensitive;

use super::call::{Call, RequestBudget};
use super::client::{Atlas, parsed};
use super::endpoints::{EndpointSet, Scope};
use super::error::{AnswerFault, AtlasError};
use super::ids::{ApiKeyId, Level, OrgId, ProjectId};
use super::presence::{after_look, after_look_in_project};
use super::success::Success;

/// An API key to be made.
#[derive(Debug, Clone)]
pub(crate) struct NewApiKey {
    /// 1 to 250 characters; need not be unique for Atlas, but finds the key again if it is.
    pub description: String,
    /// At least one role, of the level at which the key is made.
    pub roles: Vec<String>,
}

/// An API key as it is shown once, when it is made.
#[derive(Debug)]
pub(crate) struct CreatedApiKey {
    /// For all later calls.
    pub id: ApiKeyId,
    /// The user name.
    pub public_key: String,
    /// The password; Atlas never shows it again.
    pub private_key: Sensitive,
    /// The organization the key belongs to, where the answer's roles tell it.
    pub org_id: Option<OrgId>,
    /// The roles that the answer shows.
    pub roles: Vec<RoleGrant>,
}

impl CreatedApiKey {
    /// Whether Atlas's answer shows these roles at this level: a key without them is not complete.
    pub(crate) fn shows(&self, level: &Level, roles: &[String]) -> Result<(), AtlasError> {
        shows_roles(create_operation(level), &self.roles, level, roles)
    }
}

/// A role that a key has in an organization or a project.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RoleGrant {
    /// Set for a role in an organization.
    #[serde(default)]
    pub org_id: Option<OrgId>,
    /// Set for a role in a project.
    #[serde(default, rename = "groupId")]
    pub project_id: Option<ProjectId>,
    /// Such as `ORG_MEMBER` or `GROUP_OWNER`.
    pub role_name: String,
}

/// An API key as Atlas lists it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiKey {
    /// For all later calls.
    pub id: ApiKeyId,
    /// The user name.
    #[serde(default, deserialize_with = "null_as_default")]
    pub public_key: String,
    /// What the key is for.
    #[serde(default, rename = "desc", deserialize_with = "null_as_default")]
    pub description: String,
    /// All roles, in the organization and in its projects.
    #[serde(default, deserialize_with = "null_as_default")]
    pub roles: Vec<RoleGrant>,
}

/// What a delete found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deletion {
    /// It was there and is deleted.
    Deleted,
    /// Atlas does not know it any more.
    AlreadyGone,
}

impl std::fmt::Display for Deletion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Deleted => "deleted",
            Self::AlreadyGone => "already deleted",
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreateReply {
    id: ApiKeyId,
    public_key: String,
    private_key: Sensitive,
    #[serde(default, deserialize_with = "null_as_default")]
    roles: Vec<RoleGrant>,
}

/// For fields that Atlas leaves out or sends as `null`.
pub(super) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl Atlas {
    /// Makes an API key. One request; never sent twice unless the first certainly had no effect.
    ///
    /// After a failure whose [`AtlasError::outcome_unknown`] is true, look for the description.
    /// Source: Atlas API `createOrgApiKey`, `createGroupApiKey`.
    pub(crate) async fn create_api_key(
        &self,
        level: &Level,
        key: &NewApiKey,
        budget: RequestBudget,
    ) -> Result<CreatedApiKey, AtlasError> {
        let operation = create_operation(level);
        let path = format!("{}/apiKeys", level.path());
        let content = json!({ "desc": key.description, "roles": key.roles });
        let call = Call::create(operation, &path, EndpointSet::ApiKeys, level, &content);
        let reply: CreateReply = self.fetch(&call.answered(Success::OK), budget).await?;
        if reply.private_key.is_empty() {
            return Err(AtlasError::MalformedAnswer {
                operation,
                source: AnswerFault::Missing {
                    field: "privateKey",
                },
            });
        }
        let org_id = match level {
            Level::Org(id) => Some(id.clone()),
            Level::Project(_) => reply.roles.iter().find_map(|role| role.org_id.clone()),
        };
        Ok(CreatedApiKey {
            id: reply.id,
            public_key: reply.public_key,
            private_key: reply.private_key,
            org_id,
            roles: reply.roles,
        })
    }

    /// Gives a key of the organization these roles in one of its projects. One request. Done is an empty
    /// 204, or a 200 that shows the roles.
    ///
    /// Whether Atlas takes the assignment twice is not documented, so when the outcome is unknown the
    /// roles are set by a PATCH instead, which can be repeated.
    /// Source: Atlas API `addGroupApiKey`, `updateApiKeyRoles`.
    pub(crate) async fn assign_api_key_to_project(
        &self,
        project: &ProjectId,
        key: &ApiKeyId,
        roles: &[String],
        budget: RequestBudget,
    ) -> Result<(), AtlasError> {
        let path = format!("/groups/{project}/apiKeys/{key}");
        let set = EndpointSet::ApiKeys;
        let scope = Scope::Project(project.clone());
        let content = json!([{ "roles": roles }]);
        let call = Call::create("addGroupApiKey", &path, set, scope.clone(), &content);
        let level = Level::Project(project.clone());
        let assigned = match self.send(&call.answered(Success::ASSIGNED), budget).await {
            Ok(answer) if answer.status == StatusCode::NO_CONTENT => return Ok(()),
            Ok(answer) => parsed("addGroupApiKey", &answer)
                .and_then(|key| shows_key(&key, "addGroupApiKey", &level, roles)),
            Err(error) => Err(error),
        };
        match assigned {
            Err(unknown) if unknown.outcome_unknown() => {
                let content = json!({ "roles": roles });
                let call = Call::patch("updateApiKeyRoles", &path, set, scope, &content);
                let set = self.fetch(&call, budget).await;
                let set = set.and_then(|key| shows_key(&key, call.operation, &level, roles));
                set.map_err(|_| unknown)
            }
            outcome => outcome,
        }
    }

    /// Takes a key out of a project; it lives on in the organization.
    ///
    /// Only Atlas's own code `API_KEY_NOT_FOUND` counts as [`Deletion::AlreadyGone`]. After a removal of
    /// unknown outcome, or a 404 with another code, the project is asked for its keys.
    /// Source: Atlas API `removeGroupApiKey`.
    pub(crate) async fn unassign_api_key_from_project(
        &self,
        project: &ProjectId,
        key: &ApiKeyId,
        budget: RequestBudget,
    ) -> Result<Deletion, AtlasError> {
        let path = format!("/groups/{project}/apiKeys/{key}");
        let scope = Scope::Project(project.clone());
        let call = Call::delete("removeGroupApiKey", &path, EndpointSet::ApiKeys, scope);
        let outcome = self.send(&call, budget).await;
        match gone_is_fine(outcome.map(drop), AtlasError::says_api_key_is_gone) {
            Err(error) if error.outcome_unknown() || error.says_not_found() => {
                let look = self.api_key_in_project(project, key, budget).await;
                after_look_in_project(error, look)
            }
            outcome => outcome,
        }
    }

    /// Deletes a key, out of all projects too. Source: Atlas API `deleteOrgApiKey`.
    ///
    /// Only Atlas's own code `API_KEY_NOT_FOUND` counts as [`Deletion::AlreadyGone`]. After a delete of
    /// unknown outcome, or a 404 with another code, Atlas is asked for the key.
    pub(crate) async fn delete_api_key(
        &self,
        org: &OrgId,
        key: &ApiKeyId,
        budget: RequestBudget,
    ) -> Result<Deletion, AtlasError> {
        let path = format!("/orgs/{org}/apiKeys/{key}");
        let scope = Scope::Org(org.clone());
        let call = Call::delete("deleteOrgApiKey", &path, EndpointSet::ApiKeys, scope);
        let outcome = self.send(&call, budget).await;
        match gone_is_fine(outcome.map(drop), AtlasError::says_api_key_is_gone) {
            Err(error) if error.outcome_unknown() || error.says_not_found() => {
                after_look(error, self.api_key_presence(org, key, budget).await)
            }
            outcome => outcome,
        }
    }

    /// All keys of an organization: one request for each 500. Source: Atlas API `listOrgApiKeys`.
    pub(crate) async fn list_org_api_keys(
        &self,
        org: &OrgId,
        budget: RequestBudget,
    ) -> Result<Vec<ApiKey>, AtlasError> {
        self.walk_org_api_keys(org, budget, Some).await
    }

    /// One key with its roles. Source: Atlas API `getOrgApiKey`.
    pub(crate) async fn api_key(
        &self,
        org: &OrgId,
        key: &ApiKeyId,
        budget: RequestBudget,
    ) -> Result<ApiKey, AtlasError> {
        let path = format!("/orgs/{org}/apiKeys/{key}");
        let scope = Scope::Org(org.clone());
        let call = Call::get("getOrgApiKey", &path, EndpointSet::ApiKeys, scope);
        let seen: ApiKey = self.fetch(&call, budget).await?;
        if seen.id == *key {
            Ok(seen)
        } else {
            Err(mismatch(call.operation))
        }
    }

    async fn walk_org_api_keys<U>(
        &self,
        org: &OrgId,
        budget: RequestBudget,
        keep: impl FnMut(ApiKey) -> Option<U>,
    ) -> Result<Vec<U>, AtlasError> {
        let path = format!("/orgs/{org}/apiKeys");
        let scope = Scope::Org(org.clone());
        let call = Call::get("listOrgApiKeys", &path, EndpointSet::ApiKeys, scope);
        self.walk(call, budget, keep).await
    }

    /// Whether one complete list of a project's keys shows this one. Source: Atlas API
    /// `listGroupApiKeys`.
    pub(super) async fn project_lists_api_key(
        &self,
        project: &ProjectId,
        key: &ApiKeyId,
        budget: RequestBudget,
    ) -> Result<bool, AtlasError> {
        let path = format!("/groups/{project}/apiKeys");
        let scope = Scope::Project(project.clone());
        let call = Call::get("listGroupApiKeys", &path, EndpointSet::ApiKeys, scope);
        let matching = |each: ApiKey| (each.id == *key).then_some(());
        let found = self.walk(call, budget, matching).await?;
        Ok(!found.is_empty())
    }
}

fn create_operation(level: &Level) -> &'static str {
    match level {
        Level::Org(_) => "createOrgApiKey",
        Level::Project(_) => "createGroupApiKey",
    }
}

/// Whether a key as Atlas shows it has these roles.
fn shows_key(
    key: &ApiKey,
    operation: &'static str,
    level: &Level,
    roles: &[String],
) -> Result<(), AtlasError> {
    shows_roles(operation, &key.roles, level, roles)
}

fn shows_roles(
    operation: &'static str,
    shown: &[RoleGrant],
    level: &Level,
    wanted: &[String],
) -> Result<(), AtlasError> {
    let there = shown.iter().filter(|grant| match level {
        Level::Org(org) => grant.org_id.as_ref() == Some(org),
        Level::Project(project) => grant.project_id.as_ref() == Some(project),
    });
    let names: Vec<&str> = there.map(|grant| grant.role_name.as_str()).collect();
    all_shown(operation, wanted, |role| names.contains(&role))
}

/// Fails with the first role that is not shown.
pub(super) fn all_shown(
    operation: &'static str,
    wanted: &[String],
    is_shown: impl Fn(&str) -> bool,
) -> Result<(), AtlasError> {
    match wanted.iter().find(|role| !is_shown(role)) {
        None => Ok(()),
        Some(role) => Err(AtlasError::MalformedAnswer {
            operation,
            source: AnswerFault::RoleMissing { role: role.clone() },
        }),
    }
}

/// The answer is about something else than what was asked for.
pub(super) fn mismatch(operation: &'static str) -> AtlasError {
    AtlasError::MalformedAnswer {
        operation,
        source: AnswerFault::Mismatch,
    }
}

/// Counts a refusal that says "not there" as done.
pub(super) fn gone_is_fine(
    outcome: Result<(), AtlasError>,
    says_gone: impl FnOnce(&AtlasError) -> bool,
) -> Result<Deletion, AtlasError> {
    match outcome {
        Ok(()) => Ok(Deletion::Deleted),
        Err(error) if says_gone(&error) => Ok(Deletion::AlreadyGone),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
#[path = "api_keys_tests.rs"]
mod tests;
