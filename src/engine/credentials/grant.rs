//! A role's reach in checked types: nothing else is ever sent to Atlas.

use std::str::FromStr;

use super::atlas_role::{self, RoleLevel};
use crate::atlas::{AccessEntry, AccessEntryError, AccessList, ClientId, Level, OrgId, ProjectId};
use crate::engine::entries::{CredentialType, RoleEntry};
use crate::framework::Faults;

/// Most entries of one access list. Source: Atlas API, `createOrgAccessList`, `maxItems`.
const MAX_ACCESS_LIST: usize = 200;

/// Where a credential is made, with which Atlas roles, where else it reaches, and from where it
/// may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    /// Where it is made.
    pub(crate) level: Level,
    /// The account that exists and gets a secret for each lease; then nothing below is set.
    pub(crate) account: Option<ClientId>,
    /// Atlas roles at that level; at least one.
    pub(crate) roles: Vec<String>,
    /// The role's own project, at which it is made or to which it is assigned.
    pub(crate) project: Option<ProjectId>,
    /// Projects it is then assigned to, each with at least one Atlas role.
    pub(crate) assignments: Vec<(ProjectId, Vec<String>)>,
    /// From where it may be used; empty: from everywhere.
    pub(crate) access_list: AccessList,
}

impl Grant {
    /// Checks a role; every fault is told with the field it is in.
    pub(crate) fn of(role: &RoleEntry, faults: &mut Faults) -> Option<Self> {
        if !role.client_id.is_empty() {
            return Self::of_account(role, faults);
        }
        let org: Option<OrgId> = id(&role.organization_id, "organization_id", faults);
        let project: Option<ProjectId> = id(&role.project_id, "project_id", faults);
        let has_org = !role.organization_id.is_empty();
        let has_project = !role.project_id.is_empty();
        if !has_org && !has_project {
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

        let mut assignments = Vec::new();
        if has_org && has_project {
            check_roles(
                &role.project_roles,
                RoleLevel::Project,
                "project_roles",
                faults,
            );
            assignments.extend(project.clone().map(|id| (id, role.project_roles.clone())));
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
        let access_list = access_list(role, faults);
        let level = match (org, &project) {
            (Some(org), _) => Level::Org(org),
            (None, Some(project)) if !has_org => Level::Project(project.clone()),
            _ => return None,
        };
        let roles = role.roles.clone();
        faults.is_empty().then_some(Self {
            level,
            account: None,
            roles,
            project,
            assignments,
            access_list,
        })
    }

    /// A role whose account exists: it says where that is managed and nothing else.
    fn of_account(role: &RoleEntry, faults: &mut Faults) -> Option<Self> {
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
        faults.is_empty().then_some(Self {
            level,
            account: Some(account?),
            roles: Vec::new(),
            project,
            assignments: Vec::new(),
            access_list: AccessList::default(),
        })
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

fn id<T: FromStr>(text: &str, field: &'static str, faults: &mut Faults) -> Option<T>
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
    if list.entries().len() > MAX_ACCESS_LIST {
        let reason = format!("Atlas takes at most {MAX_ACCESS_LIST} addresses and networks");
        faults.add("ip_addresses", reason);
    }
    list
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ORG: &str = "5cf5a45a9ccf6400e60981b7";
    const PROJECT: &str = "5cf5a45a9ccf6400e60981b6";
    const OTHER: &str = "5cf5a45a9ccf6400e60981b5";

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn org_role() -> RoleEntry {
        RoleEntry {
            organization_id: ORG.to_owned(),
            roles: texts(&["ORG_MEMBER"]),
            ..RoleEntry::default()
        }
    }

    fn faults(role: &RoleEntry) -> String {
        let mut faults = Faults::new();
        assert!(Grant::of(role, &mut faults).is_none());
        faults.to_string()
    }

    #[test]
    fn a_role_of_both_levels_is_made_in_the_organization_and_assigned() {
        let role = RoleEntry {
            project_id: PROJECT.to_owned(),
            project_roles: texts(&["GROUP_READ_ONLY"]),
            ..org_role()
        };
        let grant = Grant::of_stored(&role).unwrap();
        assert_eq!(grant.level, Level::Org(ORG.parse().unwrap()));
        let want = vec![(PROJECT.parse().unwrap(), texts(&["GROUP_READ_ONLY"]))];
        assert_eq!(grant.assignments, want);
    }

    #[test]
    fn every_fault_is_reported_with_its_field() {
        let role = RoleEntry {
            project_id: "x".to_owned(),
            roles: texts(&["GROUP_OWNER"]),
            ip_addresses: texts(&["10.0.0.1", "10.0.0.0/8"]),
            cidr_blocks: texts(&["10.0.0.1/8"]),
            ..org_role()
        };
        let told = faults(&role);
        for part in [
            "project_id: ",
            "roles: ",
            "project_roles: ",
            "ip_addresses: entry 2",
            "10.0.0.0/8",
        ] {
            assert!(told.contains(part), "{part} is missing in {told}");
        }
    }

    #[test]
    fn a_role_without_reach_or_roles_is_refused() {
        let told = faults(&RoleEntry::default());
        assert!(told.contains("organization_id: give"), "{told}");
        assert!(told.contains("roles: give at least one"), "{told}");
    }

    #[test]
    fn project_roles_do_not_fit_an_organization_nor_the_other_way_round() {
        let role = RoleEntry {
            roles: texts(&["GROUP_OWNER"]),
            ..org_role()
        };
        assert!(faults(&role).contains("roles: only Atlas roles of the organization"));
        let role = RoleEntry {
            project_id: PROJECT.to_owned(),
            roles: texts(&["ORG_OWNER"]),
            ..RoleEntry::default()
        };
        assert!(faults(&role).contains("roles: only Atlas roles of the project"));
    }

    fn account_role() -> RoleEntry {
        RoleEntry {
            client_id: format!("mdb_sa_id_{ORG}"),
            credential_type: CredentialType::ServiceAccount,
            organization_id: ORG.to_owned(),
            ..RoleEntry::default()
        }
    }

    #[test]
    fn a_role_of_an_account_says_where_that_is_managed() {
        let grant = Grant::of_stored(&account_role()).unwrap();
        assert_eq!(grant.level, Level::Org(ORG.parse().unwrap()));
        let in_project = RoleEntry {
            organization_id: String::new(),
            project_id: PROJECT.to_owned(),
            ..account_role()
        };
        let grant = Grant::of_stored(&in_project).unwrap();
        assert_eq!(grant.level, Level::Project(PROJECT.parse().unwrap()));
        assert!(grant.account.is_some());
    }

    #[test]
    fn a_role_of_an_account_cannot_change_that_account() {
        let role = RoleEntry {
            credential_type: CredentialType::AccessToken,
            project_id: PROJECT.to_owned(),
            roles: texts(&["ORG_MEMBER"]),
            project_roles: texts(&["GROUP_OWNER"]),
            project_assignments: [(PROJECT.to_owned(), texts(&["GROUP_OWNER"]))].into(),
            ip_addresses: texts(&["192.0.2.1"]),
            cidr_blocks: texts(&["10.0.0.0/8"]),
            ..account_role()
        };
        let told = faults(&role);
        for field in [
            "client_id: only",
            "project_id: give",
            " roles: must",
            "project_roles: ",
            "project_assignments: ",
            "ip_addresses: ",
            "cidr_blocks: ",
        ] {
            assert!(told.contains(field), "{field} is missing in {told}");
        }
        let nowhere = RoleEntry {
            organization_id: String::new(),
            client_id: "mdb_sa_id_x".to_owned(),
            ..account_role()
        };
        let told = faults(&nowhere);
        assert!(told.contains("organization_id: give") && told.contains("client_id: a client id"));
    }

    #[test]
    fn networks_stored_by_the_go_engine_with_host_bits_are_cut() {
        let role = RoleEntry {
            cidr_blocks: texts(&["10.1.2.3/8"]),
            ..org_role()
        };
        let grant = Grant::of_stored(&role).unwrap();
        assert_eq!(grant.access_list.entries()[0].to_string(), "10.0.0.0/8");
        assert!(faults(&role).contains("cidr_blocks: entry 1"));
    }

    /// What is changed, and how.
    type Change = (&'static str, fn(&mut RoleEntry));

    /// A role with everything that decides.
    fn full_role() -> RoleEntry {
        RoleEntry {
            project_id: PROJECT.to_owned(),
            project_roles: texts(&["GROUP_READ_ONLY"]),
            project_assignments: [(OTHER.to_owned(), texts(&["GROUP_OWNER"]))].into(),
            ip_addresses: texts(&["192.0.2.1", "192.0.2.2"]),
            cidr_blocks: texts(&["10.0.0.0/8"]),
            ..org_role()
        }
    }

    fn is_still_the_same(role: &RoleEntry, change: fn(&mut RoleEntry)) -> bool {
        let mut changed = role.clone();
        change(&mut changed);
        assert_ne!(changed, *role, "nothing was changed");
        let there_and_back = [(role, &changed), (&changed, role)];
        let [there, back] = there_and_back.map(|(one, other)| Grant::is_the_same(one, other));
        assert_eq!(there, back);
        there
    }

    #[test]
    fn what_decides_who_may_do_what_makes_it_another() {
        let changes: [Change; 13] = [
            ("type", |role| {
                role.credential_type = CredentialType::ServiceAccount;
            }),
            ("token", |role| {
                role.credential_type = CredentialType::AccessToken;
            }),
            ("organization", |role| {
                OTHER.clone_into(&mut role.organization_id);
            }),
            ("no organization", |role| {
                role.organization_id.clear();
                role.roles = std::mem::take(&mut role.project_roles);
            }),
            ("project", |role| {
                "5cf5a45a9ccf6400e60981b4".clone_into(&mut role.project_id);
            }),
            ("roles", |role| {
                role.roles = texts(&["ORG_OWNER"]);
            }),
            ("more roles", |role| {
                role.roles.push("ORG_OWNER".to_owned());
            }),
            ("project roles", |role| {
                role.project_roles = texts(&["GROUP_OWNER"]);
            }),
            ("assigned roles", |role| {
                let roles = texts(&["GROUP_READ_ONLY"]);
                role.project_assignments.insert(OTHER.to_owned(), roles);
            }),
            ("assigned project", |role| {
                role.project_assignments.clear();
            }),
            ("an address", |role| {
                role.ip_addresses.truncate(1);
            }),
            ("a network", |role| {
                role.cidr_blocks = texts(&["10.0.0.0/9"]);
            }),
            ("no access list", |role| {
                role.ip_addresses.clear();
                role.cidr_blocks.clear();
            }),
        ];
        for (what, change) in changes {
            assert!(!is_still_the_same(&full_role(), change), "{what}");
        }
        let changes: [Change; 3] = [
            ("account", |role| {
                role.client_id = format!("mdb_sa_id_{OTHER}");
            }),
            ("where it is managed", |role| {
                role.organization_id.clear();
                PROJECT.clone_into(&mut role.project_id);
            }),
            ("no account", |role| {
                role.client_id.clear();
                role.roles = texts(&["ORG_MEMBER"]);
            }),
        ];
        for (what, change) in changes {
            assert!(!is_still_the_same(&account_role(), change), "{what}");
        }
    }

    #[test]
    fn times_numbers_and_spelling_leave_it_the_same() {
        // Whoever adds a field says here on which side it is.
        let RoleEntry {
            // What decides.
            project_id: _,
            roles: _,
            organization_id: _,
            cidr_blocks: _,
            ip_addresses: _,
            project_roles: _,
            credential_type: _,
            project_assignments: _,
            client_id: _,
            // What does not.
            database_name: _,
            ttl: _,
            max_ttl: _,
            max_live: _,
        } = RoleEntry::default();
        let changes: [Change; 6] = [
            ("database_name", |role| {
                "db".clone_into(&mut role.database_name);
            }),
            ("ttl", |role| {
                role.ttl = Duration::from_hours(1);
            }),
            ("max_ttl", |role| {
                role.max_ttl = Duration::from_hours(2);
            }),
            ("max_live", |role| {
                role.max_live = 7;
            }),
            ("twice", |role| {
                role.ip_addresses.push("192.0.2.1".to_owned());
            }),
            // As the Go engine stores it.
            ("host bits", |role| {
                role.cidr_blocks = texts(&["10.1.2.3/8"]);
            }),
        ];
        for (what, change) in changes {
            assert!(is_still_the_same(&full_role(), change), "{what}");
        }
    }
}
