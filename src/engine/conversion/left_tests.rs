//! What deleted static roles had left in an earlier version is worked off from the journal.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::engine::testing::{Account, TestMount};
use crate::vault::Data;

const RETIRING: &str =
    include_str!("../../../tests/stored/eda73bf/kinds/static-leaving-retiring.json");
const PENDING: &str =
    include_str!("../../../tests/stored/eda73bf/kinds/static-leaving-pending.json");

/// A mount as the earlier version left it, not started yet.
async fn planted(entries: &[(String, Value)]) -> TestMount {
    let mount = TestMount::new().await;
    mount.storage.unplant("storage-version");
    for (key, value) in entries {
        mount.storage.plant(key, value.to_string().as_bytes());
    }
    mount
}

fn recorded(text: &str) -> (String, Value) {
    let entries: BTreeMap<String, Value> = serde_json::from_str(text).expect("a recording");
    entries.into_iter().next().expect("an entry")
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn left_keys(mount: &TestMount) -> Vec<String> {
    let mut keys = mount.storage.keys();
    keys.retain(|key| key.contains('/'));
    keys
}

async fn shown(mount: &TestMount, client_id: &str) -> Data {
    TestMount::data(mount.read(&format!("issued/{client_id}")).await)
}

#[tokio::test]
async fn a_recorded_one_becomes_an_entry_of_its_account_without_a_secret() {
    for recording in [RETIRING, PENDING] {
        let (key, earlier) = recorded(recording);
        let mut mount = planted(&[(key, earlier.clone())]).await;
        mount.restart().await;
        let [issued] = left_keys(&mount).try_into().expect("one entry");
        let stored = String::from_utf8(mount.storage.value(&issued)).expect("JSON");
        let secret = text(&earlier["current"]["client_secret"]);
        assert!(!stored.contains(&secret), "{stored}");
        let stored: Value = serde_json::from_str(&stored).expect("JSON");
        let part = &stored["part"]["secrets"];
        assert_eq!(part["present_secret_id"], earlier["current"]["id"]);
        assert_eq!(part["overlap"], earlier["overlap"]);
        let (pending, retiring) = (
            &earlier["renewal"]["pending"],
            &earlier["renewal"]["retiring"],
        );
        assert_eq!(part["pending"]["since"], pending["since"]);
        assert_eq!(part["retiring"][0]["id"], retiring[0]["id"]);
        let entry = shown(&mount, &text(&earlier["client_id"])).await;
        assert_eq!(entry["owner"], "static_role", "{entry:?}");
        mount.restart().await;
        assert_eq!(left_keys(&mount), [issued]);
    }
}

/// A mount whose static role was deleted by an earlier version, with a replaced secret.
async fn deleted(itself: bool) -> (TestMount, Account, String) {
    let mount = TestMount::configured().await;
    let account = mount.atlas.account(json!(["ORG_OWNER"])).await;
    let mode = if itself { "self" } else { "admin" };
    let role = json!({
        "client_id": account.client_id, "organization_id": mount.atlas.org(),
        "rotation_mode": mode, "client_secret": account.secret,
    });
    mount.write("static-roles/app", role).await.expect("a role");
    let creds = TestMount::data(mount.read("static-creds/app").await);
    let stored = mount.storage.value("static-roles/app");
    mount.storage.unplant("static-roles/app");
    mount.storage.unplant("storage-version");
    let key = format!("static-leaving/{}", account.client_id);
    mount.storage.plant(&key, &stored);
    (mount, account, text(&creds["client_secret"]))
}

async fn is_worked_off(mount: &TestMount, account: &Account, present: &str, what: &str) {
    assert!(
        mount.atlas.mints(&account.client_id, present).await,
        "{what}"
    );
    mount.advance(Duration::from_mins(90)).await;
    mount.tick_for(2).await;
    assert_eq!(left_keys(mount), Vec::<String>::new(), "{what}");
    let id = &account.client_id;
    assert_eq!(mount.atlas.secrets(id).await.len(), 1, "{what}");
    assert!(mount.atlas.mints(id, present).await, "{what}");
}

#[tokio::test]
async fn what_is_left_is_worked_off_whichever_write_of_the_conversion_fails() {
    for itself in [false, true] {
        for writes in 0..5 {
            let (mut mount, account, present) = deleted(itself).await;
            mount.storage.fail_after(Some(writes));
            mount.restart().await;
            mount.storage.fail_after(None);
            mount.restart().await;
            let keys = left_keys(&mount);
            let wanted = if itself { 2 } else { 1 };
            assert_eq!(keys.len(), wanted, "{itself} {writes}: {keys:?}");
            let what = format!("{itself} {writes}");
            is_worked_off(&mount, &account, &present, &what).await;
        }
    }
}

/// Of one that cannot be read a person decides.
#[tokio::test]
async fn what_cannot_be_read_stays() {
    let key = "static-leaving/mdb_sa_id_6b0c9c3f5b8f54768000001f";
    let mut mount = planted(&[(key.to_owned(), json!({ "client_id": 1 }))]).await;
    mount.restart().await;
    assert_eq!(left_keys(&mount), [key]);
    mount.read("status").await.expect("the mount serves");
}
