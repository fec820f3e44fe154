//! One request from sign-in to answer, without waiting: who asks, from where, which version, how
//! often, with which role, and only then what for.

use std::net::IpAddr;

use axum::http::HeaderName;
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::access::{self, Need};
use crate::auth;
use crate::core::{Call, Core, Principal};
use crate::endpoint_sets::{ENDPOINT_SETS, Scope};
use crate::errors::ApiError;
use crate::finish::{Style, finish, finish_error};
use crate::http::{Answer, Incoming, Query, Reply, bad_parameter};
use crate::ids;
use crate::limits::Level;
use crate::operations::{self, Operation, Params, Route};
use crate::settings::{MalformedId, Settings, Verdict};
use crate::versions::{self, Version};

/// Names of query parameters that some operation has.
const QUERY_NAMES: [&str; 14] = [
    "envelope",
    "pretty",
    "pageNum",
    "itemsPerPage",
    "includeCount",
    "includeSystemManaged",
    "name",
    "projectOwnerId",
    "groupId",
    "orgId",
    "userId",
    "ipAddress",
    "endpointPath",
    "includeDeletedWithRetainedBackups",
];

/// An answer and who asked.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) reply: Reply,
    /// Id of the key or account, once signed in.
    pub(crate) principal: Option<String>,
}

/// Answers one request.
pub(crate) fn answer(core: &mut Core, incoming: &Incoming, now: DateTime<Utc>) -> Outcome {
    core.world.catch_up(&core.settings, now);
    let style = Style::of(&core.settings);
    let address = caller_address(incoming, &core.settings);
    if auth::token_operation(incoming.path()).is_some() {
        let (mut reply, principal) = auth::token_endpoint(core, incoming, address, now);
        reply.header("Server", "mdbws");
        return Outcome { reply, principal };
    }
    let principal = match auth::authenticate(core, incoming, now) {
        Ok(principal) => principal,
        Err(error) => {
            return Outcome {
                reply: finish_error(&error, None, incoming),
                principal: None,
            };
        }
    };
    core.turn = core.turn.wrapping_add(1);
    let mut level = None;
    let reply = match route(core, incoming, &principal, address, now, &mut level) {
        Ok((answer, operation, version)) => {
            finish(answer, operation, version, level, incoming, &style)
        }
        Err(error) => finish_error(&error, level, incoming),
    };
    Outcome {
        reply,
        principal: Some(principal.id().to_owned()),
    }
}

fn caller_address(incoming: &Incoming, settings: &Settings) -> IpAddr {
    let by_header = settings
        .caller_address_header
        .as_deref()
        .and_then(|name| HeaderName::from_bytes(name.as_bytes()).ok())
        .and_then(|name| incoming.headers.get(name))
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.trim().parse().ok());
    by_header
        .or(settings.caller_address)
        .unwrap_or(incoming.socket)
}

type Routed = (Answer, &'static Operation, Version);

fn route(
    core: &mut Core,
    incoming: &Incoming,
    principal: &Principal,
    address: IpAddr,
    now: DateTime<Utc>,
    level: &mut Option<Level>,
) -> Result<Routed, ApiError> {
    let path = incoming.path();
    let (operation, params) = match operations::find(incoming.method.as_str(), path) {
        Route::Operation(operation, params) => (operation, params),
        Route::OtherMethod => {
            return Err(ApiError::new(
                405,
                "METHOD_NOT_ALLOWED",
                "Method not allowed.",
            ));
        }
        Route::Unknown => return Err(ApiError::not_found("resource", path)),
    };
    core.world.sweep(now, &core.settings);
    let org_id = check_caller(core, principal, address, now)?;
    let version = check_version(incoming, operation, &core.settings)?;
    check_ids(&params, &core.settings)?;
    let project = find_parents(core, &params)?;
    *level = draw(core, operation, &params, principal, path, now)?;
    authorize(
        core,
        operation,
        &params,
        project.as_deref(),
        principal,
        &org_id,
    )?;
    let query = incoming.query();
    check_query(&query, &core.settings)?;
    let mut call = Call {
        world: &mut core.world,
        settings: &core.settings,
        now,
        principal,
        org_id: &org_id,
        address,
        params: &params,
        query: &query,
        body: read_body(incoming, operation, &core.settings)?,
        target: &incoming.target,
        turn: core.turn,
    };
    Ok(((operation.run)(&mut call)?, operation, version))
}

/// Checks the caller's address and gives its organization.
fn check_caller(
    core: &mut Core,
    principal: &Principal,
    address: IpAddr,
    now: DateTime<Utc>,
) -> Result<String, ApiError> {
    let world = &mut core.world;
    let holder = match principal {
        Principal::Key(id) => world.keys.get_mut(id).map(|key| &mut key.holder),
        Principal::Account { client_id, .. } => world
            .accounts
            .get_mut(client_id)
            .map(|account| &mut account.holder),
    };
    let holder = holder.ok_or_else(ApiError::unauthorized)?;
    let org = world
        .orgs
        .get(&holder.org_id)
        .ok_or_else(ApiError::unauthorized)?;
    access::check_address(holder, org, address, now, &core.settings)?;
    Ok(org.id.clone())
}

fn check_version(
    incoming: &Incoming,
    operation: &Operation,
    settings: &Settings,
) -> Result<Version, ApiError> {
    let version = versions::negotiate(incoming, operation.version, settings)?;
    if settings.gone_operations.iter().any(|id| id == operation.id) {
        let error = ApiError::new(410, "VERSION_GONE", "This version of the resource is gone.");
        return Err(error.with(version).with(incoming.path()));
    }
    Ok(version)
}

fn check_ids(params: &Params, settings: &Settings) -> Result<(), ApiError> {
    for (name, value) in params {
        let right = match *name {
            "orgId" | "groupId" | "apiUserId" | "roleId" | "endpointId" => ids::is_object_id(value),
            "clientId" => ids::is_client_id(value),
            _ => true,
        };
        if right {
            continue;
        }
        return Err(match (settings.malformed_id, *name) {
            (MalformedId::NotFound, "orgId") => ApiError::new(
                404,
                "INVALID_ORG_ID",
                "An invalid organization ID was specified.",
            )
            .with(value.as_str()),
            (MalformedId::NotFound, "groupId") => ApiError::new(
                404,
                "INVALID_GROUP_ID",
                "An invalid group ID was specified.",
            )
            .with(value.as_str()),
            (MalformedId::NotFound, _) => ApiError::not_found(name, value),
            (MalformedId::BadRequest, _) => {
                let detail = format!("Invalid path parameter {name}.");
                ApiError::new(400, "INVALID_PATH_PARAMETER", detail).with(*name)
            }
        });
    }
    Ok(())
}

/// Looks for the organization and project of the path; gives the project's organization.
fn find_parents(core: &Core, params: &Params) -> Result<Option<String>, ApiError> {
    let param = |wanted: &str| params.iter().find(|(name, _)| *name == wanted);
    let settings = &core.settings;
    if let Some((_, id)) = param("orgId")
        && !core.world.orgs.contains_key(id)
    {
        return Err(unknown_org(id, settings));
    }
    match param("groupId") {
        None => Ok(None),
        Some((_, id)) => match core.world.projects.get(id) {
            Some(project) => Ok(Some(project.org_id.clone())),
            None => Err(unknown_project(id, settings)),
        },
    }
}

/// 404 for an organization.
pub(crate) fn unknown_org(id: &str, settings: &Settings) -> ApiError {
    let detail = format!("No organization with ID {id} exists.");
    ApiError::new(404, settings.unknown_org_code.clone(), detail).with(id)
}

/// 404 for a project.
pub(crate) fn unknown_project(id: &str, settings: &Settings) -> ApiError {
    let detail = format!("No group with ID {id} exists.");
    ApiError::new(404, settings.unknown_group_code.clone(), detail).with(id)
}

fn draw(
    core: &mut Core,
    operation: &Operation,
    params: &Params,
    principal: &Principal,
    path: &str,
    now: DateTime<Utc>,
) -> Result<Option<Level>, ApiError> {
    if !core.settings.rate_limits {
        return Ok(None);
    }
    let Some(set) = ENDPOINT_SETS.iter().find(|set| set.holds(operation)) else {
        return Ok(None);
    };
    let wanted = match set.scope {
        Scope::Project => "groupId",
        Scope::Org => "orgId",
        Scope::User => "",
    };
    let owner = params
        .iter()
        .find(|(name, _)| *name == wanted)
        .map_or(principal.id(), |(_, id)| id);
    let level = core.limits.take(set, owner, path, now, &core.settings)?;
    Ok(core.settings.rate_limit_headers.then_some(level))
}

fn authorize(
    core: &Core,
    operation: &Operation,
    params: &Params,
    project_org: Option<&str>,
    principal: &Principal,
    own_org: &str,
) -> Result<(), ApiError> {
    let settings = &core.settings;
    let param = |wanted: &str| {
        let found = params.iter().find(|(name, _)| *name == wanted);
        found.map(|(_, id)| id.as_str())
    };
    let detail = "Current user is not authorized to perform this action.";
    if param("orgId").is_some_and(|id| id != own_org) {
        return Err(ApiError::set(&settings.foreign_org, detail));
    }
    if project_org.is_some_and(|id| id != own_org) {
        return Err(ApiError::set(&settings.foreign_project, detail));
    }
    let holder = match principal {
        Principal::Key(id) => core.world.keys.get(id).map(|key| &key.holder),
        Principal::Account { client_id, .. } => core
            .world
            .accounts
            .get(client_id)
            .map(|account| &account.holder),
    };
    let may = holder
        .is_some_and(|holder| access::meets(holder, operation.need, param("groupId"), settings));
    if may || operation.need == Need::Nothing {
        Ok(())
    } else {
        Err(access::role_missing(settings))
    }
}

fn check_query(query: &Query, settings: &Settings) -> Result<(), ApiError> {
    query.flag("envelope", false)?;
    query.flag("pretty", false)?;
    let unknown = query.names().find(|name| !QUERY_NAMES.contains(name));
    match unknown {
        Some(name) if settings.unknown_query_parameter == Verdict::Refuse => {
            Err(bad_parameter(name))
        }
        _ => Ok(()),
    }
}

fn read_body(
    incoming: &Incoming,
    operation: &Operation,
    settings: &Settings,
) -> Result<Value, ApiError> {
    if !operation.has_body() {
        return Ok(Value::Null);
    }
    versions::check_content_type(incoming, settings)?;
    serde_json::from_slice(&incoming.body)
        .map_err(|_| ApiError::new(400, "MALFORMED_JSON", "Received JSON is malformed."))
}
