//! Who may do what: role requirements of operations, and access by address.

use std::net::IpAddr;

use chrono::{DateTime, Utc};

use crate::errors::ApiError;
use crate::settings::{AccessListWriter, Settings};
use crate::state::{Holder, Org};

/// The role an operation asks for. Source: Atlas API, `x-rolesRequirements`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Any valid credential.
    Nothing,
    OrgOwner,
    OrgMember,
    OrgReadOnly,
    /// Organization Owner of the project's organization.
    OrgOwnerOfProject,
    ProjectOwner,
    ProjectReadOnly,
    ProjectAccessManager,
    ProjectModelOwner,
    ProjectDatabaseAccessAdmin,
    /// Writing an API key's access list; the description names no role.
    AccessListWriter,
}

/// Whether `holder` meets `need` in its organization and, where the path names one, the project.
pub(crate) fn meets(
    holder: &Holder,
    need: Need,
    project: Option<&str>,
    settings: &Settings,
) -> bool {
    let org = |names: &[&str]| has_any(&holder.org_roles, names);
    let owner = org(&["ORG_OWNER"]);
    let roles = project
        .and_then(|id| holder.project_roles.get(id))
        .map_or(&[][..], Vec::as_slice);
    let group = |names: &[&str]| has_any(roles, names);
    match need {
        Need::Nothing => true,
        Need::OrgOwner | Need::OrgOwnerOfProject => owner,
        Need::OrgMember => !holder.org_roles.is_empty(),
        Need::OrgReadOnly => owner || org(&["ORG_READ_ONLY"]),
        Need::ProjectOwner => owner || group(&["GROUP_OWNER"]),
        Need::ProjectReadOnly => owner || org(&["ORG_READ_ONLY"]) || !roles.is_empty(),
        Need::ProjectAccessManager => {
            let constant = settings.project_access_manager_role.as_deref();
            owner || group(&["GROUP_OWNER"]) || constant.is_some_and(|name| group(&[name]))
        }
        Need::ProjectModelOwner => owner || group(&["GROUP_OWNER", "GROUP_MODEL_OWNER"]),
        Need::ProjectDatabaseAccessAdmin => {
            let names = [
                "GROUP_OWNER",
                "GROUP_DATABASE_ACCESS_ADMIN",
                "GROUP_STREAM_PROCESSING_OWNER",
            ];
            owner || group(&names)
        }
        Need::AccessListWriter => match settings.api_key_access_list_writer {
            AccessListWriter::OrganizationOwner => owner,
            AccessListWriter::OrganizationMember => !holder.org_roles.is_empty(),
        },
    }
}

fn has_any(held: &[String], wanted: &[&str]) -> bool {
    held.iter().any(|role| wanted.contains(&role.as_str()))
}

/// 401 for a valid credential whose roles do not suffice.
pub(crate) fn role_missing(settings: &Settings) -> ApiError {
    let detail = "Current user is not authorized to perform this action.";
    ApiError::set(&settings.missing_role, detail)
}

/// Judges the caller's address by its access list and counts the use of the entry.
pub(crate) fn check_address(
    holder: &mut Holder,
    org: &Org,
    address: IpAddr,
    now: DateTime<Utc>,
    settings: &Settings,
) -> Result<(), ApiError> {
    let lag = settings.access_entry_last_used_lag_seconds;
    let entries = holder.access_list.iter_mut();
    let mut in_force = entries.filter(|entry| entry.effective_at <= now).peekable();
    if in_force.peek().is_none() {
        return if org.access_list_required() {
            Err(list_required(address, settings))
        } else {
            Ok(())
        };
    }
    let entry = in_force
        .find(|entry| entry.net.contains(&address))
        .ok_or_else(|| not_listed(address, settings))?;
    entry.count = entry.count.saturating_add(1);
    entry.last_used.touch(now, lag);
    entry.last_address = Some(address);
    Ok(())
}

fn not_listed(address: IpAddr, settings: &Settings) -> ApiError {
    let code = if settings.whitelist_codes {
        "IP_ADDRESS_NOT_ON_WHITELIST"
    } else {
        "IP_ADDRESS_NOT_ON_ACCESS_LIST"
    };
    let detail = format!("IP address {address} is not allowed to access this resource.");
    ApiError::new(403, code, detail).with(address.to_string())
}

fn list_required(address: IpAddr, settings: &Settings) -> ApiError {
    let code = if settings.whitelist_codes {
        "ORG_REQUIRES_WHITELIST"
    } else {
        "ORG_REQUIRES_ACCESS_LIST"
    };
    let detail = "This organization requires access through an access list of ip ranges.";
    ApiError::new(403, code, detail).with(address.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(org_roles: &[&str], group_roles: &[&str]) -> Holder {
        let mut holder = Holder::new("org", DateTime::<Utc>::UNIX_EPOCH);
        let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        holder.org_roles = texts(org_roles);
        holder
            .project_roles
            .insert("p".to_owned(), texts(group_roles));
        holder
    }

    fn may(holder: &Holder, need: Need, project: &str) -> bool {
        meets(holder, need, Some(project), &Settings::default())
    }

    #[test]
    fn an_organization_owner_owns_its_projects() {
        let owner = holder(&["ORG_OWNER"], &[]);
        for need in [
            Need::OrgOwner,
            Need::OrgMember,
            Need::ProjectOwner,
            Need::ProjectReadOnly,
        ] {
            assert!(may(&owner, need, "other"), "{need:?}");
        }
    }

    #[test]
    fn project_roles_count_in_their_project_only() {
        let owner = holder(&["ORG_MEMBER"], &["GROUP_OWNER"]);
        assert!(may(&owner, Need::ProjectOwner, "p"));
        assert!(!may(&owner, Need::ProjectOwner, "other"));
        assert!(!may(&owner, Need::ProjectReadOnly, "other"));
        assert!(!may(&owner, Need::OrgOwner, "p"));
        assert!(!may(&owner, Need::OrgReadOnly, "p"));
        let reader = holder(&["ORG_MEMBER"], &["GROUP_READ_ONLY"]);
        assert!(may(&reader, Need::ProjectReadOnly, "p"));
        assert!(!may(&reader, Need::ProjectAccessManager, "p"));
    }
}
