//! Access lists of service accounts; organization and project calls edit the same one.

use crate::core::Call;
use crate::errors::ApiError;
use crate::http::Answer;
use crate::resources::{accounts, entries};
use crate::settings::CallerAddress;
use crate::state::AccessEntry;
use crate::view;

pub(crate) fn list(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let id = accounts::own_id(call)?;
    let page = call.page()?;
    let shown = entries_of(call, &id).iter().collect();
    Ok(page.cut(shown, call.target, |entry| {
        view::entry(entry, None, call.now, call.settings)
    }))
}

fn entries_of<'a>(call: &'a Call<'_>, id: &str) -> &'a [AccessEntry] {
    call.world
        .account(id)
        .map_or(&[][..], |account| &account.holder.access_list)
}

/// Adds entries and answers with the whole list.
pub(crate) fn add(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let body = call.take_body();
    let id = accounts::own_id(call)?;
    call.page()?;
    let nets = entries::parse(&body, call.settings)?;
    let (added, outcome) = entries::add(call, entries_of(call, &id), nets);
    if let Some(account) = call.world.account_mut(&id) {
        account.holder.access_list.extend(added);
    }
    outcome?;
    list(call)
}

pub(crate) fn remove(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let id = accounts::own_id(call)?;
    let name = call.param("ipAddress");
    let place = entries::find(entries_of(call, &id), name)
        .ok_or_else(|| ApiError::not_found("access list entry", name))?;
    let own = entries::is_caller(call, &id)
        || call.settings.caller_address_on_account_lists == CallerAddress::AnyList;
    entries::check_removal(call, &entries_of(call, &id)[place], own)?;
    if let Some(account) = call.world.account_mut(&id) {
        account.holder.access_list.remove(place);
    }
    Ok(Answer::no_content())
}
