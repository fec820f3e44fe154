//! AI model API keys: create, find, delete.
//!
//! A key belongs to its project, and is taken to end with it, which no source says. It has no Atlas roles, no
//! access list and no end of its own. An organization lists the keys of all its projects and changes none.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::json;

use crate::base::Sensitive;

use super::api_keys::{Deletion, mismatch, null_as_default};
use super::call::{Call, RequestBudget};
use super::client::Atlas;
use super::endpoints::{EndpointSet, Scope};
use super::error::{AnswerFault, AtlasError};
use super::ids::{Level, ModelKeyId, ProjectId};
use super::presence::{Presence, after_look_in_project};

const SET: EndpointSet = EndpointSet::ModelKeys;
const CREATE: &str = "createGroupModelKey";
/// Every cloud, or every geography.
const ANYWHERE: &str = "ANY";
/// The longest name of a scope that is repeated in an error.
const LONGEST_TOLD: usize = 64;

/// A key to be made.
#[derive(Debug, Clone)]
pub(crate) struct NewModelKey {
    /// 1 to 250 characters; need not be unique for Atlas, but finds the key again if it is.
    pub name: String,
    /// Where it may be used.
    pub scope: ModelScope,
}

/// Where a key may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ModelScope {
    /// Cloud provider, or `ANY`.
    pub cloud: String,
    /// Geography, or `ANY`.
    pub geography: String,
}

/// A key as it is shown once, when it is made.
#[derive(Debug)]
pub(crate) struct CreatedModelKey {
    /// For all later calls.
    pub id: ModelKeyId,
    /// What signs in to the models; Atlas never shows it again.
    pub secret: Sensitive,
    /// Host name of the models; empty if Atlas does not tell.
    pub endpoint: String,
    name: String,
    project_id: Option<ProjectId>,
    scope: ModelScope,
}

impl CreatedModelKey {
    /// Whether Atlas's answer tells of no other key than the one that was asked for: a gateway may repeat an
    /// earlier answer. The id of another is not noted, so that ours is looked for by its name.
    pub(crate) fn is_of(&self, project: &ProjectId, name: &str) -> Result<(), AtlasError> {
        let is_named = self.name.is_empty() || self.name == name;
        let is_there = self.project_id.as_ref().is_none_or(|id| id == project);
        if is_named && is_there {
            Ok(())
        } else {
            Err(mismatch(CREATE))
        }
    }

    /// Whether Atlas's answer shows this scope: a key that may be used elsewhere is not what was asked for.
    /// One that may be used anywhere need not say so.
    pub(crate) fn shows(&self, wanted: &ModelScope) -> Result<(), AtlasError> {
        let fits = |shown: &str, wanted: &str| {
            shown.eq_ignore_ascii_case(wanted)
                || shown.is_empty() && wanted.eq_ignore_ascii_case(ANYWHERE)
        };
        let scope = &self.scope;
        if fits(&scope.cloud, &wanted.cloud) && fits(&scope.geography, &wanted.geography) {
            return Ok(());
        }
        Err(AtlasError::MalformedAnswer {
            operation: CREATE,
            source: AnswerFault::OtherScope {
                cloud: told(&scope.cloud),
                geography: told(&scope.geography),
            },
        })
    }
}

/// What Atlas says of a scope, as far as it is a name.
fn told(scope: &str) -> String {
    let is_name = |text: &&str| text.len() <= LONGEST_TOLD && text.bytes().all(is_name_byte);
    match Some(scope).filter(is_name) {
        Some("") => "none".to_owned(),
        Some(name) => name.to_owned(),
        None => "no name".to_owned(),
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-".contains(&byte)
}

/// A key as Atlas lists it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ModelKey {
    /// For all later calls.
    #[serde(rename = "apiKeyId")]
    pub id: ModelKeyId,
    /// For people; changeable and not unique.
    #[serde(default, deserialize_with = "null_as_default")]
    pub name: String,
    /// Its project, which an organization's list tells.
    #[serde(default, rename = "groupId")]
    pub project_id: Option<ProjectId>,
    #[serde(default, deserialize_with = "null_as_default")]
    created_at: String,
}

impl ModelKey {
    /// When it was made, if Atlas tells it in a form that can be read. Recorded ones have a blank between
    /// day and time.
    pub(crate) fn made_at(&self) -> Option<DateTime<Utc>> {
        let text = self.created_at.replacen(' ', "T", 1);
        let at = DateTime::parse_from_rfc3339(&text).ok()?;
        Some(at.with_timezone(&Utc))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreateReply {
    api_key_id: ModelKeyId,
    #[serde(default)]
    secret: Option<Sensitive>,
    #[serde(default, deserialize_with = "null_as_default")]
    endpoint: String,
    #[serde(default, deserialize_with = "null_as_default")]
    name: String,
    #[serde(default, rename = "groupId")]
    project_id: Option<ProjectId>,
    #[serde(default, deserialize_with = "null_as_default")]
    cloud: String,
    #[serde(default, deserialize_with = "null_as_default")]
    geography: String,
}

impl Atlas {
    /// Makes a key. One request; never sent twice unless the first certainly had no effect.
    ///
    /// After a failure whose [`AtlasError::outcome_unknown`] is true, look for the name.
    /// Source: Atlas API `createGroupModelKey`.
    pub(crate) async fn create_model_key(
        &self,
        project: &ProjectId,
        key: &NewModelKey,
        budget: RequestBudget,
    ) -> Result<CreatedModelKey, AtlasError> {
        let path = keys_path(&Level::Project(project.clone()));
        let content = json!({
            "name": key.name, "cloud": key.scope.cloud, "geography": key.scope.geography,
        });
        let scope = Scope::Project(project.clone());
        let call = Call::create(CREATE, &path, SET, scope, &content);
        let reply: CreateReply = self.fetch(&call, budget).await?;
        let secret = reply.secret.filter(|secret| !secret.is_empty());
        let secret = secret.ok_or(AtlasError::MalformedAnswer {
            operation: CREATE,
            source: AnswerFault::Missing { field: "secret" },
        })?;
        Ok(CreatedModelKey {
            id: reply.api_key_id,
            secret,
            endpoint: reply.endpoint,
            name: reply.name,
            project_id: reply.project_id,
            scope: ModelScope {
                cloud: reply.cloud,
                geography: reply.geography,
            },
        })
    }

    /// All keys of a project, or of all projects of an organization: one request for each 500.
    /// Source: Atlas API `listGroupModelKeys`, `listOrgModelKeys`.
    pub(crate) async fn list_model_keys(
        &self,
        level: &Level,
        budget: RequestBudget,
    ) -> Result<Vec<ModelKey>, AtlasError> {
        let operation = match level {
            Level::Org(_) => "listOrgModelKeys",
            Level::Project(_) => "listGroupModelKeys",
        };
        let call = Call::get(operation, &keys_path(level), SET, level);
        self.walk(call, budget, Some).await
    }

    /// Deletes a key, which disables it at once. Source: Atlas API `deleteGroupModelKey`.
    ///
    /// No code is documented for one that is not there: after a 404 or 400, or a delete of unknown outcome,
    /// it counts as gone once its [`Presence`] is looked for. A project that is gone is an error: whether
    /// that is proof, the caller knows.
    pub(crate) async fn delete_model_key(
        &self,
        project: &ProjectId,
        key: &ModelKeyId,
        budget: RequestBudget,
    ) -> Result<Deletion, AtlasError> {
        let call = Call::delete(
            "deleteGroupModelKey",
            &key_path(project, key),
            SET,
            Scope::Project(project.clone()),
        );
        match self.send(&call, budget).await {
            Ok(_) => Ok(Deletion::Deleted),
            Err(error) if error.outcome_unknown() || error.may_say_unknown() => {
                let look = self.model_key_presence(project, key, budget).await;
                after_look_in_project(error, look)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether a key is still there: gone is what Atlas answers 404 or 400 to, and two complete lists, seconds
    /// apart, do not show.
    pub(crate) async fn model_key_presence(
        &self,
        project: &ProjectId,
        key: &ModelKeyId,
        budget: RequestBudget,
    ) -> Result<Presence, AtlasError> {
        if self.knows_model_key(project, key, budget).await? {
            return Ok(Presence::Present);
        }
        let sought = HashSet::from([key.clone()]);
        let unlisted = self.unlisted_model_keys(project, sought, budget).await?;
        Ok(if unlisted.is_empty() {
            Presence::Present
        } else {
            Presence::Gone
        })
    }

    /// Whether Atlas knows a key; that it does not is half a proof. Source: Atlas API `getGroupModelKey`.
    pub(crate) async fn knows_model_key(
        &self,
        project: &ProjectId,
        key: &ModelKeyId,
        budget: RequestBudget,
    ) -> Result<bool, AtlasError> {
        let scope = Scope::Project(project.clone());
        let call = Call::get("getGroupModelKey", &key_path(project, key), SET, scope);
        match self.fetch::<ModelKey>(&call, budget).await {
            Ok(seen) if seen.id == *key => Ok(true),
            Ok(_) => Err(mismatch(call.operation)),
            Err(error) if error.may_say_unknown() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Those of `sought` that two complete lists do not show. Only for keys that Atlas does not know.
    pub(crate) async fn unlisted_model_keys(
        &self,
        project: &ProjectId,
        mut sought: HashSet<ModelKeyId>,
        budget: RequestBudget,
    ) -> Result<HashSet<ModelKeyId>, AtlasError> {
        let level = Level::Project(project.clone());
        let mut looks = self.looks(budget);
        while !sought.is_empty() && looks.next().await? {
            for listed in self.list_model_keys(&level, budget).await? {
                sought.remove(&listed.id);
            }
        }
        Ok(sought)
    }
}

fn keys_path(level: &Level) -> String {
    format!("{}/aiModelApiKeys", level.path())
}

fn key_path(project: &ProjectId, key: &ModelKeyId) -> String {
    format!("/groups/{project}/aiModelApiKeys/{key}")
}

#[cfg(test)]
#[path = "model_keys_tests.rs"]
mod tests;
