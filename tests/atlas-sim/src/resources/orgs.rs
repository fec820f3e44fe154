//! Organizations.

use serde_json::{Value, json};

use crate::access::role_missing;
use crate::body::{Fields, entity_name, required};
use crate::core::{Call, Principal};
use crate::dispatch::unknown_org;
use crate::errors::ApiError;
use crate::http::Answer;
use crate::ids;
use crate::operations::BASE;
use crate::page::self_link;
use crate::resources::{accounts, api_keys};
use crate::seed;
use crate::state::Org;
use crate::view::{self, Shown};

fn show(org: &Org) -> Value {
    json!({
        "id": org.id, "name": org.name, "isDeleted": false,
        "skipDefaultAlertsSettings": org.skip_default_alerts,
        "links": [self_link(&format!("{BASE}/orgs/{}", org.id))],
    })
}

/// The organizations the caller can see: its own.
pub(crate) fn list(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let page = call.page()?;
    let prefix = call.query.get("name").unwrap_or_default();
    let own = call.world.orgs.get(call.org_id);
    let shown = own.filter(|org| org.name.starts_with(prefix));
    Ok(page.cut(shown.into_iter().collect(), call.target, show))
}

pub(crate) fn read(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let id = call.param("orgId");
    let org = call
        .world
        .orgs
        .get(id)
        .ok_or_else(|| unknown_org(id, call.settings))?;
    Ok(Answer::ok(show(org)))
}

pub(crate) fn update(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let body = call.take_body();
    let fields = Fields::new(&body, &["name", "skipDefaultAlertsSettings"])?;
    let name = entity_name(required(fields.text("name")?, "name")?)?;
    let skip = fields.flag("skipDefaultAlertsSettings")?;
    let id = call.param("orgId").to_owned();
    if let Some(org) = call.world.orgs.get_mut(&id) {
        org.name = name;
        org.skip_default_alerts = skip.unwrap_or(org.skip_default_alerts);
    }
    read(call)
}

/// Deletes an organization without projects, with its keys and accounts.
pub(crate) fn delete(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let id = call.param("orgId").to_owned();
    if call
        .world
        .projects
        .values()
        .any(|project| project.org_id == id)
    {
        let detail = "Organizations with active projects cannot be removed.";
        return Err(ApiError::new(
            409,
            "CANNOT_CLOSE_ACCOUNT_ACTIVE_GROUPS",
            detail,
        ));
    }
    call.world.remove_org(&id);
    Ok(Answer::no_content())
}

/// Creates an organization, with its first key or its first account.
pub(crate) fn create(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    const FIELDS: [&str; 6] = [
        "name",
        "apiKey",
        "serviceAccount",
        "orgOwnerId",
        "federationSettingsId",
        "skipDefaultAlertsSettings",
    ];
    let body = call.take_body();
    let fields = Fields::new(&body, &FIELDS)?;
    if !call.caller_owns_org() {
        return Err(role_missing(call.settings));
    }
    let name = entity_name(required(fields.text("name")?, "name")?)?;
    if fields.has("apiKey") && fields.has("serviceAccount") {
        return Err(ApiError::bad_field(
            "serviceAccount",
            "cannot be given together with apiKey",
        ));
    }
    for id in ["orgOwnerId", "federationSettingsId"] {
        if fields
            .text(id)?
            .is_some_and(|text| !ids::is_object_id(text))
        {
            return Err(ApiError::bad_field(id, "is not a valid id"));
        }
    }
    if matches!(call.principal, Principal::Key(_)) {
        required(fields.text("orgOwnerId")?, "orgOwnerId")?;
    }
    let mut org = seed::org(&ids::object_id(call.now), &name);
    org.skip_default_alerts = fields.flag("skipDefaultAlertsSettings")?.unwrap_or(false);
    let key = fields
        .value("apiKey")
        .map(|body| api_keys::from_body(call, body, &org.id))
        .transpose()?;
    let account = fields
        .value("serviceAccount")
        .map(|body| accounts::from_body(call, body, &org.id))
        .transpose()?;
    let mut answer =
        json!({"organization": show(&org), "skipDefaultAlertsSettings": org.skip_default_alerts});
    for id in ["orgOwnerId", "federationSettingsId"] {
        if let Some(value) = fields.value(id) {
            answer[id] = value.clone();
        }
    }
    call.world.orgs.insert(org.id.clone(), org);
    if let Some(key) = key {
        answer["apiKey"] = view::key(&key, Shown::Clear, call.role_turn());
        call.world.add_key(key);
    }
    if let Some(account) = account {
        answer["serviceAccount"] = accounts::add(call, account);
    }
    Ok(Answer::created(answer))
}
