//! API keys of an organization.

use serde_json::Value;

use crate::body::{Fields, key_description};
use crate::core::{Call, Principal};
use crate::errors::ApiError;
use crate::http::Answer;
use crate::ids;
use crate::roles::{Level, none_given};
use crate::settings::Verdict;
use crate::state::{ApiKey, Holder};
use crate::view::{self, Shown};

pub(crate) fn list(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let org_id = call.param("orgId");
    let keys = call.world.keys.values();
    let shown = keys
        .filter(|key| key.holder.org_id == org_id && key.holder.readable(call.now, call.settings));
    let turn = call.role_turn();
    let page = call.page()?;
    Ok(page.cut(shown.collect(), call.target, |key| {
        view::key(key, Shown::Masked, turn)
    }))
}

pub(crate) fn create(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let body = call.take_body();
    let org_id = call.param("orgId").to_owned();
    let key = from_body(call, &body, &org_id)?;
    check_room(call, &org_id)?;
    let answer = view::key(&key, Shown::Clear, call.role_turn());
    call.world.add_key(key);
    Ok(Answer::ok(answer))
}

/// A key as a body with `desc` and organization roles describes it.
pub(super) fn from_body(call: &Call<'_>, body: &Value, org_id: &str) -> Result<ApiKey, ApiError> {
    let fields = Fields::new(body, &["desc", "roles"])?;
    let description = key_description(fields.text("desc")?)?;
    let wanted = fields.texts("roles")?.filter(|roles| !roles.is_empty());
    let roles = call.roles(&wanted.ok_or_else(none_given)?, Level::Org)?;
    let mut key = new(call, org_id, description);
    key.holder.org_roles = roles;
    Ok(key)
}

/// A new key without roles.
pub(super) fn new(call: &Call<'_>, org_id: &str, description: String) -> ApiKey {
    let mut public_key = ids::public_key();
    while call.world.public_keys.contains_key(&public_key) {
        public_key = ids::public_key();
    }
    ApiKey {
        id: ids::object_id(call.now),
        public_key,
        private_key: ids::private_key(),
        description,
        holder: Holder::new(org_id, call.now),
    }
}

/// Refuses the key beyond the organization's limit.
pub(super) fn check_room(call: &Call<'_>, org_id: &str) -> Result<(), ApiError> {
    let limit = call.settings.max_api_keys_per_org;
    // Counting is for the rare case: fewer keys in all is fewer in the organization.
    if call.world.keys.len() < limit || call.world.count_keys(org_id) < limit {
        return Ok(());
    }
    let detail = format!("The organization {org_id} cannot have more than {limit} API keys.");
    Err(ApiError::set(&call.settings.api_keys_exhausted, detail)
        .with(limit)
        .with(org_id))
}

pub(crate) fn read(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let id = call.param("apiUserId");
    let org_id = call.param("orgId");
    let key =
        call.world.keys.get(id).filter(|key| {
            key.holder.org_id == org_id && key.holder.readable(call.now, call.settings)
        });
    let key = key.ok_or_else(|| unknown(call, id))?;
    Ok(Answer::ok(view::key(key, Shown::Masked, call.role_turn())))
}

pub(crate) fn update(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let body = call.take_body();
    let id = own_id(call)?;
    let fields = Fields::new(&body, &["desc", "roles"])?;
    if fields.is_empty() {
        return Err(ApiError::missing_field("desc"));
    }
    let description = match fields.text("desc")? {
        Some(text) => Some(key_description(Some(text))?),
        None => None,
    };
    let roles = match fields.texts("roles")? {
        Some(roles) if roles.is_empty() => return Err(none_given()),
        Some(roles) => Some(call.roles(&roles, Level::Org)?),
        None => None,
    };
    let turn = call.role_turn();
    let missing = unknown(call, &id);
    let key = call.world.key_mut(&id).ok_or(missing)?;
    if let Some(description) = description {
        key.description = description;
    }
    if let Some(roles) = roles {
        key.holder.org_roles = roles;
    }
    Ok(Answer::ok(view::key(key, Shown::Masked, turn)))
}

pub(crate) fn delete(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let id = own_id(call)?;
    if call.settings.delete_self == Verdict::Refuse && *call.principal == Principal::Key(id.clone())
    {
        return Err(ApiError::new(
            400,
            "BAD_REQUEST",
            "An API key cannot delete itself.",
        ));
    }
    call.world.delete_key(&id, call.now, call.settings);
    Ok(Answer::no_content())
}

/// Id of the path's key, which exists in the path's organization.
pub(super) fn own_id(call: &Call<'_>) -> Result<String, ApiError> {
    let id = call.param("apiUserId");
    let org_id = call.param("orgId");
    match call.world.key(id) {
        Some(key) if key.holder.org_id == org_id => Ok(id.to_owned()),
        _ => Err(unknown(call, id)),
    }
}

fn unknown(call: &Call<'_>, id: &str) -> ApiError {
    let detail = format!("No API key with ID {id} exists.");
    ApiError::set(&call.settings.unknown_api_key_in_org, detail).with(id)
}
