//! What a role's writer should know although the role is stored: for the answer to the write and for
//! `check/<role>`.

use crate::atlas::MOST_DATABASE_USERS;
use crate::engine::credentials::{Grant, atlas_role, kind_of, names_come_again};
use crate::engine::entries::{CredentialType, RoleEntry};
use crate::framework::Fields;

/// Everything about the role that works but is seldom meant.
pub(crate) fn warnings(role: &RoleEntry) -> Vec<String> {
    let mut warnings = Vec::new();
    let both = !role.organization_id.is_empty() && !role.project_id.is_empty();
    if !role.project_roles.is_empty() && !both {
        warnings.push(
            "project_roles has no effect without both organization_id and project_id".to_owned(),
        );
    }
    let assigned = role.project_assignments.values().flatten();
    let names = role.roles.iter().chain(&role.project_roles).chain(assigned);
    warnings.extend(atlas_role::warnings(names));
    let is_of_database_users = role.credential_type == CredentialType::DatabaseUser;
    if is_of_database_users && !(1..=MOST_DATABASE_USERS).contains(&(role.max_live as usize)) {
        warnings.push(format!(
            "Atlas allows a project {MOST_DATABASE_USERS} database users, people's included, unless its \
             support allows more: give the role a max_live below that"
        ));
    }
    if is_of_database_users && names_come_again(role) {
        warnings.push(
            "username_template draws less than 8 characters of a name, so that names come again: while \
             Atlas still shows the former user of a name, whoever has it next may be deleted in its \
             place; put {{random 20}} into it"
                .to_owned(),
        );
    }
    if Grant::of_stored(role).is_ok_and(|grant| grant.access_list.admits_everybody()) {
        warnings.push(
            "the access list allows every address: credentials of this role can be used from \
             anywhere"
                .to_owned(),
        );
    }
    warnings
}

/// What the writer of an empty access list should know: a variable that is not set gives one; and so does
/// taking `bind_to_caller` away where nothing else was on it.
pub(crate) fn emptied_access_list(
    fields: &Fields,
    before: &RoleEntry,
    role: &RoleEntry,
) -> Option<String> {
    let written = ["ip_addresses", "cidr_blocks"].map(|name| fields.is_empty_text(name));
    let empty = role.ip_addresses.is_empty() && role.cidr_blocks.is_empty();
    let has_list = kind_of(role).has_access_list();
    if !empty || !has_list || role.bind_to_caller {
        return None;
    }
    let what = if written.contains(&true) {
        "an empty access list was given"
    } else if before.bind_to_caller {
        "without bind_to_caller the access list is empty"
    } else {
        return None;
    };
    Some(format!(
        "{what}: credentials of this role can be used from any address, unless the organization requires \
         a list"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warned(addresses: &[&str], networks: &[&str]) -> bool {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let role = RoleEntry {
            organization_id: "5cf5a45a9ccf6400e60981b7".to_owned(),
            roles: texts(&["ORG_MEMBER"]),
            ip_addresses: texts(addresses),
            cidr_blocks: texts(networks),
            ..RoleEntry::default()
        };
        let warnings = warnings(&role);
        assert!(warnings.len() < 2, "{warnings:?}");
        warnings.iter().any(|text| text.contains("every address"))
    }

    #[test]
    fn every_way_to_write_all_addresses_is_warned_of() {
        for addresses in [["0.0.0.0"], ["::"], ["0:0:0:0:0:0:0:0"]] {
            assert!(warned(&addresses, &[]), "{addresses:?}");
        }
        for networks in [
            &["0.0.0.0/0"][..],
            &["::/0"],
            &["10.0.0.0/8", "0.0.0.0/0"],
            &["0.0.0.0/1", "128.0.0.0/1"],
            &["::ffff:0.0.0.0/96"],
        ] {
            assert!(warned(&[], networks), "{networks:?}");
        }
        assert!(!warned(&["192.0.2.1"], &["10.0.0.0/8", "2001:db8::/32"]));
        assert!(!warned(&[], &["0.0.0.0/1"]));
        assert!(!warned(&[], &[]), "a role without a list was meant so");
    }
}
