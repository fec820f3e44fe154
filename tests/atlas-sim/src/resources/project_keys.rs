//! API keys as a project sees them: made there, assigned, unassigned.

use serde_json::Value;

use crate::body::{Fields, key_description};
use crate::core::Call;
use crate::errors::ApiError;
use crate::http::Answer;
use crate::resources::api_keys;
use crate::roles::{Level, none_given};
use crate::settings::{Again, Verdict};
use crate::view::{self, Shown};

pub(crate) fn list(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let project = call.param("groupId");
    let keys = call.world.keys.values();
    let shown = keys.filter(|key| {
        key.holder.project_roles.contains_key(project)
            && key.holder.readable(call.now, call.settings)
    });
    let turn = call.role_turn();
    let page = call.page()?;
    Ok(page.cut(shown.collect(), call.target, |key| {
        view::key(key, Shown::Masked, turn)
    }))
}

/// Makes a key in the parent organization, as a member, and gives it the project's roles.
pub(crate) fn create(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let body = call.take_body();
    let project = call.param("groupId").to_owned();
    let org_id = call.org_id.to_owned();
    let fields = Fields::new(&body, &["desc", "roles"])?;
    let description = key_description(fields.text("desc")?)?;
    let roles = wanted_roles(call, &project, fields)?.ok_or_else(none_given)?;
    api_keys::check_room(call, &org_id)?;
    let mut key = api_keys::new(call, &org_id, description);
    key.holder.org_roles = vec!["ORG_MEMBER".to_owned()];
    key.holder.project_roles.insert(project.clone(), roles);
    key.holder.home_project = Some(project);
    let answer = view::key(&key, Shown::Clear, call.role_turn());
    call.world.add_key(key);
    Ok(Answer::ok(answer))
}

fn wanted_roles(
    call: &Call<'_>,
    project: &str,
    fields: Fields<'_>,
) -> Result<Option<Vec<String>>, ApiError> {
    match fields.texts("roles")? {
        None => Ok(None),
        Some(roles) if roles.is_empty() => Err(none_given()),
        Some(roles) => call.roles(&roles, Level::Project(project)).map(Some),
    }
}

pub(crate) fn assign(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let body = call.take_body();
    let id = own_id(call, true)?;
    let project = call.param("groupId").to_owned();
    let roles = assigned_roles(call, &project, &body)?;
    let refusal = ApiError::set(
        &call.settings.assign_again_refusal,
        "The key is assigned already.",
    );
    let again = call.settings.assign_again;
    if let Some(key) = call.world.key_mut(&id) {
        let held = &mut key.holder.project_roles;
        match (held.get_mut(&project), again) {
            (Some(_), Again::Refuse) => return Err(refusal),
            (Some(held), Again::Merge) => {
                for role in roles {
                    if !held.contains(&role) {
                        held.push(role);
                    }
                }
            }
            _ => {
                held.insert(project, roles);
            }
        }
    }
    Ok(Answer::no_content())
}

/// Roles of the body, an array of `{"roles": [...]}`.
fn assigned_roles(call: &Call<'_>, project: &str, body: &Value) -> Result<Vec<String>, ApiError> {
    let elements = body
        .as_array()
        .ok_or_else(|| ApiError::new(400, "INVALID_JSON", "Received JSON is not an array."))?;
    if elements.len() > 1 && call.settings.assign_further_elements == Verdict::Refuse {
        return Err(ApiError::new(
            400,
            "BAD_REQUEST",
            "Only one assignment can be given.",
        ));
    }
    let mut roles = Vec::new();
    for element in elements {
        let fields = Fields::new(element, &["roles"])?;
        roles.extend(wanted_roles(call, project, fields)?.ok_or_else(none_given)?);
    }
    if roles.is_empty() {
        Err(none_given())
    } else {
        Ok(roles)
    }
}

pub(crate) fn update(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let body = call.take_body();
    let id = own_id(call, call.settings.patch_assigns_key)?;
    let project = call.param("groupId").to_owned();
    let fields = Fields::new(&body, &["desc", "roles"])?;
    if fields.is_empty() {
        return Err(ApiError::missing_field("roles"));
    }
    let description = match fields.text("desc")? {
        Some(text) => Some(key_description(Some(text))?),
        None => None,
    };
    let roles = wanted_roles(call, &project, fields)?;
    let turn = call.role_turn();
    let missing = unknown(call, &id);
    let key = call.world.key_mut(&id).ok_or(missing)?;
    if let Some(description) = description {
        key.description = description;
    }
    if let Some(roles) = roles {
        key.holder.project_roles.insert(project, roles);
    }
    Ok(Answer::ok(view::key(key, Shown::Masked, turn)))
}

/// Takes the key out of the project; it stays in the organization.
pub(crate) fn unassign(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let id = own_id(call, false)?;
    let project = call.param("groupId").to_owned();
    if let Some(key) = call.world.key_mut(&id) {
        key.holder.project_roles.remove(&project);
    }
    Ok(Answer::no_content())
}

/// Id of the path's key: one of the organization, and unless `unassigned` will do, of the project.
fn own_id(call: &Call<'_>, unassigned: bool) -> Result<String, ApiError> {
    let id = call.param("apiUserId");
    let key = call.world.key(id).ok_or_else(|| unknown(call, id))?;
    if key.holder.org_id != call.org_id {
        return Err(if unassigned {
            let detail = "An API key can only belong to one organization.";
            ApiError::set(&call.settings.assign_foreign_key, detail).with(id)
        } else {
            unknown(call, id)
        });
    }
    if unassigned || key.holder.project_roles.contains_key(call.param("groupId")) {
        Ok(id.to_owned())
    } else {
        Err(unknown(call, id))
    }
}

fn unknown(call: &Call<'_>, id: &str) -> ApiError {
    let detail = format!("No API key with ID {id} exists.");
    ApiError::set(&call.settings.unknown_api_key_in_group, detail).with(id)
}
