//! The control port's hands on clusters and database users, and its way to sign in as one.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::clock::text;
use crate::control::{Input, Outcome, Refused};
use crate::database::{ADMIN, Cluster, DatabaseUser, Scope, is_cluster_name};
use crate::ids;
use crate::server::Sim;
use crate::settings::Settings;
use crate::state::Project;
use crate::world::World;

/// The clusters of a project, with the users that each of them knows now.
pub(crate) fn describe_clusters(project: &Project, settings: &Settings) -> Vec<Value> {
    let stopped = project.clusters_are_stopped(settings);
    let shown = project.clusters.values().map(|cluster| {
        json!({
            "name": cluster.name, "status": cluster.status(settings), "paused": cluster.paused,
            "reachable": !cluster.unreachable, "stuck": cluster.stuck, "stopped": stopped,
            "users": cluster.users().collect::<Vec<_>>(),
        })
    });
    shown.collect()
}

/// The database users that a project really has, without passwords.
pub(crate) fn describe_users(project: &Project) -> Vec<Value> {
    let users = project.database_users.iter().filter(|user| user.exists());
    let shown = users.map(|user| {
        json!({
            "username": user.username, "roles": user.roles, "scopes": user.scopes,
            "labels": user.labels, "description": user.description,
            "delete_after": user.delete_after.map(text), "created_at": text(user.created_at),
        })
    });
    shown.collect()
}

fn project<'a>(world: &'a mut World, id: &str) -> Result<&'a mut Project, Refused> {
    let project = world.projects.get_mut(id);
    project.ok_or_else(|| Refused::missing("project", id))
}

/// A cluster by name, and what is to be changed of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClusterInput {
    project_id: String,
    name: String,
    #[serde(default)]
    paused: Option<bool>,
    #[serde(default)]
    reachable: Option<bool>,
    /// Whether it applies nothing from now on and says `PENDING`.
    #[serde(default)]
    stuck: Option<bool>,
}

impl ClusterInput {
    fn put(&self, cluster: &mut Cluster) {
        cluster.paused = self.paused.unwrap_or(cluster.paused);
        cluster.unreachable = self.reachable.map_or(cluster.unreachable, |is| !is);
        cluster.stuck = self.stuck.unwrap_or(cluster.stuck);
    }
}

pub(crate) async fn create_cluster(
    State(sim): State<Arc<Sim>>,
    Input(new): Input<ClusterInput>,
) -> Outcome {
    let now = sim.clock.now();
    let mut core = sim.caught_up(now);
    let project = project(&mut core.world, &new.project_id)?;
    if !is_cluster_name(&new.name) || project.clusters.contains_key(&new.name) {
        let text = format!("{} is in use, or not a name of a cluster", new.name);
        return Err(Refused::bad(text));
    }
    let mut cluster = Cluster::new(new.name.clone(), now);
    new.put(&mut cluster);
    let answer = json!({"id": cluster.id});
    project.add_cluster(cluster);
    Ok(Json(answer))
}

/// Pauses a cluster, takes it away from everybody, or has it apply nothing.
pub(crate) async fn change_cluster(
    State(sim): State<Arc<Sim>>,
    Input(change): Input<ClusterInput>,
) -> Result<StatusCode, Refused> {
    let mut core = sim.caught_up(sim.clock.now());
    let project = project(&mut core.world, &change.project_id)?;
    let cluster = project.clusters.get_mut(&change.name);
    change.put(cluster.ok_or_else(|| Refused::missing("cluster", &change.name))?);
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn delete_cluster(
    State(sim): State<Arc<Sim>>,
    Path((id, name)): Path<(String, String)>,
) -> Result<StatusCode, Refused> {
    let mut core = sim.caught_up(sim.clock.now());
    let removed = project(&mut core.world, &id)?.clusters.remove(&name);
    removed.ok_or_else(|| Refused::missing("cluster", &name))?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewUser {
    project_id: String,
    username: String,
    #[serde(default)]
    password: Option<String>,
    #[serde(default)]
    scopes: Vec<Scope>,
    #[serde(default)]
    labels: Option<Value>,
    #[serde(default)]
    description: Option<String>,
    /// Any moment, past ones too.
    #[serde(default)]
    delete_after: Option<DateTime<Utc>>,
}

/// A user as somebody in the user interface makes it, whatever limits there are; one of the same name
/// is replaced.
pub(crate) async fn create_user(
    State(sim): State<Arc<Sim>>,
    Input(new): Input<NewUser>,
) -> Outcome {
    let now = sim.clock.now();
    let core = &mut *sim.caught_up(now);
    let project = project(&mut core.world, &new.project_id)?;
    let user = DatabaseUser {
        username: new.username,
        password: new.password.unwrap_or_else(ids::azure_secret),
        roles: vec![json!({"roleName": "read", "databaseName": ADMIN})],
        scopes: new.scopes,
        labels: new.labels.unwrap_or_else(|| json!([])),
        description: new.description,
        delete_after: new.delete_after,
        created_at: now,
        deleted_at: None,
    };
    let answer = json!({"password": user.password});
    project.put_database_user(user, now, &core.settings);
    Ok(Json(answer))
}

pub(crate) async fn delete_user(
    State(sim): State<Arc<Sim>>,
    Path((id, username)): Path<(String, String)>,
) -> Result<StatusCode, Refused> {
    let now = sim.clock.now();
    let core = &mut *sim.caught_up(now);
    let project = project(&mut core.world, &id)?;
    if project.delete_database_user(&username, now, &core.settings) {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Refused::missing("database user", &username))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    project_id: String,
    cluster: String,
    username: String,
    password: String,
}

/// What the cluster itself says to a user that connects now.
pub(crate) async fn sign_in(State(sim): State<Arc<Sim>>, Input(given): Input<SignIn>) -> Outcome {
    let core = &mut *sim.caught_up(sim.clock.now());
    let project = project(&mut core.world, &given.project_id)?;
    let cluster = project.clusters.get(&given.cluster);
    let cluster = cluster.ok_or_else(|| Refused::missing("cluster", &given.cluster))?;
    let verdict = project.sign_in(cluster, &given.username, &given.password, &core.settings);
    Ok(Json(json!({
        "signs_in": verdict.is_ok(), "because": verdict.err(),
    })))
}
