//! Organizations, projects, and who the credential is. Only reads.

use serde::Deserialize;
use serde_json::Value;

use super::api_keys::{RoleGrant, null_as_default};
use super::call::{Call, RequestBudget};
use super::client::Atlas;
use super::endpoints::{EndpointSet, Scope};
use super::error::AtlasError;
use super::ids::{ApiKeyId, Hours, OrgId, ProjectId};

/// An organization the credential can see.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Organization {
    /// For all later calls.
    pub id: OrgId,
    /// For people.
    #[serde(default, deserialize_with = "null_as_default")]
    pub name: String,
}

/// A project and where it belongs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Project {
    /// For all later calls.
    pub id: ProjectId,
    /// For people.
    #[serde(default, deserialize_with = "null_as_default")]
    pub name: String,
    /// The organization that holds it.
    pub org_id: OrgId,
}

/// The settings of an organization that bear on credentials.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrganizationSettings {
    /// Whether a credential without an access list is refused.
    #[serde(default, deserialize_with = "null_as_default")]
    pub api_access_list_required: bool,
    /// The longest lifetime of a service account's secret; `None` means
    /// [`Hours::LONGEST_SECRET`].
    #[serde(default, rename = "maxServiceAccountSecretValidityInHours")]
    pub longest_secret: Option<Hours>,
}

/// Who the credential is, as Atlas sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The API key; `None` where Atlas tells nothing, as may be for service accounts.
    pub api_key: Option<CallerKey>,
}

/// The API key a call was signed with.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CallerKey {
    /// The key.
    pub id: ApiKeyId,
    /// The user name.
    #[serde(default, deserialize_with = "null_as_default")]
    pub public_key: String,
    /// All roles, in the organization and in its projects.
    #[serde(default, deserialize_with = "null_as_default")]
    pub roles: Vec<RoleGrant>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RootReply {
    #[serde(default)]
    api_key: Value,
}

impl Atlas {
    /// The organizations the credential can see: usually the one it belongs to.
    ///
    /// Source: Atlas API `listOrgs`.
    pub(crate) async fn organizations(
        &self,
        budget: RequestBudget,
    ) -> Result<Vec<Organization>, AtlasError> {
        let call = Call::get(
            "listOrgs",
            "/orgs",
            EndpointSet::OrganizationList,
            Scope::User,
        );
        self.walk(call, budget, Some).await
    }

    /// An organization's settings. Keep the answer: Atlas allows five such reads a minute.
    ///
    /// Source: Atlas API `getOrgSettings`.
    pub(crate) async fn organization_settings(
        &self,
        org: &OrgId,
        budget: RequestBudget,
    ) -> Result<OrganizationSettings, AtlasError> {
        let path = format!("/orgs/{org}/settings");
        let set = EndpointSet::OrganizationSettings;
        let call = Call::get("getOrgSettings", &path, set, Scope::Org(org.clone()));
        self.fetch(&call, budget).await
    }

    /// A project, with the organization it belongs to. Source: Atlas API `getGroup`.
    pub(crate) async fn project(
        &self,
        project: &ProjectId,
        budget: RequestBudget,
    ) -> Result<Project, AtlasError> {
        let path = format!("/groups/{project}");
        let scope = Scope::Project(project.clone());
        let call = Call::get("getGroup", &path, EndpointSet::Projects, scope);
        self.fetch(&call, budget).await
    }

    /// All projects that the credential sees. Source: Atlas API `listGroups`.
    pub(crate) async fn projects(&self, budget: RequestBudget) -> Result<Vec<Project>, AtlasError> {
        let set = EndpointSet::Projects;
        let call = Call::get("listGroups", "/groups", set, Scope::User);
        self.walk(call, budget, Some).await
    }

    /// Who the credential is. Any valid credential may ask; that it is answered proves the
    /// credential. Source: Atlas API `getSystemStatus`.
    pub(crate) async fn who_am_i(&self, budget: RequestBudget) -> Result<Caller, AtlasError> {
        let call = Call::get("getSystemStatus", "", EndpointSet::Root, Scope::User);
        let reply: RootReply = self.fetch(&call, budget).await?;
        Ok(Caller {
            api_key: serde_json::from_value(reply.api_key).ok(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atlas::fake::{Fake, HEX, Reply, budget, org_id, project_id};

    #[tokio::test]
    async fn an_api_key_learns_who_it_is() {
        let caller = format!(
            r#"{{"appName":"MMS","apiKey":{{"id":"{HEX}","publicKey":"abcdefgh","accessList":[],
            "roles":[{{"orgId":"{HEX}","groupId":null,"roleName":"ORG_OWNER"}}]}}}}"#
        );
        let fake = Fake::start(move |received| {
            if received.signed("Digest") {
                Reply::new(200, &caller)
            } else {
                Reply::challenge("n", false)
            }
        })
        .await;
        let caller = fake
            .digest_client()
            .who_am_i(budget(5))
            .await
            .expect("an answer");
        let key = caller.api_key.expect("a key");
        assert_eq!(key.roles[0].org_id, Some(org_id()));
        assert_eq!(fake.requests()[1].target, "/api/atlas/v2");
    }

    #[tokio::test]
    async fn organizations_settings_and_projects_are_read() {
        let fake = Fake::start(|received| match received.target.as_str() {
            "/api/oauth/token" => Reply::token("t"),
            "/api/atlas/v2" => Reply::new(200, r#"{"apiKey":{"strange":true}}"#),
            target if target.ends_with("/settings") => {
                Reply::new(200, r#"{"maxServiceAccountSecretValidityInHours":24}"#)
            }
            target if target.contains("/groups/") => Reply::new(
                200,
                &format!(r#"{{"id":"{HEX}","orgId":"{HEX}","name":"p"}}"#),
            ),
            _ => Reply::new(
                200,
                &format!(r#"{{"results":[{{"id":"{HEX}","name":"o"}}]}}"#),
            ),
        })
        .await;
        let atlas = fake.bearer_client();
        let organizations = atlas.organizations(budget(5)).await.expect("a list");
        assert_eq!(organizations[0].id, org_id());
        let settings = atlas
            .organization_settings(&org_id(), budget(5))
            .await
            .expect("some");
        assert_eq!(settings.longest_secret, Some(Hours::new(24)));
        assert!(!settings.api_access_list_required);
        let project = atlas
            .project(&project_id(), budget(5))
            .await
            .expect("a project");
        assert_eq!(project.org_id, org_id());
        let caller = atlas.who_am_i(budget(5)).await.expect("an answer");
        assert_eq!(caller.api_key, None);
    }
}
