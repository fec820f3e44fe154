//! A role's reach in checked types: nothing else is ever sent to Atlas.

pub(crate) mod atlas_role;
mod reach;
#[cfg(test)]
mod tests;

use std::str::FromStr;

pub(super) use self::reach::reach;
use super::caller_address;
use super::database_user::DatabaseGrant;
use super::kind::kind_of;
use crate::atlas::{
    AccessEntry, AccessEntryError, AccessList, ClientId, Level, ModelScope, ProjectId,
};
use crate::engine::entries::{CredentialType, RoleEntry};
use crate::framework::Faults;

/// Where a credential is made, with which Atlas roles, where else it reaches, and from where it
/// may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    /// Where it is made.
    pub(crate) level: Level,
    /// The existing service account that gets a secret for each lease; then nothing below is set.
    pub(crate) account: Option<ClientId>,
    /// Atlas roles at that level; at least one, where the credential has any.
    pub(crate) roles: Vec<String>,
    /// The role's own project, at which it is made or to which it is assigned.
    pub(crate) project: Option<ProjectId>,
    /// Projects it is then assigned to, each with at least one Atlas role.
    pub(crate) assignments: Vec<(ProjectId, Vec<String>)>,
    /// From where it may be used; empty: from everywhere, unless it is bound to its caller.
    pub(crate) access_list: AccessList,
    /// Whether the caller's address joins the access list of each.
    pub(crate) bind_to_caller: bool,
    /// Where an AI model API key may be used; all other types have none.
    pub(crate) model_scope: Option<ModelScope>,
    /// What a database user may do and reach; all other types have none.
    pub(crate) database: Option<DatabaseGrant>,
}

impl Grant {
    /// Checks a role as its type has it; every fault is told with the field it is in.
    pub(crate) fn of(role: &RoleEntry, faults: &mut Faults) -> Option<Self> {
        refuse_fields_of_others(role, faults);
        caller_address::check(role, faults);
        kind_of(role).grant(role, faults)
    }

    /// Of what is made in a project and has neither Atlas roles nor an access list.
    pub(super) fn in_project(project: ProjectId) -> Self {
        Self {
            level: Level::Project(project.clone()),
            account: None,
            roles: Vec::new(),
            project: Some(project),
            assignments: Vec::new(),
            access_list: AccessList::default(),
            bind_to_caller: false,
            model_scope: None,
            database: None,
        }
    }

    /// Whether two stored roles let the same be made, for whom it may act and from where. How long it
    /// lives and how many there may be is left out, and so is the spelling of addresses.
    pub(crate) fn is_the_same(one: &RoleEntry, other: &RoleEntry) -> bool {
        one == other
            || (one.credential_type == other.credential_type
                && matches!(
                    (Self::of_stored(one), Self::of_stored(other)),
                    (Ok(one), Ok(other)) if one == other
                ))
    }

    /// The reach of a stored role. The Go engine stored networks as they were written: bits beyond
    /// the prefix are let pass and cut off here.
    pub(crate) fn of_stored(role: &RoleEntry) -> Result<Self, Faults> {
        let mut role = role.clone();
        for network in &mut role.cidr_blocks {
            if let Err(AccessEntryError::HostBits { network: cut }) = AccessEntry::network(network)
            {
                *network = cut.to_string();
            }
        }
        let mut faults = Faults::new();
        Self::of(&role, &mut faults).ok_or(faults)
    }
}

/// Fields that one type alone has, and that are given to another.
fn refuse_fields_of_others(role: &RoleEntry, faults: &mut Faults) {
    let of_database_users = CredentialType::DatabaseUser;
    for (field, given, of_type) in [
        ("cloud", !role.cloud.is_empty(), CredentialType::AiModelKey),
        (
            "geography",
            !role.geography.is_empty(),
            CredentialType::AiModelKey,
        ),
        (
            "database_roles",
            !role.database_roles.is_empty(),
            of_database_users,
        ),
        ("scopes", !role.scopes.is_empty(), of_database_users),
        ("wait", role.wait.is_some(), of_database_users),
        (
            "username_template",
            !role.username_template.is_empty(),
            of_database_users,
        ),
        (
            "password_policy",
            !role.password_policy.is_empty(),
            of_database_users,
        ),
    ] {
        if given && role.credential_type != of_type {
            faults.add(
                field,
                format!("only for credential_type {}", of_type.name()),
            );
        }
    }
}

/// Refuses what types with an organization, Atlas roles or an access list have, for one that has neither.
pub(super) fn refuse_reach(role: &RoleEntry, reason: &'static str, faults: &mut Faults) {
    for (field, given) in [
        ("organization_id", !role.organization_id.is_empty()),
        ("roles", !role.roles.is_empty()),
        ("project_roles", !role.project_roles.is_empty()),
        ("project_assignments", !role.project_assignments.is_empty()),
        ("ip_addresses", !role.ip_addresses.is_empty()),
        ("cidr_blocks", !role.cidr_blocks.is_empty()),
        ("client_id", !role.client_id.is_empty()),
    ] {
        if given {
            faults.add(field, reason);
        }
    }
}

/// An id, if one is given.
pub(super) fn id<T: FromStr>(text: &str, field: &'static str, faults: &mut Faults) -> Option<T>
where
    T::Err: std::fmt::Display,
{
    if text.is_empty() {
        return None;
    }
    match text.parse() {
        Ok(id) => Some(id),
        Err(error) => {
            faults.add(field, error.to_string());
            None
        }
    }
}
