//! A role that is deleted or changed while credentials are made from it.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::engine::testing::{Outcome, TestMount};
use crate::vault::{Failure, Operation};

/// How long Atlas takes for what is asked of it last, in seconds.
const SLOW: f64 = 0.8;
/// A deletion that waits for nobody is over long before.
const AT_ONCE: Duration = Duration::from_millis(500);

/// A role of each type, and the request by which Atlas makes its credential.
const TYPES: [(&str, &str); 6] = [
    ("programmatic_api_key", "createOrgApiKey"),
    ("service_account", "createOrgServiceAccount"),
    ("secret", "createOrgSecret"),
    ("access_token", "oauthToken"),
    ("ai_model_key", "createGroupModelKey"),
    ("database_user", "createDatabaseUser"),
];

/// A mount with the role `r` of this type, in which Atlas is slow with `operation`. With it the account
/// of the role, if it adds secrets to one.
async fn slow_mount(kind: &str, operation: &str) -> (TestMount, Option<String>) {
    let mount = TestMount::configured().await;
    let mut role = json!({
        "credential_type": kind, "organization_id": mount.atlas.org(), "roles": "ORG_MEMBER",
        "ip_addresses": "192.0.2.1", "ttl": "1h",
    });
    let mut account = None;
    if kind == "secret" {
        let id = mount.atlas.make_account(0, json!({})).await;
        role = json!({
            "credential_type": "service_account", "organization_id": mount.atlas.org(),
            "client_id": id, "ttl": "1h",
        });
        account = Some(id);
    }
    if kind == "ai_model_key" {
        let project = mount.atlas.project(0);
        role = json!({ "credential_type": kind, "project_id": project, "ttl": "1h" });
    }
    if kind == "database_user" {
        role = json!({
            "credential_type": kind, "project_id": mount.atlas.project(0),
            "database_roles": "read@app", "ttl": "1h",
        });
    }
    mount.write("roles/r", role).await.expect("a role");
    let slow = json!({
        "operation": operation, "count": 0, "action": {"kind": "delay", "seconds": SLOW},
    });
    mount.atlas.fault(slow).await;
    mount.atlas.forget_requests().await;
    (mount, account)
}

/// Waits until Atlas was asked.
async fn until_asked(mount: &TestMount, operation: &str) {
    loop {
        // The log has a request once it is answered; a fault counts it when it comes.
        let faults = mount.atlas.control("GET", "/faults", Value::Null).await;
        let mut faults = faults["faults"].as_array().into_iter().flatten();
        if faults.any(|fault| fault["fault"]["operation"] == operation && fault["applied"] != 0) {
            return;
        }
        sleep(Duration::from_millis(5)).await;
    }
}

async fn delete(mount: &TestMount) {
    let deletion = mount.ask(Operation::Delete, "roles/r", json!({}));
    let deleted = timeout(AT_ONCE, deletion).await;
    deleted.expect("it waits for nobody").expect("deleted");
}

async fn patch(mount: &TestMount, change: Value) {
    let patched = mount.ask(Operation::Patch, "roles/r", change).await;
    patched.expect("patched");
}

/// Whether nothing that an application could use is there.
async fn assert_nothing_alive(mount: &TestMount, kind: &str, account: Option<&str>) {
    if let Some(account) = account {
        let secrets = mount.atlas.secrets(account).await;
        assert_eq!(secrets, Vec::<String>::new(), "{kind}");
    }
    let state = mount.atlas.state().await;
    assert_eq!(state["tokens"].as_array().map_or(0, Vec::len), 0, "{kind}");
    let mut entries = Vec::new();
    for key in mount.journal_keys() {
        let entry: Value = serde_json::from_slice(&mount.storage.value(&key)).expect("JSON");
        entries.push(entry);
    }
    // The account kept for access tokens goes by the periodic runs.
    entries.retain(|entry| entry["state"] != "managed");
    assert_eq!(entries, Vec::<Value>::new(), "{kind}");
    if kind != "access_token" && kind != "secret" {
        let left = mount.atlas.credentials().await;
        assert_eq!(left, Vec::<String>::new(), "{kind}");
    }
}

fn is_unknown_role(outcome: &Outcome) -> bool {
    matches!(outcome, Err(Failure::BadRequest(text)) if text.contains("there is no role \"r\""))
}

#[tokio::test]
async fn a_credential_of_a_role_that_is_deleted_meanwhile_is_not_handed_out() {
    let stories = TYPES.map(async |(kind, operation)| {
        let (mount, account) = slow_mount(kind, operation).await;
        let reading = mount.read("creds/r");
        let deleting = async {
            until_asked(&mount, operation).await;
            delete(&mount).await;
        };
        let (outcome, ()) = tokio::join!(reading, deleting);
        assert!(is_unknown_role(&outcome), "{kind}: {outcome:?}");
        assert_nothing_alive(&mount, kind, account.as_deref()).await;
    });
    join_all(stories).await;
}

#[tokio::test]
async fn a_credential_of_a_role_that_is_changed_meanwhile_is_not_handed_out() {
    let stories = TYPES.map(async |(kind, operation)| {
        let (mount, account) = slow_mount(kind, operation).await;
        let other = mount.atlas.make_account(0, json!({})).await;
        let change = match kind {
            "secret" => json!({ "client_id": other }),
            "ai_model_key" => json!({ "geography": "EU" }),
            "database_user" => json!({ "database_roles": "readWrite@app" }),
            _ => json!({ "ip_addresses": "198.51.100.7" }),
        };
        let reading = mount.read("creds/r");
        let changing = async {
            until_asked(&mount, operation).await;
            patch(&mount, change).await;
        };
        let (outcome, ()) = tokio::join!(reading, changing);
        assert!(
            matches!(&outcome, Err(Failure::Internal(text))
                if text.contains("role \"r\" was changed while its credential was being created: \
                                  read again")),
            "{kind}: {outcome:?}"
        );
        mount
            .atlas
            .control("DELETE", &format!("/accounts/{other}"), Value::Null)
            .await;
        assert_nothing_alive(&mount, kind, account.as_deref()).await;
    });
    join_all(stories).await;
}

#[tokio::test]
async fn a_change_of_times_and_numbers_alone_changes_nothing() {
    let (mount, _) = slow_mount("programmatic_api_key", "createOrgApiKey").await;
    let reading = mount.issue("r");
    let changing = async {
        until_asked(&mount, "createOrgApiKey").await;
        let spelled = json!({
            "ttl": "2h", "max_ttl": "3h", "max_live": 7, "ip_addresses": "192.0.2.1,192.0.2.1",
        });
        patch(&mount, spelled).await;
    };
    let ((_, lease), ()) = tokio::join!(reading, changing);
    assert_eq!(
        lease.ttl,
        Duration::from_hours(1),
        "as it was when it began"
    );
}

/// One request is at Atlas, one waits for the account, one for Atlas's rate limit.
#[tokio::test]
async fn who_waits_ends_with_the_role() {
    let (mount, _) = slow_mount("secret", "createOrgSecret").await;
    let first = mount.read("creds/r");
    let story = async {
        until_asked(&mount, "createOrgSecret").await;
        let second = mount.read("creds/r");
        let deleting = async {
            sleep(Duration::from_millis(50)).await;
            delete(&mount).await;
        };
        let (second, ()) = timeout(AT_ONCE, async { tokio::join!(second, deleting) })
            .await
            .expect("it waits no longer than the role is there");
        assert!(is_unknown_role(&second), "{second:?}");
    };
    tokio::join!(first, story).0.expect_err("deleted");

    let limited = TestMount::with_role(json!({})).await;
    let later = json!({
        "operation": "createOrgApiKey", "count": 0,
        "action": {"kind": "answer", "status": 429, "code": "RATE_LIMITED",
            "headers": {"retry-after": "20"}},
    });
    limited.atlas.fault(later).await;
    limited.atlas.forget_requests().await;
    let reading = limited.read("creds/reader");
    let deleting = async {
        until_asked(&limited, "createOrgApiKey").await;
        sleep(Duration::from_millis(50)).await;
        let begun = Instant::now();
        let deleted = limited.ask(Operation::Delete, "roles/reader", json!({}));
        deleted.await.expect("deleted");
        begun
    };
    let (outcome, begun) = tokio::join!(reading, deleting);
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert!(
        matches!(&outcome, Err(Failure::BadRequest(text)) if text.contains("there is no role")),
        "{outcome:?}"
    );
    assert_eq!(limited.journal_keys(), Vec::<String>::new());
}

/// It waits for an account that another request has in hand, for as long as Atlas takes.
#[tokio::test]
async fn a_patch_that_waits_does_not_bring_a_deleted_role_back() {
    let (mount, account) = slow_mount("secret", "createOrgSecret").await;
    let role = json!({
        "credential_type": "service_account", "organization_id": mount.atlas.org(),
        "client_id": mount.atlas.make_account(0, json!({})).await,
    });
    mount.write("roles/other", role).await.expect("a role");
    let reading = mount.read("creds/r");
    let story = async {
        until_asked(&mount, "createOrgSecret").await;
        let change = json!({ "client_id": account });
        let patching = mount.ask(Operation::Patch, "roles/other", change);
        let deleting = async {
            sleep(Duration::from_millis(50)).await;
            let deletion = mount.ask(Operation::Delete, "roles/other", json!({}));
            let deleted = timeout(AT_ONCE, deletion).await;
            deleted.expect("it waits for nobody").expect("deleted");
        };
        tokio::join!(patching, deleting).0
    };
    let (read, patched) = tokio::join!(reading, story);
    read.expect("another role's credential");
    let text = patched.expect_err("nothing to patch").to_string();
    assert!(
        text.contains("there is no role \"other\" to patch"),
        "{text}"
    );
    let role = mount.read("roles/other").await.expect("an answer");
    assert!(role.is_none(), "{role:?}");
}

/// The account is being made for the first reader when its role goes; a role of the same name and reach
/// gets another one.
#[tokio::test]
async fn an_account_in_the_making_does_not_serve_the_next_role_of_its_name() {
    let (mount, _) = slow_mount("access_token", "createOrgServiceAccount").await;
    let role = TestMount::data(mount.read("roles/r").await);
    let reading = mount.read("creds/r");
    let story = async {
        until_asked(&mount, "createOrgServiceAccount").await;
        delete(&mount).await;
        mount.write("roles/r", role.into()).await.expect("anew");
    };
    let (outcome, ()) = tokio::join!(reading, story);
    assert!(is_unknown_role(&outcome), "{outcome:?}");
    mount.atlas.no_more_faults().await;
    let left = mount.atlas.credentials().await;
    assert_eq!(left, Vec::<String>::new());
    mount.issue("r").await;
    assert_eq!(mount.atlas.credentials().await.len(), 1);
}

/// The only entry, as storage holds it.
fn state_of_the_entry(mount: &TestMount) -> Value {
    let [key] = mount.journal_keys().try_into().expect("one entry");
    let entry: Value = serde_json::from_slice(&mount.storage.value(&key)).expect("JSON");
    entry["state"].clone()
}

/// The role changes while a key is made of it, and of the writes that follow only the one passes that
/// stores the entry as live.
async fn fail_once_stored_as_live(mount: &TestMount) {
    let reading = mount.read("creds/r");
    let changing = async {
        until_asked(mount, "createOrgAccessEntry").await;
        patch(mount, json!({ "ip_addresses": "198.51.100.7" })).await;
        mount.storage.fail_after(Some(1));
    };
    let (outcome, ()) = tokio::join!(reading, changing);
    outcome.expect_err("the role was changed");
}

/// A process that ends now leaves the credential to the periodic run, and not to the end of a lease
/// that there never was.
#[tokio::test]
async fn what_is_not_handed_out_is_no_longer_stored_as_live_while_it_is_removed() {
    let (mount, _) = slow_mount("programmatic_api_key", "createOrgAccessEntry").await;
    let slow = json!({
        "operation": "deleteOrgApiKey", "action": {"kind": "delay", "seconds": SLOW},
    });
    mount.atlas.fault(slow).await;
    let reading = mount.read("creds/r");
    let changing = async {
        until_asked(&mount, "createOrgAccessEntry").await;
        patch(&mount, json!({ "ip_addresses": "198.51.100.7" })).await;
        until_asked(&mount, "deleteOrgApiKey").await;
        assert_eq!(state_of_the_entry(&mount), "pending");
    };
    let (outcome, ()) = tokio::join!(reading, changing);
    outcome.expect_err("the role was changed");
    assert_nothing_alive(&mount, "programmatic_api_key", None).await;
}

/// The entry is stored as live, and neither Atlas nor storage lets that be undone at once.
#[tokio::test]
async fn what_could_not_be_undone_is_left_to_the_periodic_run_whatever_storage_holds() {
    let (mount, _) = slow_mount("programmatic_api_key", "createOrgAccessEntry").await;
    let refusal = json!({
        "operation": "deleteOrgApiKey", "count": 0,
        "action": {"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"},
    });
    mount.atlas.fault(refusal).await;
    fail_once_stored_as_live(&mount).await;
    mount.storage.fail_after(None);
    mount.atlas.no_more_faults().await;
    assert_eq!(state_of_the_entry(&mount), "active");
    mount.advance(Duration::from_mins(1)).await;
    mount.tick().await.expect("a tick");
    assert_nothing_alive(&mount, "programmatic_api_key", None).await;
}

/// The write is with storage when somebody deletes the role: it would land after the deletion.
#[tokio::test]
async fn a_deletion_waits_for_a_write_of_its_role_and_for_no_other() {
    let mount = TestMount::with_role(json!({})).await;
    let lands = CancellationToken::new();
    mount.storage.land_next_with(lands.clone());
    let writing = mount.write("roles/reader", json!({ "ttl": "2h" }));
    let story = async {
        sleep(Duration::from_millis(50)).await;
        // Of another role, as there is none of this name.
        let other = mount.ask(Operation::Delete, "roles/other", json!({}));
        let other = timeout(AT_ONCE, other).await;
        other.expect("it waits for nobody").expect("deleted");
        let deletion = mount.ask(Operation::Delete, "roles/reader", json!({}));
        let landing = async {
            sleep(Duration::from_millis(50)).await;
            lands.cancel();
        };
        tokio::join!(deletion, landing).0
    };
    let (written, deleted) = tokio::join!(writing, story);
    written.expect("written before");
    deleted.expect("deleted after");
    let role = mount.read("roles/reader").await.expect("an answer");
    assert!(role.is_none(), "{role:?}");
}

/// The server dies right after the write that makes the entry live: storage is away for good, but Atlas is
/// not. No credential is left that nobody has; its entry is, until the reaper.
#[tokio::test]
async fn a_credential_is_deleted_although_its_entry_can_no_longer_be() {
    let (mut mount, _) = slow_mount("programmatic_api_key", "createOrgAccessEntry").await;
    fail_once_stored_as_live(&mount).await;
    assert_eq!(mount.atlas.credentials().await, Vec::<String>::new());
    mount.storage.fail_after(None);
    mount.restart().await;
    mount.tick_for(20).await;
    assert_eq!(state_of_the_entry(&mount), "active");
    mount.advance(Duration::from_hours(24 * 40)).await;
    mount.tick_for(2).await;
    assert_eq!(mount.journal_keys(), Vec::<String>::new());
}
