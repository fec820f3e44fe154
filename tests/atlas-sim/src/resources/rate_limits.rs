//! The limits in force, as Atlas tells them.

use serde_json::{Value, json};

use crate::access::{self, Need};
use crate::core::Call;
use crate::endpoint_sets::{ENDPOINT_SETS, Endpoints, Scope};
use crate::errors::ApiError;
use crate::http::{Answer, bad_parameter};
use crate::ids;
use crate::operations::{BASE, OPERATIONS};
use crate::settings::Settings;

pub(crate) fn list(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let page = call.page()?;
    let scope = wanted_scope(call)?;
    let names: Vec<&str> = call.query.all("name").collect();
    let paths: Vec<&str> = call.query.all("endpointPath").collect();
    let sets = ENDPOINT_SETS.iter().filter(|set| {
        scope.is_none_or(|scope| set.scope == scope)
            && (names.is_empty() || names.contains(&set.name))
            && (paths.is_empty() || endpoint_paths(set).any(|path| paths.contains(&path.as_str())))
    });
    Ok(page.cut(sets.collect(), call.target, |set| show(set, call.settings)))
}

pub(crate) fn read(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let id = call.param("endpointSetId");
    let scope = wanted_scope(call)?;
    let set = ENDPOINT_SETS
        .iter()
        .find(|set| set.id == id && scope.is_none_or(|scope| set.scope == scope))
        .ok_or_else(|| ApiError::not_found("endpoint set", id))?;
    Ok(Answer::ok(show(set, call.settings)))
}

/// The scope that the filters ask for; the caller must have a part in what they name.
fn wanted_scope(call: &Call<'_>) -> Result<Option<Scope>, ApiError> {
    let denied = || access::role_missing(call.settings);
    let caller = call.caller();
    if let Some(id) = call.query.get("groupId") {
        if !ids::is_object_id(id) {
            return Err(bad_parameter("groupId"));
        }
        let own = call
            .world
            .projects
            .get(id)
            .is_some_and(|project| project.org_id == call.org_id);
        let may = own && access::meets(&caller, Need::ProjectReadOnly, Some(id), call.settings);
        return if may {
            Ok(Some(Scope::Project))
        } else {
            Err(denied())
        };
    }
    if let Some(id) = call.query.get("orgId") {
        if !ids::is_object_id(id) {
            return Err(bad_parameter("orgId"));
        }
        let may =
            id == call.org_id && access::meets(&caller, Need::OrgReadOnly, None, call.settings);
        return if may {
            Ok(Some(Scope::Org))
        } else {
            Err(denied())
        };
    }
    if let Some(id) = call.query.get("userId") {
        let public_key = call
            .world
            .keys
            .get(call.principal.id())
            .map(|key| key.public_key.as_str());
        let may = id == call.principal.id() || public_key == Some(id);
        return if may {
            Ok(Some(Scope::User))
        } else {
            Err(denied())
        };
    }
    Ok(None)
}

fn endpoint_paths(set: &'static Endpoints) -> impl Iterator<Item = String> {
    let operations = OPERATIONS.iter().filter(|operation| set.holds(operation));
    operations.map(|operation| format!("{BASE}{}", operation.path))
}

fn show(set: &'static Endpoints, settings: &Settings) -> Value {
    let operations = OPERATIONS.iter().filter(|operation| set.holds(operation));
    let endpoints = operations.map(|operation| {
        json!({"method": operation.method, "path": format!("{BASE}{}", operation.path)})
    });
    let (size, default) = (set.size(settings), set.default_size());
    let scope = match set.scope {
        Scope::Project => "GROUP",
        Scope::Org => "ORGANIZATION",
        Scope::User => "USER",
    };
    json!({
        "endpointSetId": set.id, "endpointSetName": set.name, "scope": scope,
        "capacity": {"value": size.capacity, "defaultValue": default.capacity},
        "refillRate": {"value": size.refill_rate, "defaultValue": default.refill_rate},
        "refillDurationSeconds":
            {"value": size.refill_seconds, "defaultValue": default.refill_seconds},
        "endpoints": endpoints.collect::<Vec<Value>>(),
    })
}
