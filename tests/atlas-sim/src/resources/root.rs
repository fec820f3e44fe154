//! The root call: who am I.

use serde_json::{Value, json};

use crate::core::{Call, Principal};
use crate::errors::ApiError;
use crate::http::Answer;
use crate::ids::CLIENT_ID_PREFIX;
use crate::operations::BASE;
use crate::page::self_link;
use crate::roles::assignments;
use crate::settings::RootForAccount;
use crate::state::Holder;
use crate::view;

/// What stands for the commit of Atlas's build.
const BUILD: &str = "0000000000000000000000000000000000000000";

#[expect(clippy::unnecessary_wraps, reason = "the form of every handler")]
pub(crate) fn read(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let mut body = json!({
        "appName": "MongoDB Atlas", "build": BUILD, "throttling": false,
        "links": [self_link(BASE)],
    });
    let turn = call.role_turn();
    let api_key = match call.principal {
        Principal::Key(id) => call
            .world
            .keys
            .get(id)
            .map(|key| describe(&key.id, &key.public_key, &key.holder, turn)),
        Principal::Account { client_id, .. } => call
            .world
            .accounts
            .get(client_id)
            .filter(|_| call.settings.root_for_account == RootForAccount::Shaped)
            .map(|account| {
                let id = client_id.trim_start_matches(CLIENT_ID_PREFIX);
                describe(id, &id[id.len().saturating_sub(8)..], &account.holder, turn)
            }),
    };
    if let Some(api_key) = api_key {
        body["apiKey"] = api_key;
    }
    Ok(Answer::ok(body))
}

fn describe(id: &str, public_key: &str, holder: &Holder, turn: usize) -> Value {
    let list = holder.access_list.iter().map(|entry| {
        json!({"cidrBlock": view::block(entry.net), "ipAddress": view::address(entry.net.addr())})
    });
    json!({
        "id": id, "publicKey": public_key, "accessList": list.collect::<Vec<Value>>(),
        "roles": assignments(holder, turn),
    })
}
