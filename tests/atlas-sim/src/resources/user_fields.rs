//! What a request says of a database user, held against the description and Atlas's rules.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use serde_json::Value;

use crate::body::{Fields, required};
use crate::database::{ADMIN, CLUSTER, DatabaseUser, Scope, is_cluster_name};
use crate::errors::ApiError;
use crate::settings::{Settings, Verdict};

/// The fields of a user. Source: Atlas API, `CloudDatabaseUser`.
const KNOWN: [&str; 13] = [
    "awsIAMType",
    "databaseName",
    "deleteAfterDate",
    "description",
    "groupId",
    "labels",
    "ldapAuthType",
    "oidcAuthType",
    "password",
    "roles",
    "scopes",
    "username",
    "x509Type",
];
/// Those that choose another way to sign in than a password.
const KINDS: [&str; 4] = ["awsIAMType", "ldapAuthType", "oidcAuthType", "x509Type"];
/// Roles that exist in the database `admin` alone, and those of every database. Source: Atlas
/// documentation, "Configure Database Users", built-in roles.
const ADMIN_ROLES: [&str; 7] = [
    "atlasAdmin",
    "backup",
    "clusterMonitor",
    "dbAdminAnyDatabase",
    "enableSharding",
    "readAnyDatabase",
    "readWriteAnyDatabase",
];
const DATABASE_ROLES: [&str; 3] = ["dbAdmin", "read", "readWrite"];
/// What a scope can name. Source: Atlas API description with enums, `UserScope`.
const SCOPE_KINDS: [&str; 3] = [CLUSTER, "DATA_LAKE", "STREAM"];
/// How far ahead a user may end.
const MAX_DAYS: i64 = 7;

/// What is asked for.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) username: String,
    database: String,
    /// The field that asks for another way to sign in than a password.
    other_kind: Option<&'static str>,
    pub(super) password: Option<String>,
    pub(super) roles: Vec<Value>,
    pub(super) scopes: Option<Vec<Scope>>,
    pub(super) labels: Option<Value>,
    pub(super) description: Option<String>,
    pub(super) delete_after: Option<DateTime<Utc>>,
}

impl Given {
    pub(super) fn read(
        body: &Value,
        group_id: &str,
        now: DateTime<Utc>,
        settings: &Settings,
    ) -> Result<Self, ApiError> {
        let fields = Fields::new(body, &KNOWN)?;
        let named = required(fields.text("groupId")?, "groupId")?;
        if named != group_id {
            let detail = format!("The specified group ID {named} does not match the URL.");
            return Err(ApiError::new(400, "GROUP_MISMATCH", detail).with(named));
        }
        let username = required(fields.text("username")?, "username")?;
        check_username(username, settings)?;
        let database = required(fields.text("databaseName")?, "databaseName")?;
        Ok(Self {
            username: username.to_owned(),
            database: database.to_owned(),
            other_kind: other_kind(fields)?,
            password: at_least(fields, "password", 8)?,
            roles: roles(fields, username, settings)?,
            scopes: fields.value("scopes").map(scopes).transpose()?,
            labels: fields.value("labels").map(labels).transpose()?,
            description: at_most(fields, "description", 100)?,
            delete_after: delete_after(fields, now)?,
        })
    }
}

/// Only users with a password are served, and these belong to `admin`.
pub(super) fn check_kind(given: &Given) -> Result<(), ApiError> {
    if let Some(kind) = given.other_kind {
        let description = "only users with a password are served here";
        return Err(ApiError::bad_field(kind, description));
    }
    if given.database == ADMIN {
        return Ok(());
    }
    let detail = "Database name invalid. Users can only be created on the admin database.";
    Err(ApiError::new(400, "DATABASE_NAME_INVALID_ADMIN", detail))
}

/// What names a user, and how it signs in, stay.
pub(super) fn check_same(given: &Given, user: &DatabaseUser) -> Result<(), ApiError> {
    let refused = |code, what| {
        let detail = format!("Cannot modify the {what} of an existing database user.");
        Err(ApiError::new(409, code, detail))
    };
    if given.username != user.username {
        return refused("DATABASE_USERNAME_CANNOT_BE_CHANGED", "username");
    }
    if given.database != ADMIN {
        return refused("DATABASE_NAME_CANNOT_BE_CHANGED", "authentication database");
    }
    if given.other_kind.is_some() {
        return refused("AUTH_TYPE_CANNOT_BE_CHANGED", "authentication type");
    }
    Ok(())
}

fn other_kind(fields: Fields<'_>) -> Result<Option<&'static str>, ApiError> {
    for kind in KINDS {
        if fields.text(kind)?.is_some_and(|value| value != "NONE") {
            return Ok(Some(kind));
        }
    }
    Ok(None)
}

fn check_username(username: &str, settings: &Settings) -> Result<(), ApiError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let special = !username.bytes().all(is_plain);
    if !(1..=1_024).contains(&username.chars().count())
        || (special && settings.special_database_usernames == Verdict::Refuse)
    {
        let detail =
            format!("The specified username {username} is not valid for an Atlas database user.");
        return Err(ApiError::new(400, "ATLAS_INVALID_USERNAME", detail).with(username));
    }
    Ok(())
}

fn at_least(fields: Fields<'_>, name: &str, least: usize) -> Result<Option<String>, ApiError> {
    let value = fields.text(name)?;
    if value.is_some_and(|value| value.chars().count() < least) {
        let description = format!("length must be at least {least}");
        return Err(ApiError::bad_field(name, description));
    }
    Ok(value.map(str::to_owned))
}

fn at_most(fields: Fields<'_>, name: &str, most: usize) -> Result<Option<String>, ApiError> {
    let value = fields.text(name)?;
    if value.is_some_and(|value| value.chars().count() > most) {
        let description = format!("length must be at most {most}");
        return Err(ApiError::bad_field(name, description));
    }
    Ok(value.map(str::to_owned))
}

fn array<'a>(value: &'a Value, name: &str) -> Result<&'a Vec<Value>, ApiError> {
    value.as_array().ok_or_else(|| ApiError::wrong_type(name))
}

fn roles(fields: Fields<'_>, username: &str, settings: &Settings) -> Result<Vec<Value>, ApiError> {
    let given = array(required(fields.value("roles"), "roles")?, "roles")?;
    if given.is_empty() && settings.no_database_roles == Verdict::Refuse {
        return Err(ApiError::bad_field("roles", "must not be empty"));
    }
    let mut seen: Vec<&Value> = Vec::new();
    for role in given {
        check_role(role, settings)?;
        if seen.contains(&role) {
            let detail = format!("Duplicate database roles specified for user {username}: {role}.");
            return Err(ApiError::new(400, "DUPLICATE_DATABASE_ROLES", detail).with(username));
        }
        seen.push(role);
    }
    Ok(given.clone())
}

fn check_role(role: &Value, settings: &Settings) -> Result<(), ApiError> {
    let fields = Fields::new(role, &["roleName", "databaseName", "collectionName"])?;
    let name = required(fields.text("roleName")?, "roleName")?;
    let database = required(fields.text("databaseName")?, "databaseName")?;
    fields.text("collectionName")?;
    let of_admin = ADMIN_ROLES.contains(&name)
        || settings
            .custom_database_roles
            .iter()
            .any(|custom| custom == name);
    if DATABASE_ROLES.contains(&name) || (of_admin && database == ADMIN) {
        return Ok(());
    }
    let (code, detail) = if of_admin {
        let detail = format!("The specified role {name} only exists for database {ADMIN}.");
        ("ATLAS_INVALID_ROLE_DATABASE", detail)
    } else {
        let detail = format!("The specified role {name}@{database} does not exist.");
        ("ATLAS_INVALID_ROLE", detail)
    };
    Err(ApiError::new(400, code, detail).with(name).with(database))
}

fn scopes(given: &Value) -> Result<Vec<Scope>, ApiError> {
    let scope = |value: &Value| {
        let fields = Fields::new(value, &["name", "type"])?;
        let name = required(fields.text("name")?, "name")?;
        let kind = required(fields.text("type")?, "type")?;
        if !is_cluster_name(name) {
            return Err(ApiError::bad_field("name", "is not a name of a cluster"));
        }
        if !SCOPE_KINDS.contains(&kind) {
            let detail = format!("An invalid enumeration value {kind} was specified.");
            return Err(ApiError::new(400, "INVALID_ENUM_VALUE", detail).with(kind));
        }
        Ok(Scope {
            name: name.to_owned(),
            kind: kind.to_owned(),
        })
    };
    array(given, "scopes")?.iter().map(scope).collect()
}

fn labels(given: &Value) -> Result<Value, ApiError> {
    for label in array(given, "labels")? {
        let fields = Fields::new(label, &["key", "value"])?;
        for name in ["key", "value"] {
            let text = fields.text(name)?;
            if text.is_some_and(|text| !(1..=255).contains(&text.chars().count())) {
                let description = "length must be between 1 and 255";
                return Err(ApiError::bad_field(name, description));
            }
        }
    }
    Ok(given.clone())
}

/// Without a zone the moment is in UTC, as the description says.
fn delete_after(fields: Fields<'_>, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, ApiError> {
    let Some(text) = fields.text("deleteAfterDate")? else {
        return Ok(None);
    };
    let moment = DateTime::parse_from_rfc3339(text)
        .map(|moment| moment.to_utc())
        .or_else(|_| text.parse::<NaiveDateTime>().map(|moment| moment.and_utc()))
        .map_err(|_| ApiError::wrong_type("deleteAfterDate"))?;
    let (code, detail) = if moment <= now {
        let detail = "The specified expiration date must be in the future.".to_owned();
        ("EXPIRATION_DATE_IN_PAST", detail)
    } else if moment - now > TimeDelta::days(MAX_DAYS) {
        let detail =
            format!("The specified expiration date can be at most {MAX_DAYS} days in the future.");
        ("EXPIRATION_DATE_EXCEEDS_MAX", detail)
    } else {
        return Ok(Some(moment));
    };
    Err(ApiError::new(400, code, detail).with(text))
}
