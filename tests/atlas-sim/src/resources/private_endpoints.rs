//! Private endpoints for encryption at rest; only Azure is served.

use serde_json::{Value, json};

use crate::body::{Fields, required};
use crate::core::Call;
use crate::dispatch::unknown_project;
use crate::errors::ApiError;
use crate::http::Answer;
use crate::ids;
use crate::private_endpoints::{PrivateEndpoint, Status};
use crate::state::Project;

/// The project, if the path names a provider that is served.
fn project<'a>(call: &'a mut Call<'_>) -> Result<&'a mut Project, ApiError> {
    match call.param("cloudProvider") {
        "AZURE" => {}
        // Known to Atlas, but no project here has one.
        "AWS" => {
            return Err(ApiError::bad_field(
                "cloudProvider",
                "only AZURE is served here",
            ));
        }
        _ => {
            let detail = "Invalid path parameter cloudProvider.";
            let error = ApiError::new(400, "INVALID_PATH_PARAMETER", detail);
            return Err(error.with("cloudProvider"));
        }
    }
    let id = call.param("groupId").to_owned();
    let settings = call.settings;
    call.world
        .projects
        .get_mut(&id)
        .ok_or_else(|| unknown_project(&id, settings))
}

fn show(endpoint: &PrivateEndpoint, status: Status) -> Value {
    let mut body = json!({
        "id": endpoint.id, "cloudProvider": "AZURE", "regionName": endpoint.region,
        "status": status,
    });
    match status {
        Status::Initiating => {}
        Status::Failed => body["errorMessage"] = json!("The private endpoint could not be made."),
        _ => body["privateEndpointConnectionName"] = json!(format!("pe-{}", endpoint.id)),
    }
    body
}

pub(crate) fn list(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let page = call.page()?;
    let (target, now, lag) = (
        call.target,
        call.now,
        call.settings.private_endpoint_seconds,
    );
    let endpoints = project(call)?.private_endpoints.values().collect();
    Ok(page.cut(endpoints, target, |endpoint: &PrivateEndpoint| {
        show(endpoint, endpoint.status(now, lag))
    }))
}

pub(crate) fn read(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let id = call.param("endpointId").to_owned();
    let (now, lag) = (call.now, call.settings.private_endpoint_seconds);
    let endpoint = project(call)?.private_endpoints.get(&id);
    let endpoint = endpoint.ok_or_else(|| ApiError::not_found("private endpoint", &id))?;
    Ok(Answer::ok(show(endpoint, endpoint.status(now, lag))))
}

pub(crate) fn create(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let body = call.take_body();
    let fields = Fields::new(&body, &["regionName"])?;
    let region = required(fields.text("regionName")?, "regionName")?.to_owned();
    let (now, settings) = (call.now, call.settings);
    let project = project(call)?;
    if !project.encryption.is_private() {
        let description = "encryption at rest does not require private networking";
        return Err(ApiError::bad_field("requirePrivateNetworking", description));
    }
    let mut present = project.private_endpoints.values();
    if present.any(|endpoint| endpoint.region == region) {
        let detail = format!("There is a private endpoint in {region} already.");
        return Err(ApiError::set(&settings.private_endpoint_again, detail).with(region));
    }
    let endpoint = PrivateEndpoint {
        id: ids::object_id(now),
        region,
        created_at: now,
        approved_at: None,
        deleted_at: None,
        trouble: None,
    };
    let answer = show(
        &endpoint,
        endpoint.status(now, settings.private_endpoint_seconds),
    );
    project
        .private_endpoints
        .insert(endpoint.id.clone(), endpoint);
    Ok(Answer::status(202, answer))
}

pub(crate) fn delete(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let id = call.param("endpointId").to_owned();
    let now = call.now;
    let endpoint = project(call)?.private_endpoints.get_mut(&id);
    let endpoint = endpoint.ok_or_else(|| ApiError::not_found("private endpoint", &id))?;
    endpoint.deleted_at.get_or_insert(now);
    Ok(Answer::no_content())
}
