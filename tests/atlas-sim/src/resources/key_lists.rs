//! Access lists of API keys.

use crate::core::Call;
use crate::errors::ApiError;
use crate::http::Answer;
use crate::operations::BASE;
use crate::resources::{api_keys, entries};
use crate::state::AccessEntry;
use crate::view;

pub(crate) fn list(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let id = api_keys::own_id(call)?;
    let page = call.page()?;
    let path = list_path(call, &id);
    let shown = entries_of(call, &id).iter().collect();
    Ok(page.cut(shown, call.target, |entry| {
        view::entry(entry, Some(&path), call.now, call.settings)
    }))
}

fn entries_of<'a>(call: &'a Call<'_>, id: &str) -> &'a [AccessEntry] {
    call.world
        .key(id)
        .map_or(&[][..], |key| &key.holder.access_list)
}

fn list_path(call: &Call<'_>, id: &str) -> String {
    format!("{BASE}/orgs/{}/apiKeys/{id}/accessList", call.org_id)
}

/// Adds entries and answers with the whole list.
pub(crate) fn add(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let body = call.take_body();
    let id = api_keys::own_id(call)?;
    call.page()?;
    let nets = entries::parse(&body, call.settings)?;
    let (added, outcome) = entries::add(call, entries_of(call, &id), nets);
    if let Some(key) = call.world.key_mut(&id) {
        key.holder.access_list.extend(added);
    }
    outcome?;
    list(call)
}

pub(crate) fn read(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let id = api_keys::own_id(call)?;
    let place = place(call, &id)?;
    let entry = &entries_of(call, &id)[place];
    let path = list_path(call, &id);
    Ok(Answer::ok(view::entry(
        entry,
        Some(&path),
        call.now,
        call.settings,
    )))
}

pub(crate) fn remove(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let id = api_keys::own_id(call)?;
    let place = place(call, &id)?;
    let own = entries::is_caller(call, &id);
    entries::check_removal(call, &entries_of(call, &id)[place], own)?;
    if let Some(key) = call.world.key_mut(&id) {
        key.holder.access_list.remove(place);
    }
    Ok(Answer::no_content())
}

fn place(call: &Call<'_>, id: &str) -> Result<usize, ApiError> {
    let name = call.param("ipAddress");
    entries::find(entries_of(call, id), name).ok_or_else(|| {
        let code = if call.settings.whitelist_codes {
            "API_KEY_WHITELIST_NOT_FOUND"
        } else {
            "API_KEY_ACCESS_LIST_ENTRY_NOT_FOUND"
        };
        let detail = format!("The address {name} is not in the access list.");
        ApiError::new(404, code, detail).with(name)
    })
}
