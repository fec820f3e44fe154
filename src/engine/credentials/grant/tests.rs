//! What roles grant, what is wrong with them, and which changes make it another grant.

use std::time::Duration;

use super::*;
use crate::engine::entries::CredentialType;

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
    let changes: [Change; 14] = [
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
        ("the caller", |role| {
            role.bind_to_caller = true;
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
        bind_to_caller: _,
        cloud: _,
        geography: _,
        database_roles: _,
        scopes: _,
        // What does not.
        wait: _,
        username_template: _,
        password_policy: _,
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

#[test]
fn what_a_database_user_may_do_and_reach_decides_and_not_its_name() {
    let role = RoleEntry {
        credential_type: CredentialType::DatabaseUser,
        project_id: "5cf5a45a9ccf6400e60981b6".to_owned(),
        database_roles: texts(&["read@app"]),
        ..RoleEntry::default()
    };
    let decides: [Change; 2] = [
        ("database_roles", |role| {
            role.database_roles = texts(&["readWrite@app"]);
        }),
        ("scopes", |role| role.scopes = texts(&["Cluster0"])),
    ];
    let does_not: [Change; 3] = [
        ("wait", |role| role.wait = Some(5)),
        ("username_template", |role| {
            "x-{{random 5}}".clone_into(&mut role.username_template);
        }),
        ("password_policy", |role| {
            "long".clone_into(&mut role.password_policy);
        }),
    ];
    for (what, change) in decides {
        assert!(!is_still_the_same(&role, change), "{what}");
    }
    for (what, change) in does_not {
        assert!(is_still_the_same(&role, change), "{what}");
    }
}
