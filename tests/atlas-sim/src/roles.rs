//! Names of Atlas roles, and the checks on roles a request wants to grant.

use serde_json::{Value, json};

use crate::errors::ApiError;
use crate::settings::{RoleNameError, Settings, Verdict};
use crate::state::Holder;

/// Source: Atlas API description with enums, organization roles.
const ORG_ROLES: [&str; 7] = [
    "ORG_OWNER",
    "ORG_MEMBER",
    "ORG_GROUP_CREATOR",
    "ORG_BILLING_ADMIN",
    "ORG_BILLING_READ_ONLY",
    "ORG_STREAM_PROCESSING_ADMIN",
    "ORG_READ_ONLY",
];

/// Source: Atlas documentation "Atlas User Roles", project roles.
const GROUP_ROLES: [&str; 13] = [
    "GROUP_OWNER",
    "GROUP_READ_ONLY",
    "GROUP_CLUSTER_MANAGER",
    "GROUP_DATA_ACCESS_ADMIN",
    "GROUP_DATA_ACCESS_READ_WRITE",
    "GROUP_DATA_ACCESS_READ_ONLY",
    "GROUP_DATABASE_ACCESS_ADMIN",
    "GROUP_BACKUP_MANAGER",
    "GROUP_OBSERVABILITY_VIEWER",
    "GROUP_SEARCH_INDEX_EDITOR",
    "GROUP_STREAM_PROCESSING_OWNER",
    "GROUP_REPLICA_SET_MANAGER",
    "GROUP_MODEL_OWNER",
];

/// Where roles are granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level<'a> {
    Org,
    Project(&'a str),
}

/// Checks the roles a caller wants to grant; duplicates are dropped.
pub(crate) fn check(
    roles: &[String],
    level: Level<'_>,
    caller: &Holder,
    settings: &Settings,
) -> Result<Vec<String>, ApiError> {
    let mut granted: Vec<String> = Vec::new();
    for role in roles {
        check_name(role, level, settings)?;
        if settings.grant_beyond_own == Verdict::Refuse && !holds(caller, role, level) {
            let detail = "Current user is not authorized to perform this action.";
            return Err(ApiError::set(&settings.missing_role, detail));
        }
        if !granted.contains(role) {
            granted.push(role.clone());
        }
    }
    Ok(granted)
}

fn check_name(role: &str, level: Level<'_>, settings: &Settings) -> Result<(), ApiError> {
    let of_org = ORG_ROLES.contains(&role);
    let of_group = GROUP_ROLES.contains(&role)
        || settings.extra_group_roles.iter().any(|extra| extra == role)
        || settings.project_access_manager_role.as_deref() == Some(role);
    match level {
        Level::Org if of_org => Ok(()),
        Level::Project(_) if of_group => Ok(()),
        Level::Org if of_group => Err(wrong_level(&settings.group_role_in_org_code, role)),
        Level::Project(_) if of_org => Err(wrong_level(&settings.org_role_in_group_code, role)),
        _ => Err(unknown(role, settings)),
    }
}

fn wrong_level(code: &str, role: &str) -> ApiError {
    let detail = format!("The role {role} cannot be granted at this level.");
    ApiError::new(400, code, detail).with(role)
}

fn unknown(role: &str, settings: &Settings) -> ApiError {
    match settings.role_name_error {
        RoleNameError::BadRequest => {
            ApiError::bad_field("_roles", format!("Invalid role name {role}"))
        }
        RoleNameError::InvalidEnumValue => ApiError::new(
            400,
            "INVALID_ENUM_VALUE",
            format!("An invalid enumeration value {role} was specified."),
        )
        .with(role),
    }
}

/// 400 for a key without roles.
pub(crate) fn none_given() -> ApiError {
    ApiError::new(
        400,
        "MISSING_API_KEY_ROLES",
        "At least one role must be given.",
    )
}

fn holds(caller: &Holder, role: &str, level: Level<'_>) -> bool {
    let has = |roles: &[String], name: &str| roles.iter().any(|held| held == name);
    if has(&caller.org_roles, "ORG_OWNER") {
        return true;
    }
    match level {
        Level::Org => has(&caller.org_roles, role) || role == "ORG_MEMBER",
        Level::Project(id) => caller.project_roles.get(id).is_some_and(|held| {
            has(held, "GROUP_OWNER") || has(held, role) || role == "GROUP_READ_ONLY"
        }),
    }
}

/// The roles of a key as Atlas lists them: organization first, then project by project, turned by
/// `turn` because Atlas keeps no order.
pub(crate) fn assignments(holder: &Holder, turn: usize) -> Value {
    let org = holder
        .org_roles
        .iter()
        .map(|role| json!({"orgId": holder.org_id, "roleName": role}));
    let projects = holder.project_roles.iter().flat_map(|(id, roles)| {
        let of_project = roles.iter();
        of_project.map(move |role| json!({"groupId": id, "roleName": role}))
    });
    json!(turned(org.chain(projects).collect::<Vec<Value>>(), turn))
}

/// The same list, beginning elsewhere.
pub(crate) fn turned<T>(mut list: Vec<T>, turn: usize) -> Vec<T> {
    if !list.is_empty() {
        let by = turn % list.len();
        list.rotate_left(by);
    }
    list
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;

    fn outcome(role: &str, level: Level<'_>, settings: &Settings) -> Result<usize, String> {
        let caller = Holder::new("org", DateTime::<Utc>::UNIX_EPOCH);
        check(
            &[role.to_owned(), role.to_owned()],
            level,
            &caller,
            settings,
        )
        .map(|granted| granted.len())
        .map_err(|error| error.code.clone())
    }

    #[test]
    fn name_and_level_are_checked() {
        let settings = Settings::default();
        let code = |text: &str| Err(text.to_owned());
        assert_eq!(outcome("ORG_MEMBER", Level::Org, &settings), Ok(1));
        assert_eq!(
            outcome("GROUP_OWNER", Level::Project("p"), &settings),
            Ok(1)
        );
        assert_eq!(
            outcome("GROUP_OWNER", Level::Org, &settings),
            code("CANNOT_ADD_GROUP_ROLE")
        );
        assert_eq!(
            outcome("ORG_OWNER", Level::Project("p"), &settings),
            code("CANNOT_ADD_ORG_ROLE")
        );
        assert_eq!(
            outcome("ORG_KING", Level::Org, &settings),
            code("BAD_REQUEST")
        );
        let older = Settings {
            role_name_error: RoleNameError::InvalidEnumValue,
            ..Settings::default()
        };
        assert_eq!(
            outcome("ORG_KING", Level::Org, &older),
            code("INVALID_ENUM_VALUE")
        );
    }

    #[test]
    fn granting_more_than_one_holds_can_be_refused() {
        let settings = Settings {
            grant_beyond_own: Verdict::Refuse,
            ..Settings::default()
        };
        assert!(outcome("ORG_OWNER", Level::Org, &settings).is_err());
        assert!(outcome("ORG_MEMBER", Level::Org, &settings).is_ok());
    }
}
