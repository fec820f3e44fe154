//! The grant of a key or account that is made for the role: where, with which Atlas roles, and its access
//! list.

use super::atlas_role::{self, RoleLevel};
use super::{Grant, id};
use crate::atlas::{AccessEntry, AccessEntryError, AccessList, Level, OrgId, ProjectId};
use crate::engine::credentials::account_secret;
use crate::engine::entries::RoleEntry;
use crate::framework::Faults;

/// Most entries of one access list. Source: Atlas API, `createOrgAccessList`, `maxItems`.
const MAX_ACCESS_LIST: usize = 200;

/// Checks a role of which each credential, or the account that mints it, is made here.
pub(in crate::engine::credentials) fn reach(
    role: &RoleEntry,
    faults: &mut Faults,
) -> Option<Grant> {
    if !role.client_id.is_empty() {
        // Told as if it were meant: what of the role does not fit an existing service account.
        return account_secret::grant(role, faults);
    }
    let org: Option<OrgId> = id(&role.organization_id, "organization_id", faults);
    let project: Option<ProjectId> = id(&role.project_id, "project_id", faults);
    let has_org = !role.organization_id.is_empty();
    if !has_org && role.project_id.is_empty() {
        faults.add(
            "organization_id",
            "give organization_id, project_id or both",
        );
    }
    let made_at = if has_org {
        RoleLevel::Organization
    } else {
        RoleLevel::Project
    };
    check_roles(&role.roles, made_at, "roles", faults);
    let assignments = assignments(role, project.as_ref(), faults);
    let access_list = access_list(role, faults);
    let level = match (org, &project) {
        (Some(org), _) => Level::Org(org),
        (None, Some(project)) if !has_org => Level::Project(project.clone()),
        _ => return None,
    };
    faults.is_empty().then(|| Grant {
        level,
        account: None,
        roles: role.roles.clone(),
        project,
        assignments,
        access_list,
        bind_to_caller: role.bind_to_caller,
        model_scope: None,
        database: None,
    })
}

/// The projects to which it is assigned once it is made.
fn assignments(
    role: &RoleEntry,
    project: Option<&ProjectId>,
    faults: &mut Faults,
) -> Vec<(ProjectId, Vec<String>)> {
    let mut assignments = Vec::new();
    if !role.organization_id.is_empty() && !role.project_id.is_empty() {
        let roles = &role.project_roles;
        check_roles(roles, RoleLevel::Project, "project_roles", faults);
        assignments.extend(project.map(|id| (id.clone(), roles.clone())));
    }
    for (text, roles) in &role.project_assignments {
        check_roles(roles, RoleLevel::Project, "project_assignments", faults);
        if *text == role.project_id {
            faults.add(
                "project_assignments",
                "a project is named here and in project_id",
            );
        }
        let further = id(text, "project_assignments", faults);
        assignments.extend(further.map(|id| (id, roles.clone())));
    }
    assignments
}

/// Only the form of the names is checked: Atlas adds some over time and judges them itself.
fn check_roles(roles: &[String], level: RoleLevel, field: &'static str, faults: &mut Faults) {
    let (prefix, name) = (level.prefix(), level.name());
    if roles.is_empty() {
        faults.add(field, format!("give at least one Atlas role ({prefix}…)"));
    }
    let unfit = roles.iter().enumerate();
    let unfit = unfit.filter(|(_, role)| !level.takes(role));
    let unfit: Vec<String> = unfit
        .map(|(index, role)| atlas_role::quoted(index, role))
        .collect();
    if !unfit.is_empty() {
        faults.add(
            field,
            format!(
                "only Atlas roles of the {name} fit here, {prefix}…, not {}",
                unfit.join(", ")
            ),
        );
    }
}

fn access_list(role: &RoleEntry, faults: &mut Faults) -> AccessList {
    let mut list = Vec::new();
    for (index, text) in role.ip_addresses.iter().enumerate() {
        match AccessEntry::address(text) {
            Ok(entry) => list.push(entry),
            Err(error) => {
                let reason = match AccessEntry::network(text) {
                    Ok(_) | Err(AccessEntryError::HostBits { .. }) => {
                        "is a network; use cidr_blocks for it".to_owned()
                    }
                    Err(_) => error.to_string(),
                };
                faults.add("ip_addresses", format!("entry {}: {reason}", index + 1));
            }
        }
    }
    for (index, text) in role.cidr_blocks.iter().enumerate() {
        match AccessEntry::network(text) {
            Ok(entry) => list.push(entry),
            Err(error) => {
                let reason = match AccessEntry::address(text) {
                    Ok(_) => "is a single address; use ip_addresses for it".to_owned(),
                    Err(_) => error.to_string(),
                };
                faults.add("cidr_blocks", format!("entry {}: {reason}", index + 1));
            }
        }
    }
    let list: AccessList = list.into_iter().collect();
    let mut reason = format!("Atlas takes at most {MAX_ACCESS_LIST} addresses and networks");
    let mut most = MAX_ACCESS_LIST;
    if role.bind_to_caller {
        most -= 1;
        reason.push_str(", and with bind_to_caller the caller's address is one of them");
    }
    if list.entries().len() > most {
        faults.add("ip_addresses", reason);
    }
    list
}
