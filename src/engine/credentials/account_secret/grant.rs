//! The grant of a secret of an existing service account: where the account is managed, and nothing else.

use crate::atlas::{AccessList, ClientId, Level, OrgId, ProjectId};
use crate::engine::credentials::grant::{Grant, id};
use crate::engine::entries::{CredentialType, RoleEntry};
use crate::framework::Faults;

/// A role whose account exists: it says where that is managed and nothing else.
pub(in crate::engine::credentials) fn grant(
    role: &RoleEntry,
    faults: &mut Faults,
) -> Option<Grant> {
    let account: Option<ClientId> = id(&role.client_id, "client_id", faults);
    if role.credential_type != CredentialType::ServiceAccount {
        faults.add("client_id", "only for credential_type service_account");
    }
    for (field, given) in [
        ("roles", !role.roles.is_empty()),
        ("project_roles", !role.project_roles.is_empty()),
        ("project_assignments", !role.project_assignments.is_empty()),
        ("ip_addresses", !role.ip_addresses.is_empty()),
        ("cidr_blocks", !role.cidr_blocks.is_empty()),
    ] {
        if given {
            faults.add(
                field,
                "must be empty with client_id: that account is not changed from here",
            );
        }
    }
    let org: Option<OrgId> = id(&role.organization_id, "organization_id", faults);
    let project: Option<ProjectId> = id(&role.project_id, "project_id", faults);
    match (role.organization_id.is_empty(), role.project_id.is_empty()) {
        (false, false) => faults.add(
            "project_id",
            "give organization_id or project_id with client_id, not both",
        ),
        (true, true) => faults.add(
            "organization_id",
            "give organization_id or project_id: where the account of client_id is managed",
        ),
        _ => {}
    }
    let level = match (org, &project) {
        (Some(org), _) => Level::Org(org),
        (None, Some(project)) => Level::Project(project.clone()),
        (None, None) => return None,
    };
    faults.is_empty().then_some(Grant {
        level,
        account: Some(account?),
        roles: Vec::new(),
        project,
        assignments: Vec::new(),
        access_list: AccessList::default(),
        bind_to_caller: false,
        model_scope: None,
        database: None,
    })
}
