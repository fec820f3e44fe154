//! Private endpoints through which a project's data nodes reach its key vault. Only read here: making
//! and approving them is the customer's.

use serde::Deserialize;

use super::api_keys::null_as_default;
use super::call::{Call, RequestBudget};
use super::client::Atlas;
use super::endpoints::{EndpointSet, Scope};
use super::error::AtlasError;
use super::ids::ProjectId;

/// A private endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PrivateEndpoint {
    /// Where it is, in Atlas's words.
    #[serde(rename = "regionName")]
    pub region: String,
    /// How it stands, which Atlas knows up to three minutes late.
    pub status: EndpointStatus,
    /// What went wrong, if it failed.
    #[serde(default, deserialize_with = "null_as_default")]
    pub error_message: String,
}

/// How a private endpoint stands. Source: Atlas documentation, "Manage Customer Keys with Azure Key
/// Vault Over Private Endpoints".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum EndpointStatus {
    /// Atlas makes it.
    Initiating,
    /// It waits for somebody to approve it in Azure.
    PendingAcceptance,
    /// The data nodes can use it.
    Active,
    /// Atlas makes it again.
    PendingRecreation,
    /// It could not be made.
    Failed,
    /// Atlas removes it.
    Deleting,
    /// A word that this client does not know.
    #[serde(other)]
    Unknown,
}

impl std::fmt::Display for EndpointStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Initiating => "INITIATING",
            Self::PendingAcceptance => "PENDING_ACCEPTANCE",
            Self::Active => "ACTIVE",
            Self::PendingRecreation => "PENDING_RECREATION",
            Self::Failed => "FAILED",
            Self::Deleting => "DELETING",
            Self::Unknown => "in an unknown state",
        })
    }
}

impl Atlas {
    /// The private endpoints to a project's Azure Key Vault. Source: Atlas API
    /// `listRestPrivateEndpoints`, which asks for Project Owner.
    pub(crate) async fn azure_private_endpoints(
        &self,
        project: &ProjectId,
        budget: RequestBudget,
    ) -> Result<Vec<PrivateEndpoint>, AtlasError> {
        let path = format!("/groups/{project}/encryptionAtRest/AZURE/privateEndpoints");
        let scope = Scope::Project(project.clone());
        let set = EndpointSet::EncryptionAtRest;
        let call = Call::get("listRestPrivateEndpoints", &path, set, scope);
        self.walk(call, budget, Some).await
    }
}

#[cfg(test)]
mod tests {
    use crate::atlas::fake::{Fake, HEX, Reply, budget, project_id};

    #[tokio::test]
    async fn endpoints_are_read_with_their_state() {
        let endpoint = |region: &str, status: &str| {
            format!(
                r#"{{"id":"{HEX}","cloudProvider":"AZURE","regionName":"{region}","status":"{status}",
                "errorMessage":null}}"#
            )
        };
        let body = format!(
            r#"{{"results":[{},{},{}],"totalCount":3}}"#,
            endpoint("US_EAST", "ACTIVE"),
            endpoint("EUROPE_WEST", "PENDING_ACCEPTANCE"),
            endpoint("EUROPE_NORTH", "NEVER_HEARD_OF"),
        );
        let (fake, atlas) = Fake::signed_in(move |_| Reply::new(200, &body)).await;
        let project = project_id();
        let endpoints = atlas.azure_private_endpoints(&project, budget(5)).await;
        let endpoints = endpoints.expect("a list");
        let shown: Vec<String> = endpoints
            .iter()
            .map(|endpoint| format!("{} {}", endpoint.region, endpoint.status))
            .collect();
        assert_eq!(
            shown,
            [
                "US_EAST ACTIVE",
                "EUROPE_WEST PENDING_ACCEPTANCE",
                "EUROPE_NORTH in an unknown state"
            ]
        );
        let path = format!("/api/atlas/v2/groups/{HEX}/encryptionAtRest/AZURE/privateEndpoints");
        assert_eq!(fake.count("GET", &path), 1);
    }
}
