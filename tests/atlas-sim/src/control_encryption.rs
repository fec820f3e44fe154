//! The control port's hands on encryption at rest: what a project holds, its private endpoints.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::azure::{Azure, KeyCheck};
use crate::control::{Input, Outcome, Refused};
use crate::encryption::{STATIC, text};
use crate::ids;
use crate::log::digest;
use crate::private_endpoints::{PrivateEndpoint, Trouble};
use crate::server::Sim;
use crate::settings::Settings;
use crate::state::Project;
use crate::world::World;

/// How the encryption of one project stands, without any secret in clear.
pub(crate) fn describe(
    project: &Project,
    azure: &Azure,
    settings: &Settings,
    now: DateTime<Utc>,
) -> Value {
    let encryption = &project.encryption;
    let vault = &encryption.vault;
    let has_static = STATIC.iter().any(|name| vault.contains_key(*name));
    let mode = match encryption.role_id() {
        Some(_) => "role",
        None if has_static => "static",
        None => "none",
    };
    let secret = Some(text(vault, "secret")).filter(|secret| !secret.is_empty());
    let check = match project.key_check(azure, now) {
        None => json!(null),
        Some(KeyCheck::Usable) => json!("usable"),
        Some(KeyCheck::Unreachable) => json!("unreachable"),
        Some(KeyCheck::Refused(fault)) => json!(format!("{fault:?}")),
    };
    let endpoints = project.private_endpoints.values().map(|endpoint| {
        json!({
            "id": endpoint.id, "region": endpoint.region,
            "status": endpoint.status(now, settings.private_endpoint_seconds),
        })
    });
    json!({
        "mode": mode, "role_id": encryption.role_id(), "holds_static": has_static,
        "secret_id": secret.and_then(|secret| azure.secret_id(secret)),
        "secret_digest": secret.map(digest), "check": check,
        "proved": encryption.watch.proved, "stopped": encryption.watch.stopped,
        "stops": encryption.watch.stops,
        "search_node_changes": encryption.search_node_changes,
        "private_endpoints": endpoints.collect::<Vec<_>>(),
    })
}

/// How often Atlas stopped the clusters of any project.
pub(crate) fn stops(world: &World) -> u64 {
    let projects = world.projects.values();
    projects.map(|project| project.encryption.watch.stops).sum()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Holds {
    project_id: String,
    client_secret: String,
}

/// Whether this is the static secret that Atlas holds for the project.
pub(crate) async fn holds(State(sim): State<Arc<Sim>>, Input(asked): Input<Holds>) -> Outcome {
    let core = sim.caught_up(sim.clock.now());
    let project = core.world.projects.get(&asked.project_id);
    let project = project.ok_or_else(|| Refused::missing("project", &asked.project_id))?;
    let held = text(&project.encryption.vault, "secret");
    Ok(Json(json!({"holds": held == asked.client_secret})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Given {
    project_id: String,
    /// An empty one switches it off.
    #[serde(default, rename = "azureKeyVault")]
    vault: Option<Map<String, Value>>,
    #[serde(default, rename = "awsKms")]
    aws: Option<Value>,
    #[serde(default, rename = "googleCloudKms")]
    google: Option<Value>,
    #[serde(default, rename = "enabledForSearchNodes")]
    search_nodes: Option<bool>,
}

/// Sets what a project holds, unchecked. Whether the key can be used is computed all the same.
pub(crate) async fn set(
    State(sim): State<Arc<Sim>>,
    Input(given): Input<Given>,
) -> Result<StatusCode, Refused> {
    let now = sim.clock.now();
    let core = &mut *sim.caught_up(now);
    let project = core.world.projects.get_mut(&given.project_id);
    let project = project.ok_or_else(|| Refused::missing("project", &given.project_id))?;
    let encryption = &mut project.encryption;
    match given.vault {
        Some(vault) if vault.is_empty() => encryption.clear(),
        Some(vault) => encryption.set(vault, true, &core.settings, now),
        None => {}
    }
    for (name, block) in [("awsKms", given.aws), ("googleCloudKms", given.google)] {
        if let Some(block) = block {
            encryption.others.insert(name.to_owned(), block);
        }
    }
    encryption.search_nodes = given.search_nodes.unwrap_or(encryption.search_nodes);
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EndpointInput {
    project_id: String,
    region: String,
    /// Made long ago, whatever the project requires.
    #[serde(default)]
    create: bool,
    /// Somebody approves it in Azure, or withdraws that.
    #[serde(default)]
    approved: Option<bool>,
    #[serde(default)]
    trouble: Option<Trouble>,
}

/// Makes a private endpoint, approves it, or breaks it.
pub(crate) async fn endpoint(
    State(sim): State<Arc<Sim>>,
    Input(input): Input<EndpointInput>,
) -> Outcome {
    let now = sim.clock.now();
    let core = &mut *sim.caught_up(now);
    let project = core.world.projects.get_mut(&input.project_id);
    let project = project.ok_or_else(|| Refused::missing("project", &input.project_id))?;
    let endpoints = &mut project.private_endpoints;
    if input.create {
        let endpoint = PrivateEndpoint {
            id: ids::object_id(now),
            region: input.region.clone(),
            created_at: DateTime::UNIX_EPOCH,
            // Seen by Atlas at once, since it is long ago.
            approved_at: input
                .approved
                .unwrap_or(false)
                .then_some(DateTime::UNIX_EPOCH),
            deleted_at: None,
            trouble: input.trouble,
        };
        let answer = json!({"id": endpoint.id});
        endpoints.insert(endpoint.id.clone(), endpoint);
        return Ok(Json(answer));
    }
    let mut endpoints = endpoints.values_mut();
    let endpoint = endpoints.find(|endpoint| endpoint.region == input.region);
    let endpoint = endpoint.ok_or_else(|| Refused::missing("private endpoint", &input.region))?;
    endpoint.trouble = input.trouble;
    endpoint.approved_at = match input.approved {
        Some(true) => endpoint.approved_at.or(Some(now)),
        Some(false) => None,
        None => endpoint.approved_at,
    };
    Ok(Json(json!({"id": endpoint.id})))
}
