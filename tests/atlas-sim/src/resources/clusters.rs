//! Clusters, to read only: their list, and whether they have applied all changes of users.

use serde_json::{Value, json};

use crate::clock::text;
use crate::core::Call;
use crate::database::Cluster;
use crate::dispatch::unknown_project;
use crate::errors::ApiError;
use crate::http::Answer;
use crate::operations::BASE;
use crate::page::self_link;
use crate::state::Project;

fn show(cluster: &Cluster, project: &Project, encrypted: bool) -> Value {
    let path = format!("{BASE}/groups/{}/clusters/{}", project.id, cluster.name);
    let host = format!("{}.atlas-sim.invalid", cluster.name.to_lowercase());
    json!({
        "id": cluster.id, "name": cluster.name, "groupId": project.id,
        "clusterType": "REPLICASET", "createDate": text(cluster.created_at),
        "stateName": "IDLE", "paused": cluster.paused,
        "mongoDBMajorVersion": "8.0", "mongoDBVersion": "8.0.4",
        "encryptionAtRestProvider": if encrypted { "AZURE" } else { "NONE" },
        "connectionStrings": {"standardSrv": format!("mongodb+srv://{host}")},
        "labels": [], "tags": [], "replicationSpecs": [], "links": [self_link(&path)],
    })
}

fn project<'a>(call: &'a Call<'_>) -> Result<&'a Project, ApiError> {
    let id = call.param("groupId");
    let project = call.world.projects.get(id);
    project.ok_or_else(|| unknown_project(id, call.settings))
}

pub(crate) fn list(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let page = call.page()?;
    let project = project(call)?;
    let encrypted = call.settings.encrypted_clusters && project.encryption.is_on();
    let clusters = project.clusters.values().collect();
    Ok(page.cut(clusters, call.target, |cluster| {
        show(cluster, project, encrypted)
    }))
}

pub(crate) fn status(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let project = project(call)?;
    let name = call.param("clusterName");
    let cluster = project.clusters.get(name);
    let cluster = cluster.ok_or_else(|| unknown(name, &project.id))?;
    Ok(Answer::ok(
        json!({"changeStatus": cluster.status(call.settings)}),
    ))
}

/// 404 for a cluster. Source: Atlas documentation, "Atlas Administration API Error Codes".
pub(super) fn unknown(name: &str, group_id: &str) -> ApiError {
    let detail = format!("No cluster named {name} exists in group {group_id}.");
    let error = ApiError::new(404, "CLUSTER_NOT_FOUND", detail);
    error.with(name).with(group_id)
}
