//! The control port: state, log, faults, settings, clock. JSON, without sign-in, loopback only.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Query, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, extract};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::clock::text;
use crate::control_az;
use crate::control_azure as azure;
use crate::control_database as database;
use crate::control_encryption as encryption;
use crate::control_model_keys as model_keys;
use crate::control_objects as objects;
use crate::faults::Fault;
use crate::log::redact;
use crate::server::Sim;
use crate::settings::Settings;
use crate::world::World;

/// A refused control request, told in words.
#[derive(Debug)]
pub(crate) struct Refused(pub(crate) StatusCode, pub(crate) String);

impl Refused {
    pub(crate) fn bad(text: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, text.into())
    }

    pub(crate) fn missing(what: &str, id: &str) -> Self {
        Self(StatusCode::NOT_FOUND, format!("there is no {what} {id}"))
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"error": self.1}))).into_response()
    }
}

/// Outcome of a control request.
pub(crate) type Outcome = Result<Json<Value>, Refused>;

/// A JSON body whose faults are told in words.
pub(crate) struct Input<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Input<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        let body: Result<Json<T>, JsonRejection> = Json::from_request(request, state).await;
        body.map(|Json(value)| Self(value))
            .map_err(|rejection| Refused::bad(rejection.body_text()))
    }
}

/// The control interface; see the README for each shape.
pub(crate) fn router(sim: Arc<Sim>) -> Router {
    Router::new()
        .route("/state", get(state))
        .route("/world", get(world).put(put_world))
        .route("/seed", get(seed))
        .route("/requests", get(requests).delete(forget_requests))
        .route("/faults", get(faults).post(add_fault).delete(clear_faults))
        .route("/settings", get(settings).post(change_settings))
        .route("/clock", get(clock).post(turn_clock))
        .route("/reset", post(reset))
        .route("/orgs", post(objects::create_org))
        .route("/orgs/{id}", delete(objects::delete_org))
        .route("/projects", post(objects::create_project))
        .route("/projects/{id}", delete(objects::delete_project))
        .route("/keys", post(objects::create_key))
        .route("/keys/{id}", delete(objects::delete_key))
        .route("/accounts", post(objects::create_account))
        .route("/accounts/{id}", delete(objects::delete_account))
        .route("/secrets", post(objects::create_secret))
        .route("/secrets/{id}", delete(objects::delete_secret))
        .route("/tokens/{client_id}", delete(objects::delete_tokens))
        .route("/access-lists", post(objects::set_access_list))
        .route("/model-keys", post(model_keys::create))
        .route("/model-keys/{id}", delete(model_keys::remove))
        .route("/clusters", post(database::create_cluster))
        .route("/clusters/change", post(database::change_cluster))
        .route(
            "/clusters/{project}/{name}",
            delete(database::delete_cluster),
        )
        .route("/database-users", post(database::create_user))
        .route(
            "/database-users/{project}/{username}",
            delete(database::delete_user),
        )
        .route("/sign-in", post(database::sign_in))
        .route("/azure", get(azure::read))
        .route("/azure/tenants", post(azure::create_tenant))
        .route("/azure/principals", post(azure::create_principal))
        .route(
            "/azure/principals/{tenant_id}/{id}",
            delete(azure::delete_principal),
        )
        .route("/azure/secrets", post(azure::create_secret))
        .route("/azure/secrets/{id}", delete(azure::delete_secret))
        .route("/azure/secrets/{id}/expire", post(azure::expire_secret))
        .route("/azure/vaults", post(azure::create_vault))
        .route("/azure/vaults/{name}", post(azure::change_vault))
        .route("/azure/keys", post(azure::create_key))
        .route("/azure/keys/change", post(azure::change_key))
        .route("/azure/grants", post(azure::grant))
        .route("/azure/grants/revoke", post(azure::revoke))
        .route("/azure/az", post(control_az::run))
        .route("/encryption", post(encryption::set))
        .route("/encryption/holds", post(encryption::holds))
        .route("/private-endpoints", post(encryption::endpoint))
        .with_state(sim)
}

async fn state(State(sim): State<Arc<Sim>>) -> Json<Value> {
    let now = sim.clock.now();
    let core = sim.caught_up(now);
    Json(objects::describe(&core.world, &core.settings, now))
}

/// Everything with every secret in clear: what [`put_world`] takes.
async fn world(State(sim): State<Arc<Sim>>) -> Json<Value> {
    Json(json!(sim.lock().world))
}

async fn put_world(State(sim): State<Arc<Sim>>, Input(world): Input<World>) -> StatusCode {
    sim.lock().world = world;
    StatusCode::NO_CONTENT
}

async fn seed(State(sim): State<Arc<Sim>>) -> Json<Value> {
    Json(json!(sim.seed))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Since {
    #[serde(default)]
    since: u64,
}

async fn requests(State(sim): State<Arc<Sim>>, Query(query): Query<Since>) -> Json<Value> {
    Json(sim.lock().log.describe(query.since))
}

async fn forget_requests(State(sim): State<Arc<Sim>>) -> StatusCode {
    sim.lock().log.clear();
    StatusCode::NO_CONTENT
}

async fn faults(State(sim): State<Arc<Sim>>) -> Json<Value> {
    let mut faults = sim.lock().faults.describe();
    redact(&mut faults);
    Json(faults)
}

async fn add_fault(State(sim): State<Arc<Sim>>, Input(fault): Input<Fault>) -> Outcome {
    let id = sim.lock().faults.add(fault).map_err(Refused::bad)?;
    Ok(Json(json!({"id": id})))
}

async fn clear_faults(State(sim): State<Arc<Sim>>) -> StatusCode {
    sim.lock().faults.clear();
    StatusCode::NO_CONTENT
}

async fn settings(State(sim): State<Arc<Sim>>) -> Json<Value> {
    Json(json!(sim.lock().settings))
}

async fn change_settings(
    State(sim): State<Arc<Sim>>,
    Input(changes): Input<serde_json::Map<String, Value>>,
) -> Outcome {
    let mut core = sim.lock();
    let mut merged = json!(core.settings);
    for (name, value) in changes {
        merged[name] = value;
    }
    let settings: Settings =
        serde_json::from_value(merged).map_err(|error| Refused::bad(error.to_string()))?;
    let buckets_changed = settings.buckets != core.settings.buckets;
    core.settings = settings;
    if buckets_changed {
        core.limits.reset();
    }
    Ok(Json(json!(core.settings)))
}

async fn clock(State(sim): State<Arc<Sim>>) -> Json<Value> {
    Json(json!({"now": text(sim.clock.now()), "offset_millis": sim.clock.offset_millis()}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Turn {
    advance_seconds: f64,
}

async fn turn_clock(State(sim): State<Arc<Sim>>, Input(turn): Input<Turn>) -> Outcome {
    let duration = std::time::Duration::try_from_secs_f64(turn.advance_seconds)
        .map_err(|error| Refused::bad(format!("advance_seconds: {error}")))?;
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    sim.clock.advance(millis);
    Ok(clock(extract::State(sim)).await)
}

async fn reset(State(sim): State<Arc<Sim>>) -> Json<Value> {
    sim.reset();
    Json(json!(sim.seed))
}
