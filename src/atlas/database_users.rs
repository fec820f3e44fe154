//! Database users who sign in with a password (SCRAM): what they are; create and find.
//!
//! A user belongs to its project, where its name is its id, and Atlas never shows its password. Atlas deletes
//! it by itself at `deleteAfterDate`, a week ahead at most. A name may be given to somebody else once its
//! user is gone; so ours carry a text that nobody else's have, in the description, which Atlas's user
//! interface shows, and in a label, which it does not.

use chrono::{DateTime, NaiveDateTime, SubsecRound as _, TimeDelta, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Deserializer, Serialize};
use zeroize::Zeroizing;

use crate::base::{Rfc3339, Sensitive};

use super::api_keys::{mismatch, null_as_default};
use super::call::{Call, RequestBudget};
use super::client::Atlas;
use super::endpoints::{EndpointSet, Scope};
use super::error::AtlasError;
use super::hidden::Hidden;
use super::ids::{DatabaseUsername, Level, ProjectId};

pub(super) const SET: EndpointSet = EndpointSet::DatabaseUsers;
const CREATE: &str = "createDatabaseUser";

/// The database at which who has a password signs in. Source: Atlas API, `CloudDatabaseUser`.
pub(crate) const SIGN_IN_DATABASE: &str = "admin";
/// Most users of a project, unless Atlas's support allows more. Source: Atlas API, `createDatabaseUser`.
pub(crate) const MOST_DATABASE_USERS: usize = 100;

/// What tells ours from others' is the value of this label, or else the description.
const TAG_LABEL: &str = "vault-description";
/// When the user was made; Atlas does not tell.
const TIME_LABEL: &str = "vault-issued-at";
/// Room for the name of the field, its quotes and its comma.
const PASSWORD_FIELD: usize = 32;
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
    #[serde(default, rename = "roleName", deserialize_with = "null_as_default")]
    pub role: String,
    /// The database on which it counts.
    #[serde(default, rename = "databaseName", deserialize_with = "null_as_default")]
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
    #[serde(default, deserialize_with = "null_as_default")]
    pub name: String,
    /// What it is, as Atlas calls it: `CLUSTER`, `DATA_LAKE`, `STREAM`.
    #[serde(default, rename = "type", deserialize_with = "null_as_default")]
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
    pub(super) description: String,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(super) labels: Vec<Label>,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(super) roles: Vec<DatabaseRole>,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(super) scopes: Vec<DatabaseScope>,
    #[serde(default, deserialize_with = "moment")]
    pub(super) delete_after_date: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Label {
    #[serde(default, deserialize_with = "null_as_default")]
    key: String,
    #[serde(default, deserialize_with = "null_as_default")]
    value: String,
}

/// What is sent; a password with a create alone.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Content<'a> {
    pub(super) group_id: &'a ProjectId,
    pub(super) database_name: &'static str,
    pub(super) username: &'a DatabaseUsername,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) password: Option<&'a str>,
    pub(super) roles: &'a [DatabaseRole],
    pub(super) scopes: &'a [DatabaseScope],
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) description: &'a str,
    pub(super) labels: &'a [Label],
    pub(super) delete_after_date: Rfc3339,
}

impl Content<'_> {
    /// At once as large as it gets: growing would leave copies of a password behind.
    pub(super) fn into_bytes(mut self) -> Zeroizing<Vec<u8>> {
        let password = self.password.take();
        let others = serde_json::to_vec(&self).map_or(0, |content| content.len());
        self.password = password;
        // A character may be written as six.
        let own = password.map_or(0, |password| 6 * password.len() + PASSWORD_FIELD);
        let mut content = Zeroizing::new(Vec::with_capacity(others + own));
        // Texts in memory: there is nothing in it that could fail.
        let written = serde_json::to_writer(&mut *content, &self);
        debug_assert!(written.is_ok(), "{written:?}");
        debug_assert!(content.len() <= others + own, "it grew");
        content
    }
}

/// For a text that Atlas leaves out, sends as `null` or sends empty.
fn filled<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text: Option<String> = Option::deserialize(deserializer)?;
    Ok(text.filter(|text| !text.is_empty()))
}

/// A moment, of which the time zone may be left out; what is none counts as left out: others' users are
/// listed too. Source: Atlas API, `deleteAfterDate`.
fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    let text: Option<String> = Option::deserialize(deserializer)?;
    Ok(text.and_then(|text| {
        let zoned = text.parse::<DateTime<Utc>>().ok();
        zoned.or_else(|| text.parse::<NaiveDateTime>().ok().map(|at| at.and_utc()))
    }))
}

fn sorted<T: Ord + Clone>(list: &[T]) -> Vec<T> {
    let mut list = list.to_vec();
    list.sort_unstable();
    list
}

impl OwnDatabaseUser {
    /// Whether its name is the text of its journal entry, which nobody else has: it is known by that alone, even
    /// where somebody has changed its description and taken its labels away.
    pub(super) fn has_own_name(&self) -> bool {
        self.username.as_str() == self.tag
    }
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

    /// Whether it is this one: under a name that others may have too, only its text tells.
    pub(super) fn is(&self, user: &OwnDatabaseUser) -> bool {
        self.username == user.username.as_str()
            && self.database_name == SIGN_IN_DATABASE
            && (user.has_own_name() || self.tag() == user.tag)
    }

    /// Whether it has what only this engine gives, be it for this entry or another.
    pub(super) fn is_marked(&self) -> bool {
        self.label(TAG_LABEL).is_some()
    }

    /// Whether it may do and reach this, and nothing else, in whatever order Atlas tells it.
    pub(super) fn may(&self, roles: &[DatabaseRole], scopes: &[DatabaseScope]) -> bool {
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
    pub(super) async fn database_user(
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
}

pub(super) fn users(project: &ProjectId) -> String {
    format!("/groups/{project}/databaseUsers")
}

pub(super) fn user_path(project: &ProjectId, username: &DatabaseUsername) -> String {
    let name = utf8_percent_encode(username.as_str(), SEGMENT);
    format!("{}/{SIGN_IN_DATABASE}/{name}", users(project))
}

#[cfg(test)]
#[path = "database_users_tests.rs"]
mod tests;
