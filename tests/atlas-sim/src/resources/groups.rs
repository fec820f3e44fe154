//! Projects.

use serde_json::{Value, json};

use crate::access::role_missing;
use crate::body::{Fields, entity_name, required};
use crate::clock::text;
use crate::core::{Call, Principal};
use crate::dispatch::{unknown_org, unknown_project};
use crate::errors::ApiError;
use crate::http::{Answer, bad_parameter};
use crate::ids;
use crate::operations::BASE;
use crate::page::self_link;
use crate::seed;
use crate::state::Project;

fn show(project: &Project) -> Value {
    json!({
        "id": project.id, "orgId": project.org_id, "name": project.name,
        "clusterCount": project.clusters.len(), "created": text(project.created_at), "tags": project.tags,
        "withDefaultAlertsSettings": project.default_alerts,
        "links": [self_link(&format!("{BASE}/groups/{}", project.id))],
    })
}

/// The projects the caller can see.
pub(crate) fn list(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let page = call.page()?;
    let caller = call.caller();
    let sees_all = caller
        .org_roles
        .iter()
        .any(|role| role == "ORG_OWNER" || role == "ORG_READ_ONLY");
    let projects = call.world.projects.values();
    let seen = projects.filter(|project| {
        project.org_id == call.org_id
            && (sees_all || caller.project_roles.contains_key(&project.id))
    });
    Ok(page.cut(seen.collect(), call.target, show))
}

pub(crate) fn read(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let id = call.param("groupId");
    let project = call.world.projects.get(id);
    let project = project.ok_or_else(|| unknown_project(id, call.settings))?;
    Ok(Answer::ok(show(project)))
}

pub(crate) fn create(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    // `regionUsageRestrictions` is for the government cloud only and refused here.
    let body = call.take_body();
    let fields = Fields::new(
        &body,
        &["name", "orgId", "tags", "withDefaultAlertsSettings"],
    )?;
    let name = entity_name(required(fields.text("name")?, "name")?)?;
    let org_id = required(fields.text("orgId")?, "orgId")?;
    let tags = tags(fields)?.unwrap_or_else(|| json!([]));
    let alerts = fields.flag("withDefaultAlertsSettings")?.unwrap_or(true);
    if call
        .query
        .get("projectOwnerId")
        .is_some_and(|id| !ids::is_object_id(id))
    {
        return Err(bad_parameter("projectOwnerId"));
    }
    check_creator(call, org_id)?;
    check_room(call, org_id, &name)?;
    let mut project = seed::project(&ids::object_id(call.now), org_id, &name, call.now);
    project.tags = tags;
    project.default_alerts = alerts;
    own_project(call, &project.id);
    let mut answer = Answer::status(call.settings.create_group_status, show(&project));
    let location = format!("{BASE}/groups/{}", project.id);
    answer.headers.push(("Location", location));
    call.world.projects.insert(project.id.clone(), project);
    Ok(answer)
}

fn check_creator(call: &Call<'_>, org_id: &str) -> Result<(), ApiError> {
    if !call.world.orgs.contains_key(org_id) {
        return Err(unknown_org(org_id, call.settings));
    }
    let detail = "Current user is not authorized to perform this action.";
    if org_id != call.org_id {
        return Err(ApiError::set(&call.settings.foreign_org, detail));
    }
    let roles = call.caller().org_roles;
    let may = roles
        .iter()
        .any(|role| role == "ORG_OWNER" || role == "ORG_GROUP_CREATOR");
    if may {
        Ok(())
    } else {
        Err(role_missing(call.settings))
    }
}

fn check_room(call: &Call<'_>, org_id: &str, name: &str) -> Result<(), ApiError> {
    let projects = call.world.projects.values();
    let of_org: Vec<&Project> = projects
        .filter(|project| project.org_id == org_id)
        .collect();
    if of_org.iter().any(|project| project.name == name) {
        let detail = format!("A group with name {name} already exists.");
        return Err(ApiError::new(409, "GROUP_ALREADY_EXISTS", detail).with(name));
    }
    let limit = call.settings.max_projects_per_org;
    if of_org.len() < limit {
        return Ok(());
    }
    let detail = format!("The organization {org_id} cannot have more than {limit} projects.");
    Err(ApiError::new(400, "MAX_GROUPS_PER_ORG_EXCEEDED", detail)
        .with(limit)
        .with(org_id))
}

/// The creator owns its project, even if it does not own the organization.
fn own_project(call: &mut Call<'_>, project: &str) {
    let holder = match call.principal {
        Principal::Key(id) => call.world.key_mut(id).map(|key| &mut key.holder),
        Principal::Account { client_id, .. } => call
            .world
            .account_mut(client_id)
            .map(|account| &mut account.holder),
    };
    if let Some(holder) = holder {
        let roles = vec!["GROUP_OWNER".to_owned()];
        holder.project_roles.insert(project.to_owned(), roles);
    }
}

fn tags(fields: Fields<'_>) -> Result<Option<Value>, ApiError> {
    let Some(tags) = fields.value("tags") else {
        return Ok(None);
    };
    for tag in tags
        .as_array()
        .ok_or_else(|| ApiError::wrong_type("tags"))?
    {
        let tag = Fields::new(tag, &["key", "value"])?;
        for name in ["key", "value"] {
            let text = required(tag.text(name)?, name)?;
            if !(1..=255).contains(&text.chars().count()) {
                return Err(ApiError::bad_field(
                    name,
                    "length must be between 1 and 255",
                ));
            }
        }
    }
    Ok(Some(tags.clone()))
}

pub(crate) fn update(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let body = call.take_body();
    let fields = Fields::new(&body, &["name", "tags", "withDefaultAlertsSettings"])?;
    let name = fields.text("name")?.map(entity_name).transpose()?;
    let tags = tags(fields)?;
    let alerts = fields.flag("withDefaultAlertsSettings")?;
    let id = call.param("groupId").to_owned();
    if let Some(project) = call.world.projects.get_mut(&id) {
        project.name = name.unwrap_or_else(|| project.name.clone());
        project.tags = tags.unwrap_or_else(|| project.tags.clone());
        project.default_alerts = alerts.unwrap_or(project.default_alerts);
    }
    read(call)
}

pub(crate) fn delete(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let id = call.param("groupId").to_owned();
    let project = call.world.projects.get(&id);
    if project.is_some_and(|project| !project.clusters.is_empty()) {
        let detail =
            "Cannot close group while it has active clusters; please terminate all clusters.";
        let code = "CANNOT_CLOSE_GROUP_ACTIVE_ATLAS_CLUSTERS";
        return Err(ApiError::new(409, code, detail));
    }
    call.world.delete_project(&id);
    Ok(Answer::no_content())
}
