//! The table of operations: path, version, role, rate limit, handler.

use std::sync::LazyLock;

use percent_encoding::percent_decode_str;

use crate::access::Need;
use crate::core::Call;
use crate::endpoint_sets::{Scope, Set};
use crate::errors::ApiError;
use crate::http::Answer;
use crate::resources::{
    account_lists, accounts, api_keys, cloud_access, clusters, database_users, encryption, groups,
    key_lists, model_keys, org_settings, orgs, private_endpoints, project_keys, rate_limits, root,
    secrets,
};
use crate::unversioned;
use crate::versions::Version;

/// Path below which all operations live; some live below [`unversioned::BASE`] too.
pub(crate) const BASE: &str = "/api/atlas/v2";

const V2023: Version = "2023-01-01";
const V2024: Version = "2024-08-05";
const V2025: Version = "2025-03-12";

/// Carries out an operation.
pub(crate) type Handler = fn(&mut Call<'_>) -> Result<Answer, ApiError>;

/// One operation of the API.
pub(crate) struct Operation {
    pub(crate) id: &'static str,
    pub(crate) method: &'static str,
    /// Path template below [`BASE`].
    pub(crate) path: &'static str,
    pub(crate) version: Version,
    pub(crate) need: Need,
    pub(crate) set: Set,
    pub(crate) run: Handler,
}

impl Operation {
    /// Whether a JSON body is required.
    pub(crate) fn has_body(&self) -> bool {
        matches!(self.method, "POST" | "PATCH")
    }

    /// Whose bucket a request draws from.
    pub(crate) fn scope(&self) -> Scope {
        if self.path.contains("{groupId}") {
            Scope::Project
        } else if self.path.contains("{orgId}") {
            Scope::Org
        } else {
            Scope::User
        }
    }
}

/// Parameters of a path by name, decoded.
pub(crate) type Params = Vec<(&'static str, String)>;

/// What a path leads to.
pub(crate) enum Route {
    Operation(&'static Operation, Params),
    /// The path exists, the method does not.
    OtherMethod,
    Unknown,
}

/// Finds the operation of a request; `path` keeps its percent-encoding.
pub(crate) fn find(method: &str, path: &str) -> Route {
    let unversioned = unversioned::is_asked(path);
    let base = if unversioned { unversioned::BASE } else { BASE };
    let Some(rest) = path.strip_prefix(base) else {
        return Route::Unknown;
    };
    let segments: Vec<&str> = rest.split('/').collect();
    let mut other_method = false;
    for (operation, template) in TEMPLATES.iter() {
        if unversioned && !unversioned::has(operation.id) {
            continue;
        }
        let Some(params) = bind(template, &segments) else {
            continue;
        };
        if operation.method == method {
            return Route::Operation(operation, params);
        }
        other_method = true;
    }
    if other_method {
        Route::OtherMethod
    } else {
        Route::Unknown
    }
}

type Template = Vec<&'static str>;

static TEMPLATES: LazyLock<Vec<(&'static Operation, Template)>> = LazyLock::new(|| {
    let split = |operation: &'static Operation| (operation, operation.path.split('/').collect());
    OPERATIONS.iter().map(split).collect()
});

fn bind(template: &Template, segments: &[&str]) -> Option<Params> {
    if template.len() != segments.len() {
        return None;
    }
    let mut params = Params::new();
    for (wanted, segment) in template.iter().zip(segments) {
        let Some((name, suffix)) = wanted
            .strip_prefix('{')
            .and_then(|rest| rest.split_once('}'))
        else {
            if wanted == segment {
                continue;
            }
            return None;
        };
        let value = segment
            .strip_suffix(suffix)
            .filter(|value| !value.is_empty())?;
        params.push((
            name,
            percent_decode_str(value).decode_utf8().ok()?.into_owned(),
        ));
    }
    Some(params)
}

macro_rules! operations {
    ($($id:literal $method:ident $path:literal $version:ident $need:ident $set:ident $run:path;)+) => {
        /// Every operation served. Source of paths, versions and roles: Atlas API description.
        pub(crate) static OPERATIONS: &[Operation] = &[$(Operation {
            id: $id,
            method: stringify!($method),
            path: $path,
            version: $version,
            need: Need::$need,
            set: Set::$set,
            run: $run,
        }),+];
    };
}

operations! {
    "getSystemStatus" GET "" V2023 Nothing Root root::read;
    "listRateLimits" GET "/rateLimits" V2025 Nothing RateLimits rate_limits::list;
    "getRateLimit" GET "/rateLimits/{endpointSetId}" V2025 Nothing RateLimits rate_limits::read;

    "listOrgs" GET "/orgs" V2023 Nothing OrganizationsListCreate orgs::list;
    "createOrg" POST "/orgs" V2023 Nothing OrganizationsListCreate orgs::create;
    "getOrg" GET "/orgs/{orgId}" V2023 OrgMember Organizations orgs::read;
    "updateOrg" PATCH "/orgs/{orgId}" V2023 OrgOwner Organizations orgs::update;
    "deleteOrg" DELETE "/orgs/{orgId}" V2023 OrgOwner Organizations orgs::delete;
    "getOrgSettings" GET "/orgs/{orgId}/settings" V2023 OrgMember OrgSettings org_settings::read;
    "updateOrgSettings" PATCH "/orgs/{orgId}/settings" V2023 OrgOwner OrgSettings org_settings::update;

    "listGroups" GET "/groups" V2023 Nothing ProjectsListCreate groups::list;
    "createGroup" POST "/groups" V2023 Nothing ProjectsListCreate groups::create;
    "getGroup" GET "/groups/{groupId}" V2023 ProjectReadOnly Projects groups::read;
    "updateGroup" PATCH "/groups/{groupId}" V2023 ProjectOwner Projects groups::update;
    "deleteGroup" DELETE "/groups/{groupId}" V2023 ProjectOwner Projects groups::delete;

    "listOrgApiKeys" GET "/orgs/{orgId}/apiKeys" V2023 OrgMember ApiKeys api_keys::list;
    "createOrgApiKey" POST "/orgs/{orgId}/apiKeys" V2023 OrgOwner ApiKeys api_keys::create;
    "getOrgApiKey" GET "/orgs/{orgId}/apiKeys/{apiUserId}" V2023 OrgMember ApiKeys api_keys::read;
    "updateOrgApiKey" PATCH "/orgs/{orgId}/apiKeys/{apiUserId}" V2023 OrgOwner ApiKeys api_keys::update;
    "deleteOrgApiKey" DELETE "/orgs/{orgId}/apiKeys/{apiUserId}" V2023 OrgOwner ApiKeys api_keys::delete;
    "listOrgAccessEntries" GET "/orgs/{orgId}/apiKeys/{apiUserId}/accessList" V2023 OrgMember ApiKeys key_lists::list;
    "createOrgAccessEntry" POST "/orgs/{orgId}/apiKeys/{apiUserId}/accessList" V2023 AccessListWriter ApiKeys key_lists::add;
    "getOrgAccessEntry" GET "/orgs/{orgId}/apiKeys/{apiUserId}/accessList/{ipAddress}" V2023 OrgMember ApiKeys key_lists::read;
    "deleteAccessEntry" DELETE "/orgs/{orgId}/apiKeys/{apiUserId}/accessList/{ipAddress}" V2023 AccessListWriter ApiKeys key_lists::remove;

    "listGroupApiKeys" GET "/groups/{groupId}/apiKeys" V2023 ProjectReadOnly ApiKeys project_keys::list;
    "createGroupApiKey" POST "/groups/{groupId}/apiKeys" V2023 ProjectAccessManager ApiKeys project_keys::create;
    "addGroupApiKey" POST "/groups/{groupId}/apiKeys/{apiUserId}" V2023 ProjectOwner ApiKeys project_keys::assign;
    "updateApiKeyRoles" PATCH "/groups/{groupId}/apiKeys/{apiUserId}" V2023 ProjectAccessManager ApiKeys project_keys::update;
    "removeGroupApiKey" DELETE "/groups/{groupId}/apiKeys/{apiUserId}" V2023 ProjectAccessManager ApiKeys project_keys::unassign;

    "listOrgServiceAccounts" GET "/orgs/{orgId}/serviceAccounts" V2024 OrgReadOnly ServiceAccounts accounts::list;
    "createOrgServiceAccount" POST "/orgs/{orgId}/serviceAccounts" V2024 OrgOwner ServiceAccounts accounts::create;
    "getOrgServiceAccount" GET "/orgs/{orgId}/serviceAccounts/{clientId}" V2024 OrgReadOnly ServiceAccounts accounts::read;
    "updateOrgServiceAccount" PATCH "/orgs/{orgId}/serviceAccounts/{clientId}" V2024 OrgOwner ServiceAccounts accounts::update;
    "deleteOrgServiceAccount" DELETE "/orgs/{orgId}/serviceAccounts/{clientId}" V2024 OrgOwner ServiceAccounts accounts::delete;
    "getServiceAccountGroups" GET "/orgs/{orgId}/serviceAccounts/{clientId}/groups" V2024 OrgReadOnly ServiceAccounts accounts::groups;
    "createOrgSecret" POST "/orgs/{orgId}/serviceAccounts/{clientId}/secrets" V2024 OrgOwner ServiceAccounts secrets::create;
    "deleteOrgSecret" DELETE "/orgs/{orgId}/serviceAccounts/{clientId}/secrets/{secretId}" V2024 OrgOwner ServiceAccounts secrets::delete;
    "listOrgAccessList" GET "/orgs/{orgId}/serviceAccounts/{clientId}/accessList" V2024 OrgReadOnly ServiceAccounts account_lists::list;
    "createOrgAccessList" POST "/orgs/{orgId}/serviceAccounts/{clientId}/accessList" V2024 OrgOwner ServiceAccounts account_lists::add;
    "deleteOrgAccessEntry" DELETE "/orgs/{orgId}/serviceAccounts/{clientId}/accessList/{ipAddress}" V2024 OrgOwner ServiceAccounts account_lists::remove;

    "listGroupServiceAccounts" GET "/groups/{groupId}/serviceAccounts" V2024 ProjectReadOnly ServiceAccounts accounts::list;
    "createGroupServiceAccount" POST "/groups/{groupId}/serviceAccounts" V2024 ProjectOwner ServiceAccounts accounts::create;
    "inviteGroupServiceAccount" POST "/groups/{groupId}/serviceAccounts/{clientId}:invite" V2024 OrgOwnerOfProject ServiceAccounts accounts::invite;
    "getGroupServiceAccount" GET "/groups/{groupId}/serviceAccounts/{clientId}" V2024 ProjectReadOnly ServiceAccounts accounts::read;
    "updateGroupServiceAccount" PATCH "/groups/{groupId}/serviceAccounts/{clientId}" V2024 ProjectOwner ServiceAccounts accounts::update;
    "deleteGroupServiceAccount" DELETE "/groups/{groupId}/serviceAccounts/{clientId}" V2024 ProjectOwner ServiceAccounts accounts::delete;
    "createGroupSecret" POST "/groups/{groupId}/serviceAccounts/{clientId}/secrets" V2024 ProjectOwner ServiceAccounts secrets::create;
    "deleteGroupSecret" DELETE "/groups/{groupId}/serviceAccounts/{clientId}/secrets/{secretId}" V2024 ProjectOwner ServiceAccounts secrets::delete;
    "listAccessList" GET "/groups/{groupId}/serviceAccounts/{clientId}/accessList" V2024 ProjectReadOnly ServiceAccounts account_lists::list;
    "createAccessList" POST "/groups/{groupId}/serviceAccounts/{clientId}/accessList" V2024 ProjectAccessManager ServiceAccounts account_lists::add;
    "deleteGroupAccessEntry" DELETE "/groups/{groupId}/serviceAccounts/{clientId}/accessList/{ipAddress}" V2024 ProjectAccessManager ServiceAccounts account_lists::remove;

    "listGroupModelKeys" GET "/groups/{groupId}/aiModelApiKeys" V2025 ProjectReadOnly Unlimited model_keys::list;
    "createGroupModelKey" POST "/groups/{groupId}/aiModelApiKeys" V2025 ProjectModelOwner Unlimited model_keys::create;
    "getGroupModelKey" GET "/groups/{groupId}/aiModelApiKeys/{apiKeyId}" V2025 ProjectReadOnly Unlimited model_keys::read;
    "updateGroupModelKey" PATCH "/groups/{groupId}/aiModelApiKeys/{apiKeyId}" V2025 ProjectModelOwner Unlimited model_keys::update;
    "deleteGroupModelKey" DELETE "/groups/{groupId}/aiModelApiKeys/{apiKeyId}" V2025 ProjectModelOwner Unlimited model_keys::delete;
    "listOrgModelKeys" GET "/orgs/{orgId}/aiModelApiKeys" V2025 OrgReadOnly Unlimited model_keys::list_of_org;
    "getOrgModelKey" GET "/orgs/{orgId}/aiModelApiKeys/{apiKeyId}" V2025 OrgReadOnly Unlimited model_keys::read_of_org;

    "listDatabaseUsers" GET "/groups/{groupId}/databaseUsers" V2023 ProjectReadOnly DatabaseUsers database_users::list;
    "createDatabaseUser" POST "/groups/{groupId}/databaseUsers" V2023 ProjectDatabaseAccessAdmin DatabaseUsers database_users::create;
    "getDatabaseUser" GET "/groups/{groupId}/databaseUsers/{databaseName}/{username}" V2023 ProjectReadOnly DatabaseUsers database_users::read;
    "updateDatabaseUser" PATCH "/groups/{groupId}/databaseUsers/{databaseName}/{username}" V2023 ProjectDatabaseAccessAdmin DatabaseUsers database_users::update;
    "deleteDatabaseUser" DELETE "/groups/{groupId}/databaseUsers/{databaseName}/{username}" V2023 ProjectDatabaseAccessAdmin DatabaseUsers database_users::delete;
    "listClusters" GET "/groups/{groupId}/clusters" V2024 ProjectReadOnly Unlimited clusters::list;
    "getClusterStatus" GET "/groups/{groupId}/clusters/{clusterName}/status" V2023 ProjectReadOnly Unlimited clusters::status;

    "listCloudProviderAccess" GET "/groups/{groupId}/cloudProviderAccess" V2023 ProjectReadOnly CloudProviderAccess cloud_access::list;
    "createCloudProviderAccess" POST "/groups/{groupId}/cloudProviderAccess" V2023 ProjectOwner CloudProviderAccess cloud_access::create;
    "getCloudProviderAccess" GET "/groups/{groupId}/cloudProviderAccess/{roleId}" V2023 ProjectReadOnly CloudProviderAccess cloud_access::read;
    "authorizeProviderAccessRole" PATCH "/groups/{groupId}/cloudProviderAccess/{roleId}" V2023 ProjectOwner CloudProviderAccess cloud_access::authorize;
    "deauthorizeProviderAccessRole" DELETE "/groups/{groupId}/cloudProviderAccess/{cloudProvider}/{roleId}" V2023 ProjectOwner CloudProviderAccess cloud_access::delete;
    "getEncryptionAtRest" GET "/groups/{groupId}/encryptionAtRest" V2023 ProjectReadOnly EncryptionAtRest encryption::read;
    "updateEncryptionAtRest" PATCH "/groups/{groupId}/encryptionAtRest" V2023 ProjectOwner EncryptionAtRest encryption::update;
    "listRestPrivateEndpoints" GET "/groups/{groupId}/encryptionAtRest/{cloudProvider}/privateEndpoints" V2023 ProjectOwner EncryptionAtRest private_endpoints::list;
    "createRestPrivateEndpoint" POST "/groups/{groupId}/encryptionAtRest/{cloudProvider}/privateEndpoints" V2023 ProjectOwner EncryptionAtRest private_endpoints::create;
    "getRestPrivateEndpoint" GET "/groups/{groupId}/encryptionAtRest/{cloudProvider}/privateEndpoints/{endpointId}" V2023 ProjectOwner EncryptionAtRest private_endpoints::read;
    "requestPrivateEndpointDeletion" DELETE "/groups/{groupId}/encryptionAtRest/{cloudProvider}/privateEndpoints/{endpointId}" V2023 ProjectOwner EncryptionAtRest private_endpoints::delete;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(method: &str, path: &str) -> Option<(&'static str, Params)> {
        match find(method, &format!("{BASE}{path}")) {
            Route::Operation(operation, params) => Some((operation.id, params)),
            Route::OtherMethod | Route::Unknown => None,
        }
    }

    #[test]
    fn a_path_is_bound_and_decoded_segment_by_segment() {
        let (name, params) = id("GET", "/orgs/o/apiKeys/k/accessList/203.0.113.0%2F24").unwrap();
        assert_eq!(name, "getOrgAccessEntry");
        assert_eq!(params[2], ("ipAddress", "203.0.113.0/24".to_owned()));
        assert!(id("GET", "/orgs/o/apiKeys/k/accessList/203.0.113.0/24").is_none());
    }

    #[test]
    fn the_colon_of_an_invitation_is_literal() {
        let (name, params) = id("POST", "/groups/g/serviceAccounts/c:invite").unwrap();
        assert_eq!(name, "inviteGroupServiceAccount");
        assert_eq!(params[1], ("clientId", "c".to_owned()));
        assert!(id("POST", "/groups/g/serviceAccounts/c%3Ainvite").is_none());
    }

    #[test]
    fn the_api_without_versions_has_keys_and_nothing_else() {
        let find = |method: &str, path: &str| find(method, &format!("/api/atlas/v1.0{path}"));
        let keys = "/groups/g/apiKeys/k";
        assert!(matches!(find("PATCH", keys), Route::Operation(..)));
        assert!(matches!(find("POST", keys), Route::OtherMethod));
        assert!(matches!(
            find("GET", "/orgs/o/serviceAccounts"),
            Route::Unknown
        ));
        assert!(matches!(find("GET", ""), Route::Unknown));
    }

    #[test]
    fn method_and_path_must_fit() {
        assert_eq!(id("GET", "").unwrap().0, "getSystemStatus");
        assert!(matches!(
            find("PUT", "/api/atlas/v2/orgs"),
            Route::OtherMethod
        ));
        assert!(id("GET", "/orgs/").is_none());
        assert!(matches!(find("GET", "/api/atlas/v3/orgs"), Route::Unknown));
    }
}
