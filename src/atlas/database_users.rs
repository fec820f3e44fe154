//! Database users who sign in with a password (SCRAM): create, find, prolong, delete.
//!
//! A user belongs to its project, where its name is its id, and Atlas never shows its password. Atlas deletes
//! it by itself at `deleteAfterDate`, a week ahead at most. A name may be given to somebody else once its
//! user is gone; so ours carry a text that nobody else's have, in the description, which Atlas's user
//! interface shows, and in a label, which it does not.

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Deserializer, Serialize};
use zeroize::Zeroizing;

use crate::base::{Rfc3339, Sensitive};

use super::api_keys::{Deletion, mismatch, null_as_default};
use super::call::{Call, RequestBudget};
use super::client::Atlas;
use super::endpoints::{EndpointSet, Scope};
use super::error::AtlasError;
use super::hidden::Hidden;
use super::ids::{DatabaseUsername, Level, ProjectId};
use super::presence::{Presence, after_look_in_project};

const SET: EndpointSet = EndpointSet::DatabaseUsers;
const CREATE: &str = "createDatabaseUser";
const UPDATE: &str = "updateDatabaseUser";

/// The database at which who has a password signs in. Source: Atlas API, `CloudDatabaseUser`.
pub(crate) const SIGN_IN_DATABASE: &str = "admin";
/// Most users of a project, unless Atlas's support allows more. Source: Atlas API, `createDatabaseUser`.
pub(crate) const MOST_DATABASE_USERS: usize = 100;

/// What tells ours from others' is the value of this label, or else the description.
const TAG_LABEL: &str = "vault-description";
/// When the user was made; Atlas does not tell.
const TIME_LABEL: &str = "vault-issued-at";
/// Room for the content of a request at once: growing would leave copies of a password behind.
const CONTENT_BYTES: usize = 64 * 1024;
/// Between a moment as it is asked for and as Atlas shows it.
const ROUNDING: TimeDelta = TimeDelta::seconds(60);
/// All that need not be encoded in a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// One role of a user.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct DatabaseRole {
    /// Built in, or one of the project's own.
    #[serde(rename = "roleName")]
    pub role: String,
    /// The database on which it counts.
    #[serde(rename = "databaseName")]
    pub database: String,
    /// The one collection of it, if not all.
    #[serde(
        default,
        rename = "collectionName",
        deserialize_with = "filled",
        skip_serializing_if = "Option::is_none"
    )]
    pub collection: Option<String>,
}

/// Something that a user may sign in to; users without any may sign in to all that the project has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct DatabaseScope {
    /// Its name in the project.
    pub name: String,
    /// What it is, as Atlas calls it: `CLUSTER`, `DATA_LAKE`, `STREAM`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// A user to be made.
#[derive(Debug)]
pub(crate) struct NewDatabaseUser {
    pub user: OwnDatabaseUser,
    pub password: Sensitive,
    pub roles: Vec<DatabaseRole>,
    pub scopes: Vec<DatabaseScope>,
    /// Now.
    pub made_at: DateTime<Utc>,
    /// When Atlas deletes it by itself, in Atlas's time.
    pub ends_at: DateTime<Utc>,
}

/// One of our users: its name, and the text by which it is known not to be somebody else's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OwnDatabaseUser {
    pub username: DatabaseUsername,
    pub tag: String,
}

/// A user as Atlas shows it. Others' may sign in in other ways and have names of any form.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DatabaseUser {
    #[serde(default, deserialize_with = "null_as_default")]
    username: String,
    #[serde(default, deserialize_with = "null_as_default")]
    database_name: String,
    #[serde(default, deserialize_with = "null_as_default")]
    description: String,
    #[serde(default, deserialize_with = "null_as_default")]
    labels: Vec<Label>,
    #[serde(default, deserialize_with = "null_as_default")]
    roles: Vec<DatabaseRole>,
    #[serde(default, deserialize_with = "null_as_default")]
    scopes: Vec<DatabaseScope>,
    #[serde(default)]
    delete_after_date: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Label {
    #[serde(default, deserialize_with = "null_as_default")]
    key: String,
    #[serde(default, deserialize_with = "null_as_default")]
    value: String,
}

/// Whether a user lives as long as was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// It does, as Atlas has shown.
    Until,
    /// Atlas does not know it, or only another of its name.
    Unknown,
}

/// What is sent; a password with a create alone.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Content<'a> {
    group_id: &'a ProjectId,
    database_name: &'static str,
    username: &'a DatabaseUsername,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
    roles: &'a [DatabaseRole],
    scopes: &'a [DatabaseScope],
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    labels: &'a [Label],
    delete_after_date: Rfc3339,
}

impl Content<'_> {
    fn into_bytes(self) -> Zeroizing<Vec<u8>> {
        let mut content = Zeroizing::new(Vec::with_capacity(CONTENT_BYTES));
        // Texts in memory: there is nothing in it that could fail.
        let written = serde_json::to_writer(&mut *content, &self);
        debug_assert!(written.is_ok(), "{written:?}");
        content
    }
}

/// For a text that Atlas leaves out, sends as `null` or sends empty.
fn filled<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text: Option<String> = Option::deserialize(deserializer)?;
    Ok(text.filter(|text| !text.is_empty()))
}

fn sorted<T: Ord + Clone>(list: &[T]) -> Vec<T> {
    let mut list = list.to_vec();
    list.sort_unstable();
    list
}

impl DatabaseUser {
    /// Its name, if it signs in with a password and the name is one that we could have given.
    pub(crate) fn username(&self) -> Option<DatabaseUsername> {
        let username = self.username.parse().ok()?;
        (self.database_name == SIGN_IN_DATABASE).then_some(username)
    }

    fn label(&self, key: &str) -> Option<&str> {
        let found = self.labels.iter().find(|label| label.key == key)?;
        Some(&found.value)
    }

    /// The text by which its maker knows it: people may have changed the description.
    pub(crate) fn tag(&self) -> &str {
        self.label(TAG_LABEL).unwrap_or(&self.description)
    }

    /// When it was made, if its maker noted that.
    pub(crate) fn made_at(&self) -> Option<DateTime<Utc>> {
        self.label(TIME_LABEL)?.parse().ok()
    }

    fn is(&self, user: &OwnDatabaseUser) -> bool {
        self.username == user.username.as_str()
            && self.database_name == SIGN_IN_DATABASE
            && self.tag() == user.tag
    }

    /// Whether it may do and reach this, and nothing else, in whatever order Atlas tells it.
    fn may(&self, roles: &[DatabaseRole], scopes: &[DatabaseScope]) -> bool {
        sorted(&self.roles) == sorted(roles) && sorted(&self.scopes) == sorted(scopes)
    }

    /// Whether Atlas's answer shows what was asked for. One that reaches further is not what was asked for,
    /// nor is one that does not end by itself, or ends before it may.
    pub(crate) fn shows(&self, wanted: &NewDatabaseUser) -> Result<(), AtlasError> {
        let ends = self.delete_after_date.is_some_and(|at| {
            at >= wanted.ends_at.trunc_subsecs(0) && at <= wanted.ends_at + ROUNDING
        });
        let is_it = self.is(&wanted.user) && self.may(&wanted.roles, &wanted.scopes);
        if is_it && ends {
            Ok(())
        } else {
            Err(mismatch(CREATE))
        }
    }
}

impl Atlas {
    /// Makes a user. One request; never sent twice unless the first certainly had no effect.
    ///
    /// After a failure whose [`AtlasError::outcome_unknown`] is true, look for the tag.
    /// Source: Atlas API `createDatabaseUser`.
    pub(crate) async fn create_database_user(
        &self,
        project: &ProjectId,
        new: &NewDatabaseUser,
        budget: RequestBudget,
    ) -> Result<DatabaseUser, AtlasError> {
        let label = |key: &str, value: String| Label {
            key: key.to_owned(),
            value,
        };
        let content = Content {
            group_id: project,
            database_name: SIGN_IN_DATABASE,
            username: &new.user.username,
            password: Some(new.password.expose()),
            roles: &new.roles,
            scopes: &new.scopes,
            description: &new.user.tag,
            labels: &[
                label(TAG_LABEL, new.user.tag.clone()),
                label(TIME_LABEL, Rfc3339(new.made_at).to_string()),
            ],
            delete_after_date: Rfc3339(new.ends_at),
        };
        let scope = Scope::Project(project.clone());
        let (content, hidden) = (content.into_bytes(), Hidden::of([&new.password]));
        let call = Call::create_of(CREATE, &users(project), SET, scope, content, hidden);
        self.fetch(&call, budget).await
    }

    /// All users of a project, others' included: one request for each 500.
    /// Source: Atlas API `listDatabaseUsers`.
    pub(crate) async fn list_database_users(
        &self,
        project: &ProjectId,
        budget: RequestBudget,
    ) -> Result<Vec<DatabaseUser>, AtlasError> {
        let level = Level::Project(project.clone());
        let call = Call::get("listDatabaseUsers", &users(project), SET, &level);
        self.walk(call, budget, Some).await
    }

    /// Source: Atlas API `getDatabaseUser`.
    async fn database_user(
        &self,
        project: &ProjectId,
        username: &DatabaseUsername,
        budget: RequestBudget,
    ) -> Result<DatabaseUser, AtlasError> {
        let scope = Scope::Project(project.clone());
        let call = Call::get("getDatabaseUser", &user_path(project, username), SET, scope);
        let seen: DatabaseUser = self.fetch(&call, budget).await?;
        if seen.username == username.as_str() {
            Ok(seen)
        } else {
            Err(mismatch(call.operation))
        }
    }

    /// Has Atlas keep a user until then at the least, in Atlas's time. What it may do and reach stays as Atlas
    /// shows it at this moment, and an end that is later as well. Success is what Atlas has shown.
    ///
    /// Source: Atlas API `updateDatabaseUser`.
    pub(crate) async fn keep_database_user(
        &self,
        project: &ProjectId,
        user: &OwnDatabaseUser,
        until: DateTime<Utc>,
        budget: RequestBudget,
    ) -> Result<Kept, AtlasError> {
        let until = (until + TimeDelta::milliseconds(999)).trunc_subsecs(0);
        let seen = match self.database_user(project, &user.username, budget).await {
            Ok(seen) if seen.is(user) => seen,
            Ok(_) => return Ok(Kept::Unknown),
            Err(error) if error.says_not_found() => return Ok(Kept::Unknown),
            Err(error) => return Err(error),
        };
        if seen.delete_after_date.is_some_and(|at| at >= until) {
            return Ok(Kept::Until);
        }
        let content = Content {
            group_id: project,
            database_name: SIGN_IN_DATABASE,
            username: &user.username,
            password: None,
            roles: &seen.roles,
            scopes: &seen.scopes,
            description: &seen.description,
            labels: &seen.labels,
            delete_after_date: Rfc3339(until),
        };
        let scope = Scope::Project(project.clone());
        let path = user_path(project, &user.username);
        let content = content.into_bytes();
        let call =
            Call::patch_once(UPDATE, &path, SET, scope, content, Hidden::NOTHING).repeatable();
        let kept: DatabaseUser = self.fetch(&call, budget).await?;
        let lives = kept.delete_after_date.is_some_and(|at| at >= until);
        if lives && kept.is(user) && kept.may(&seen.roles, &seen.scopes) {
            Ok(Kept::Until)
        } else {
            Err(mismatch(UPDATE))
        }
    }

    /// Deletes a user, unless its name is another's by now: then it is gone.
    /// Source: Atlas API `deleteDatabaseUser`.
    ///
    /// No code is documented for one that is not there: after a 404 or 400, or a delete of unknown outcome, it
    /// counts as gone once its [`Presence`] is looked for; as deleted, if it was shown before. A project that is gone is an error: whether
    /// that is proof, the caller knows.
    pub(crate) async fn delete_database_user(
        &self,
        project: &ProjectId,
        user: &OwnDatabaseUser,
        budget: RequestBudget,
    ) -> Result<Deletion, AtlasError> {
        let deleted = match self.database_user(project, &user.username, budget).await {
            Ok(seen) if !seen.is(user) => return Ok(Deletion::AlreadyGone),
            Ok(_) => {
                let path = user_path(project, &user.username);
                let scope = Scope::Project(project.clone());
                let call = Call::delete("deleteDatabaseUser", &path, SET, scope);
                self.send(&call, budget).await.map(drop)
            }
            Err(error) if error.may_say_unknown() => {
                let look = self.database_user_presence(project, user, budget).await;
                return after_look_in_project(error, look);
            }
            Err(error) => return Err(error),
        };
        match deleted {
            Ok(()) => Ok(Deletion::Deleted),
            Err(error) if error.outcome_unknown() || error.may_say_unknown() => {
                let look = self.database_user_presence(project, user, budget).await;
                after_look_in_project(error, look).map(|_| Deletion::Deleted)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether a user is still there: gone is what Atlas answers 404 or 400 to, and two complete lists, seconds
    /// apart, do not show; and what another of its name has taken the place of.
    pub(crate) async fn database_user_presence(
        &self,
        project: &ProjectId,
        user: &OwnDatabaseUser,
        budget: RequestBudget,
    ) -> Result<Presence, AtlasError> {
        if let Some(seen) = self.see_database_user(project, user, budget).await? {
            return Ok(seen);
        }
        let sought = vec![user.clone()];
        let unlisted = self.unlisted_database_users(project, sought, budget);
        Ok(if unlisted.await?.is_empty() {
            Presence::Present
        } else {
            Presence::Gone
        })
    }

    /// What Atlas shows of a user; [`None`]: it does not know it, which is half a proof that it is gone.
    pub(crate) async fn see_database_user(
        &self,
        project: &ProjectId,
        user: &OwnDatabaseUser,
        budget: RequestBudget,
    ) -> Result<Option<Presence>, AtlasError> {
        match self.database_user(project, &user.username, budget).await {
            Ok(seen) if seen.is(user) => Ok(Some(Presence::Present)),
            Ok(_) => Ok(Some(Presence::Gone)),
            Err(error) if error.may_say_unknown() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Those of `sought` that two complete lists do not show. Only for users that Atlas does not know.
    /// Source: Atlas API `listDatabaseUsers`.
    pub(crate) async fn unlisted_database_users(
        &self,
        project: &ProjectId,
        mut sought: Vec<OwnDatabaseUser>,
        budget: RequestBudget,
    ) -> Result<Vec<OwnDatabaseUser>, AtlasError> {
        let mut looks = self.looks(budget);
        while !sought.is_empty() && looks.next().await? {
            let listed = self.list_database_users(project, budget).await?;
            sought.retain(|user| !listed.iter().any(|each| each.is(user)));
        }
        Ok(sought)
    }
}

fn users(project: &ProjectId) -> String {
    format!("/groups/{project}/databaseUsers")
}

fn user_path(project: &ProjectId, username: &DatabaseUsername) -> String {
    let name = utf8_percent_encode(username.as_str(), SEGMENT);
    format!("{}/{SIGN_IN_DATABASE}/{name}", users(project))
}

#[cfg(test)]
#[path = "database_users_tests.rs"]
mod tests;
