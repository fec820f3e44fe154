//! AI model API keys of a project.

use serde_json::{Value, json};

use crate::body::{Fields, required};
use crate::core::Call;
use crate::dispatch::unknown_project;
use crate::errors::ApiError;
use crate::http::Answer;
use crate::ids;
use crate::state::{ModelKey, Project};
use crate::view::Shown;

fn show(key: &ModelKey, group_id: &str, shown: Shown) -> Value {
    let tail = key.secret.len().saturating_sub(4);
    let mut body = json!({
        "apiKeyId": key.id, "name": key.name, "status": "ACTIVE", "cloud": "ANY",
        "geography": "ANY", "groupId": group_id, "endpoint": "ai.mongodb.com",
        "createdBy": key.created_by, "maskedSecret": format!("al-****{}", &key.secret[tail..]),
        // A blank instead of `T`, as in the description's example.
        "createdAt": key.created_at.format("%Y-%m-%d %H:%M:%S%.6f+00:00").to_string(),
    });
    if shown == Shown::Clear {
        body["secret"] = json!(key.secret);
    }
    body
}

fn project<'a>(call: &'a mut Call<'_>) -> Result<&'a mut Project, ApiError> {
    let id = call.param("groupId").to_owned();
    let settings = call.settings;
    call.world
        .projects
        .get_mut(&id)
        .ok_or_else(|| unknown_project(&id, settings))
}

pub(crate) fn list(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let page = call.page()?;
    let target = call.target;
    let project = project(call)?;
    let keys = project.model_keys.values().collect();
    Ok(page.cut(keys, target, |key| show(key, &project.id, Shown::Masked)))
}

pub(crate) fn create(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let body = call.take_body();
    let fields = Fields::new(&body, &["name", "cloud", "geography"])?;
    let name = name(fields)?;
    for field in ["cloud", "geography"] {
        if required(fields.text(field)?, field)? != "ANY" {
            return Err(ApiError::bad_field(field, "must be ANY"));
        }
    }
    let key = ModelKey {
        id: ids::lower_case_id(),
        name,
        secret: format!("al-{}", ids::lower_case_id()),
        created_at: call.now,
        created_by: call.principal.id().to_owned(),
    };
    let unique = call.settings.model_key_names_unique;
    let project = project(call)?;
    let taken = project
        .model_keys
        .values()
        .any(|other| other.name == key.name);
    if unique && taken {
        return Err(ApiError::bad_field("name", "is in use already"));
    }
    let answer = show(&key, &project.id, Shown::Clear);
    project.model_keys.insert(key.id.clone(), key);
    Ok(Answer::created(answer))
}

fn name(fields: Fields<'_>) -> Result<String, ApiError> {
    let name = required(fields.text("name")?, "name")?;
    if (1..=250).contains(&name.chars().count()) {
        Ok(name.to_owned())
    } else {
        Err(ApiError::bad_field(
            "name",
            "length must be between 1 and 250",
        ))
    }
}

fn existing<'a>(project: &'a mut Project, id: &str) -> Result<&'a mut ModelKey, ApiError> {
    project
        .model_keys
        .get_mut(id)
        .ok_or_else(|| ApiError::not_found("AI model API key", id))
}

pub(crate) fn read(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let id = call.param("apiKeyId").to_owned();
    let project = project(call)?;
    let group_id = project.id.clone();
    Ok(Answer::ok(show(
        existing(project, &id)?,
        &group_id,
        Shown::Masked,
    )))
}

pub(crate) fn update(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let body = call.take_body();
    let name = name(Fields::new(&body, &["name"])?)?;
    let id = call.param("apiKeyId").to_owned();
    existing(project(call)?, &id)?.name = name;
    read(call)
}

pub(crate) fn delete(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let id = call.param("apiKeyId").to_owned();
    let project = project(call)?;
    existing(project, &id)?;
    project.model_keys.remove(&id);
    Ok(Answer::no_content())
}
