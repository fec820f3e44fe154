//! Clusters of a project: which there are, and whether a change of database users has reached them.

use serde::Deserialize;

use super::api_keys::null_as_default;
use super::call::{Call, RequestBudget};
use super::client::Atlas;
use super::endpoints::{EndpointSet, Scope};
use super::error::AtlasError;
use super::ids::{ClusterName, Level, ProjectId};

const SET: EndpointSet = EndpointSet::Clusters;

/// Whether a cluster works with the database users that its project has now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChangeStatus {
    /// It does.
    Applied,
    /// Not yet: new users cannot sign in to it.
    Pending,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cluster {
    /// As it is: one that no call can name is not waited for.
    #[serde(default, deserialize_with = "null_as_default")]
    name: String,
    #[serde(default, deserialize_with = "null_as_default")]
    paused: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    #[serde(default, deserialize_with = "null_as_default")]
    change_status: String,
}

impl Atlas {
    /// The project's clusters, but for those that are paused: nothing is applied to them before they are
    /// resumed. Flex clusters are not listed. Source: Atlas API `listClusters`.
    pub(crate) async fn running_clusters(
        &self,
        project: &ProjectId,
        budget: RequestBudget,
    ) -> Result<Vec<ClusterName>, AtlasError> {
        let level = Level::Project(project.clone());
        let path = format!("/groups/{project}/clusters");
        let call = Call::get("listClusters", &path, SET, &level);
        self.walk(call, budget, |cluster: Cluster| {
            cluster.name.parse().ok().filter(|_| !cluster.paused)
        })
        .await
    }

    /// Whether a cluster has applied all changes of database users. Anything but Atlas's own word for it
    /// counts as not yet. Source: Atlas API `getClusterStatus`.
    pub(crate) async fn change_status(
        &self,
        project: &ProjectId,
        cluster: &ClusterName,
        budget: RequestBudget,
    ) -> Result<ChangeStatus, AtlasError> {
        let path = format!("/groups/{project}/clusters/{cluster}/status");
        let scope = Scope::Project(project.clone());
        let call = Call::get("getClusterStatus", &path, SET, scope);
        let status: Status = self.fetch(&call, budget).await?;
        Ok(if status.change_status.eq_ignore_ascii_case("APPLIED") {
            ChangeStatus::Applied
        } else {
            ChangeStatus::Pending
        })
    }
}
