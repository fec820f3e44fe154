//! AI model API keys: of a project, and an organization's read-only view of all its projects'.

use serde_json::{Value, json};

use crate::body::{Fields, required};
use crate::core::Call;
use crate::dispatch::unknown_project;
use crate::errors::ApiError;
use crate::http::Answer;
use crate::settings::Settings;
use crate::state::{ModelKey, Project, deletable};
use crate::view::Shown;

fn show(key: &ModelKey, group_id: &str, shown: Shown, settings: &Settings) -> Value {
    let tail = key.secret.len().saturating_sub(4);
    let mut body = json!({
        "apiKeyId": key.id, "name": key.name, "status": "ACTIVE", "cloud": key.cloud,
        "geography": key.geography, "groupId": group_id, "endpoint": endpoint(&key.geography),
        "createdBy": key.created_by, "maskedSecret": format!("al-****{}", &key.secret[tail..]),
        // A blank instead of `T`, as in the description's example.
        "createdAt": key.created_at.format("%Y-%m-%d %H:%M:%S%.6f+00:00").to_string(),
    });
    if shown == Shown::Clear {
        body["secret"] = json!(key.secret);
    }
    // Nobody uses a key here.
    if settings.null_optionals {
        body["lastUsedAt"] = Value::Null;
    }
    body
}

/// Where the key is used. Source: Atlas documentation, "EU Model Inference Endpoints".
fn endpoint(geography: &str) -> String {
    match geography {
        "ANY" => "ai.mongodb.com".to_owned(),
        other => format!("{}.ai.mongodb.com", other.to_lowercase()),
    }
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
    let (page, target, now, settings) = (call.page()?, call.target, call.now, call.settings);
    let project = project(call)?;
    let keys = project.model_keys.values();
    let keys = keys.filter(|key| key.readable(now, settings)).collect();
    Ok(page.cut(keys, target, |key| {
        show(key, &project.id, Shown::Masked, settings)
    }))
}

pub(crate) fn list_of_org(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let keys = of_org(call).collect();
    Ok(call.page()?.cut(keys, call.target, |(project, key)| {
        show(key, project, Shown::Masked, call.settings)
    }))
}

/// What reads of the path's organization show, with the projects' ids.
fn of_org<'a>(call: &'a Call<'_>) -> impl Iterator<Item = (&'a str, &'a ModelKey)> {
    let org_id = call.param("orgId");
    let projects = call.world.projects.values();
    let projects = projects.filter(move |project| project.org_id == org_id);
    let keys = projects.flat_map(|project| {
        let keys = project.model_keys.values();
        keys.map(|key| (project.id.as_str(), key))
    });
    keys.filter(move |(_, key)| key.readable(call.now, call.settings))
}

pub(crate) fn create(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let body = call.take_body();
    let fields = Fields::new(&body, &["name", "cloud", "geography"])?;
    let name = name(fields)?;
    let (now, settings) = (call.now, call.settings);
    let cloud = one_of(fields, "cloud", &settings.model_key_clouds)?;
    let geography = one_of(fields, "geography", &settings.model_key_geographies)?;
    let key = ModelKey::new(name, cloud, geography, call.principal.id(), now);
    let project = project(call)?;
    let mut existing = project.model_keys.values().filter(|key| key.exists());
    let limit = settings.max_model_keys_per_project;
    if limit > 0 && existing.clone().count() >= limit {
        let detail = format!("The project cannot have more than {limit} AI model API keys.");
        return Err(ApiError::set(&settings.model_keys_exhausted, detail).with(limit));
    }
    if settings.model_key_names_unique && existing.any(|other| other.name == key.name) {
        return Err(ApiError::bad_field("name", "is in use already"));
    }
    let answer = show(&key, &project.id, Shown::Clear, settings);
    project.model_keys.insert(key.id.clone(), key);
    Ok(Answer::created(answer))
}

fn one_of<'a>(
    fields: Fields<'a>,
    field: &'static str,
    allowed: &[String],
) -> Result<&'a str, ApiError> {
    let value = required(fields.text(field)?, field)?;
    if allowed.iter().any(|allowed| allowed == value) {
        Ok(value)
    } else {
        let allowed = allowed.join(", ");
        Err(ApiError::bad_field(
            field,
            format!("must be one of {allowed}"),
        ))
    }
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

fn unknown(id: &str, settings: &Settings) -> ApiError {
    let detail = format!("Cannot find AI model API key {id}.");
    ApiError::set(&settings.unknown_model_key, detail).with(id)
}

pub(crate) fn read(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let id = call.param("apiKeyId").to_owned();
    let (now, settings) = (call.now, call.settings);
    let project = project(call)?;
    let key = project.model_keys.get(&id);
    let key = key.filter(|key| key.readable(now, settings));
    let key = key.ok_or_else(|| unknown(&id, settings))?;
    Ok(Answer::ok(show(key, &project.id, Shown::Masked, settings)))
}

pub(crate) fn read_of_org(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let id = call.param("apiKeyId");
    let found = of_org(call).find(|(_, key)| key.id == id);
    let (project, key) = found.ok_or_else(|| unknown(id, call.settings))?;
    Ok(Answer::ok(show(key, project, Shown::Masked, call.settings)))
}

pub(crate) fn update(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let body = call.take_body();
    let name = name(Fields::new(&body, &["name"])?)?;
    let id = call.param("apiKeyId").to_owned();
    let settings = call.settings;
    let project = project(call)?;
    let key = project.model_keys.get_mut(&id);
    let key = key.filter(|key| key.exists());
    let key = key.ok_or_else(|| unknown(&id, settings))?;
    key.name = name;
    Ok(Answer::ok(show(key, &project.id, Shown::Masked, settings)))
}

pub(crate) fn delete(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let (group, id) = (
        call.param("groupId").to_owned(),
        call.param("apiKeyId").to_owned(),
    );
    let (now, settings) = (call.now, call.settings);
    let key = project(call)?.model_keys.get(&id);
    let is_known = key.is_some_and(|key| deletable(key.created_at, now, settings));
    if is_known && call.world.delete_model_key(&group, &id, now, settings) {
        Ok(Answer::no_content())
    } else {
        Err(unknown(&id, settings))
    }
}
