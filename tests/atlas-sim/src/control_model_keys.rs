//! The control port's hands on AI model keys.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::clock::text;
use crate::control::{Input, Outcome, Refused};
use crate::server::Sim;
use crate::state::{ModelKey, Project};

/// The keys that a project really has, without a secret.
pub(crate) fn describe(project: &Project) -> Vec<Value> {
    let keys = project.model_keys.values().filter(|key| key.exists());
    let shown = keys.map(|key| {
        json!({
            "id": key.id, "name": key.name, "cloud": key.cloud, "geography": key.geography,
            "created_at": text(key.created_at), "created_by": key.created_by,
        })
    });
    shown.collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewModelKey {
    project_id: String,
    name: String,
}

/// A key as somebody in the user interface makes it.
pub(crate) async fn create(State(sim): State<Arc<Sim>>, Input(new): Input<NewModelKey>) -> Outcome {
    let now = sim.clock.now();
    let world = &mut sim.lock().world;
    let project = world.projects.get_mut(&new.project_id);
    let project = project.ok_or_else(|| Refused::missing("project", &new.project_id))?;
    let key = ModelKey::new(new.name, "ANY", "ANY", "by control", now);
    let answer = json!({"id": key.id, "secret": key.secret});
    project.model_keys.insert(key.id.clone(), key);
    Ok(Json(answer))
}

pub(crate) async fn remove(
    State(sim): State<Arc<Sim>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Refused> {
    let now = sim.clock.now();
    let core = &mut *sim.lock();
    let projects = core.world.projects.values();
    let with_it = projects.filter(|project| project.model_keys.contains_key(&id));
    let project = with_it.map(|project| project.id.clone()).next();
    let project = project.unwrap_or_default();
    let was_there = core
        .world
        .delete_model_key(&project, &id, now, &core.settings);
    if was_there {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Refused::missing("AI model key", &id))
    }
}
