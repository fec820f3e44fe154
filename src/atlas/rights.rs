//! Refusals that are about the rights of a good credential, and which right each call needs.

/// What a refusal of a good credential is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lack {
    /// The Atlas role that the call needs, in the words of Atlas's user interface.
    Role(&'static str),
    /// The credential's access list does not admit this server's address, or there is none where the
    /// organization requires one.
    Address,
}

/// Atlas also answers 401 when the credential is good but lacks a right, and shows it by the code.
///
/// `…_ACCESS_DENIED` is a kind: Atlas renamed `API_KEY_WHITELIST_ACCESS_DENIED` to
/// `API_KEY_ACCESS_LIST_ACCESS_DENIED`, and says so of other resources in the same way.
/// Source: Atlas documentation, "Atlas Administration API Error Codes", those filed under 401.
pub(super) fn names_missing_right(code: &str) -> bool {
    code.ends_with("_UNAUTHORIZED")
        || code.ends_with("_ACCESS_DENIED")
        || code.starts_with("NOT_")
        || code.starts_with("USER_CANNOT_")
}

/// Whether the code is about the address of the caller. Atlas has an old and a new spelling of each.
/// Source: Atlas documentation, "Atlas Administration API Error Codes", those filed under 403.
fn names_address(code: &str) -> bool {
    matches!(
        code,
        "IP_ADDRESS_NOT_ON_ACCESS_LIST"
            | "IP_ADDRESS_NOT_ON_WHITELIST"
            | "ORG_REQUIRES_ACCESS_LIST"
            | "ORG_REQUIRES_WHITELIST"
            | "RESOURCE_REQUIRES_ACCESS_LIST"
            | "RESOURCE_REQUIRES_WHITELIST"
    )
}

/// What the credential lacks, by the refusal's code and the call; [`None`] if the code does not say.
pub(super) fn lack(operation: &str, code: &str) -> Option<Lack> {
    if names_address(code) {
        return Some(Lack::Address);
    }
    names_missing_right(code).then(|| Lack::Role(needed(operation)))
}

/// The Atlas role that a call needs. Source: Atlas API, "required roles" of each operation.
fn needed(operation: &str) -> &'static str {
    match operation {
        "createGroupApiKey" | "updateApiKeyRoles" | "removeGroupApiKey" | "createAccessList" => {
            "Project Access Manager"
        }
        "addGroupApiKey"
        | "createGroupServiceAccount"
        | "deleteGroupServiceAccount"
        | "createGroupSecret"
        | "deleteGroupSecret"
        | "createCloudProviderAccess"
        | "authorizeProviderAccessRole"
        | "deauthorizeProviderAccessRole"
        | "updateEncryptionAtRest"
        | "listRestPrivateEndpoints"
        // Less would do to read these two; but they are read for a change, and nobody is to be told twice.
        | "listCloudProviderAccess"
        | "getEncryptionAtRest" => "Project Owner",
        "createGroupModelKey" | "deleteGroupModelKey" => "Project Model Owner",
        "createDatabaseUser" | "updateDatabaseUser" | "deleteDatabaseUser" => {
            "Project Database Access Admin"
        }
        "getGroup"
        | "getGroupModelKey"
        | "listGroupModelKeys"
        | "listGroupApiKeys"
        | "getDatabaseUser"
        | "listDatabaseUsers"
        | "listClusters"
        | "getClusterStatus"
        | "getGroupServiceAccount"
        | "listGroupServiceAccounts"
        | "listAccessList" => "Project Read Only",
        "listOrgApiKeys" | "getOrgApiKey" | "listOrgAccessEntries" | "getOrgSettings" => {
            "Organization Member"
        }
        "listOrgServiceAccounts"
        | "getOrgServiceAccount"
        | "getServiceAccountGroups"
        | "listOrgModelKeys"
        | "listOrgAccessList" => "Organization Read Only",
        _ => "Organization Owner",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_role_that_the_call_needs() {
        let code = "API_KEY_ACCESS_LIST_ACCESS_DENIED";
        for (operation, role) in [
            ("createOrgAccessEntry", "Organization Owner"),
            ("createGroupSecret", "Project Owner"),
            ("getGroup", "Project Read Only"),
            ("deleteGroupModelKey", "Project Model Owner"),
            ("listOrgModelKeys", "Organization Read Only"),
            ("createDatabaseUser", "Project Database Access Admin"),
            ("getClusterStatus", "Project Read Only"),
            ("updateEncryptionAtRest", "Project Owner"),
            ("getEncryptionAtRest", "Project Owner"),
            ("listRestPrivateEndpoints", "Project Owner"),
        ] {
            assert_eq!(lack(operation, code), Some(Lack::Role(role)), "{operation}");
        }
    }

    #[test]
    fn old_and_new_names_of_an_address_that_is_not_listed_are_one() {
        for code in [
            "IP_ADDRESS_NOT_ON_ACCESS_LIST",
            "IP_ADDRESS_NOT_ON_WHITELIST",
            "ORG_REQUIRES_WHITELIST",
        ] {
            assert_eq!(lack("createOrgApiKey", code), Some(Lack::Address), "{code}");
        }
        for code in ["ACCESS_FORBIDDEN", "FEATURE_UNSUPPORTED", ""] {
            assert_eq!(lack("createOrgApiKey", code), None, "{code:?}");
        }
    }
}
