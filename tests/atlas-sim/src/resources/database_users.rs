//! Database users with a password. Codes: Atlas documentation, "Atlas Administration API Error Codes".

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::clock::text;
use crate::core::Call;
use crate::database::{ADMIN, CLUSTER, DatabaseUser};
use crate::dispatch::unknown_project;
use crate::errors::ApiError;
use crate::http::Answer;
use crate::operations::BASE;
use crate::page::self_link;
use crate::resources::clusters;
use crate::resources::user_fields::{Given, check_kind, check_same};
use crate::settings::{Omitted, Settings, Verdict};
use crate::state::{Project, deletable};

/// What a link leaves as it is in a segment of a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// A user. Source: recorded answers, which show `groupId`.
fn show(user: &DatabaseUser, group_id: &str) -> Value {
    let name = utf8_percent_encode(&user.username, SEGMENT);
    let path = format!("{BASE}/groups/{group_id}/databaseUsers/{ADMIN}/{name}");
    let mut body = json!({
        "awsIAMType": "NONE", "databaseName": ADMIN, "groupId": group_id, "labels": user.labels,
        "ldapAuthType": "NONE", "links": [self_link(&path)], "oidcAuthType": "NONE",
        "roles": user.roles, "scopes": user.scopes, "username": user.username, "x509Type": "NONE",
    });
    if let Some(moment) = user.delete_after {
        body["deleteAfterDate"] = json!(text(moment));
    }
    if let Some(description) = &user.description {
        body["description"] = json!(description);
    }
    body
}

fn project<'a>(call: &'a mut Call<'_>) -> Result<&'a mut Project, ApiError> {
    let id = call.param("groupId").to_owned();
    let settings = call.settings;
    let project = call.world.projects.get_mut(&id);
    project.ok_or_else(|| unknown_project(&id, settings))
}

/// The user name of the path; a user of another database than `admin` is unknown here.
fn wanted(call: &Call<'_>) -> Result<String, ApiError> {
    let username = call.param("username");
    if call.param("databaseName") == ADMIN {
        Ok(username.to_owned())
    } else {
        Err(unknown(username, call.settings))
    }
}

fn unknown(username: &str, settings: &Settings) -> ApiError {
    let detail = format!("No user with username {username} exists.");
    ApiError::set(&settings.unknown_database_user, detail).with(username)
}

pub(crate) fn list(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let (page, target, now, settings) = (call.page()?, call.target, call.now, call.settings);
    let project = project(call)?;
    let users = project.database_users.iter();
    let users = users.filter(|user| user.readable(now, settings)).collect();
    Ok(page.cut(users, target, |user| show(user, &project.id)))
}

pub(crate) fn read(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let username = wanted(call)?;
    let (now, settings) = (call.now, call.settings);
    let project = project(call)?;
    let mut users = project.database_users.iter();
    let user = users.find(|user| user.username == username && user.readable(now, settings));
    let user = user.ok_or_else(|| unknown(&username, settings))?;
    Ok(Answer::ok(show(user, &project.id)))
}

pub(crate) fn create(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let body = call.take_body();
    let (now, settings) = (call.now, call.settings);
    let given = Given::read(&body, call.param("groupId"), now, settings)?;
    check_kind(&given)?;
    let project = project(call)?;
    if project.database_user(&given.username).is_some() {
        let detail = format!("A user with username {} already exists.", given.username);
        let error = ApiError::new(409, "USER_ALREADY_EXISTS", detail);
        return Err(error.with(given.username));
    }
    let users = project.database_users.iter().filter(|user| user.exists());
    let limit = settings.max_database_users_per_project;
    if users.count() >= limit {
        let detail = format!("Groups can contain at most {limit} database users.");
        return Err(ApiError::new(403, "GROUP_USERS_LIMIT_EXCEEDED", detail).with(limit));
    }
    check_scopes(&given, project, settings)?;
    let Some(password) = given.password else {
        return Err(ApiError::missing_field("password"));
    };
    let user = DatabaseUser {
        username: given.username,
        password,
        roles: given.roles,
        scopes: given.scopes.unwrap_or_default(),
        labels: given.labels.unwrap_or_else(|| json!([])),
        description: given.description,
        delete_after: given.delete_after,
        created_at: now,
        deleted_at: None,
    };
    let answer = show(&user, &project.id);
    project.put_database_user(user, now, settings);
    Ok(Answer::created(answer))
}

/// Scopes that name no cluster, if these are refused.
fn check_scopes(given: &Given, project: &Project, settings: &Settings) -> Result<(), ApiError> {
    let scopes = given.scopes.iter().flatten();
    let mut of_clusters = scopes.filter(|scope| scope.kind == CLUSTER);
    let strange = of_clusters.find(|scope| !project.clusters.contains_key(&scope.name));
    match strange {
        Some(scope) if settings.unknown_scope == Verdict::Refuse => {
            Err(clusters::unknown(&scope.name, &project.id))
        }
        _ => Ok(()),
    }
}

pub(crate) fn update(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let body = call.take_body();
    let username = wanted(call)?;
    let (now, settings) = (call.now, call.settings);
    let given = Given::read(&body, call.param("groupId"), now, settings)?;
    let project = project(call)?;
    let user = project.database_user(&username);
    let user = user.ok_or_else(|| unknown(&username, settings))?;
    check_same(&given, user)?;
    check_scopes(&given, project, settings)?;
    if user.delete_after.is_some_and(|moment| moment <= now) {
        let detail = "Cannot update an entity that has already expired.";
        return Err(ApiError::new(400, "ALREADY_EXPIRED", detail));
    }
    if user.delete_after.is_none() && given.delete_after.is_some() {
        let detail = "A permanent entity cannot be made temporary.";
        let code = "PERMANENT_ENTITY_CANNOT_BE_MADE_TEMPORARY";
        return Err(ApiError::new(400, code, detail));
    }
    let kept_date = match settings.omitted_delete_after_date {
        Omitted::Kept => user.delete_after,
        Omitted::Off => None,
    };
    let before = user.clone();
    let user = DatabaseUser {
        password: given.password.unwrap_or(before.password),
        roles: given.roles,
        scopes: given.scopes.unwrap_or(before.scopes),
        labels: given.labels.unwrap_or(before.labels),
        description: given.description.or(before.description),
        delete_after: given.delete_after.or(kept_date),
        ..before
    };
    let answer = show(&user, &project.id);
    project.put_database_user(user, now, settings);
    Ok(Answer::ok(answer))
}

pub(crate) fn delete(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let username = wanted(call)?;
    let (now, settings) = (call.now, call.settings);
    let project = project(call)?;
    let user = project.database_user(&username);
    let is_known = user.is_some_and(|user| deletable(user.created_at, now, settings));
    if is_known && project.delete_database_user(&username, now, settings) {
        Ok(Answer::no_content())
    } else {
        Err(unknown(&username, settings))
    }
}
