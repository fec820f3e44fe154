//! What rotations of the configuration's credential left stands in the journal until it is gone.

use serde_json::{Value, json};

use crate::engine::entries::CredentialType;
use crate::engine::journal::{JournalEntry, Owner};
use crate::engine::testing::TestMount;
use crate::vault::Operation;

const ID: &str = "0123456789abcdefghij";

/// A mount whose rotation could not delete the key before.
async fn with_key_left() -> TestMount {
    let mount = TestMount::configured().await;
    refuse_deletions(&mount).await;
    mount.rotate_root(json!({})).await.expect("rotated");
    mount
}

async fn refuse_deletions(mount: &TestMount) {
    let refuse = json!({
        "operation": "deleteOrgApiKey", "count": 0,
        "action": {"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"},
    });
    mount.atlas.fault(refuse).await;
}

impl TestMount {
    /// The entries of the journal that belong to the configuration.
    async fn of_root(&self) -> Vec<Value> {
        let listed = self.list("issued/").await.expect("a list");
        let data = listed.and_then(|answer| answer.data).unwrap_or_default();
        let entries = data.get("key_info").and_then(Value::as_object).cloned();
        let entries = entries.unwrap_or_default().into_iter();
        let of_root = entries.filter(|(_, info)| info["owner"] == "root");
        of_root.map(|(_, info)| info).collect()
    }
}

#[tokio::test]
async fn what_cannot_be_deleted_yet_is_listed_and_counted_with_the_reason() {
    let mut mount = with_key_left().await;
    let left = mount.of_root().await;
    assert_eq!(left.len(), 1, "the new one was let go: {left:?}");
    assert_eq!(left[0]["state"], "pending");
    assert_eq!(left[0]["public"], mount.atlas.key_config()["public_key"]);
    let status = TestMount::data(mount.read("status").await);
    let journal = &status["journal"];
    assert_eq!(journal["entries"]["failing"], 1, "{journal}");
    assert_eq!(journal["errors"][0]["during"], "rotation", "{journal}");
    let rotation = &status["configuration"]["rotation"];
    assert_eq!(rotation["pending_deletions"], 1, "{rotation}");
    let warnings = mount.read_warnings("config").await;
    assert!(warnings[0].contains("ACCESS_FORBIDDEN"), "{warnings:?}");
    let refused = mount.ask(Operation::Delete, "config", json!({})).await;
    let refused = refused.expect_err("it is needed").to_string();
    assert!(
        refused.contains("1 credentials of earlier rotations"),
        "{refused}"
    );
    mount.restart().await;
    assert_eq!(mount.config().await["pending_deletions"], 1);
    mount.atlas.no_more_faults().await;
    mount.minutes(2).await;
    assert!(mount.of_root().await.is_empty());
    assert_eq!(mount.keys_at_atlas().await.len(), 1);
    assert!(mount.is_alive().await);
}

/// It rests as long as what a role left: a minute, then two, and so on.
#[tokio::test]
async fn a_deletion_that_fails_is_tried_again_at_growing_intervals() {
    let mount = with_key_left().await;
    mount.atlas.forget_requests().await;
    mount.minutes(8).await;
    // After 1, 3 and 7 minutes; each time once more after a refusal.
    let asked = mount.atlas.operations().await["deleteOrgApiKey"].clone();
    assert_eq!(asked, 3, "{asked}");
}

#[tokio::test]
async fn no_more_are_made_while_many_are_left() {
    let mount = with_key_left().await;
    let force = json!({ "force": true });
    for _ in 0..3 {
        mount.rotate_root(force.clone()).await.expect("rotated");
    }
    let keys = mount.keys_at_atlas().await.len();
    let refused = mount.rotate_root(force).await.expect_err("four are left");
    assert!(refused.contains("could not be removed yet"), "{refused}");
    assert_eq!(mount.keys_at_atlas().await.len(), keys);
}

/// The process died when the configuration had taken up what the entry is about.
#[tokio::test]
async fn what_the_configuration_signs_in_with_is_let_go_without_asking_atlas() {
    let mut mount = TestMount::configured().await;
    let key = mount.keys_at_atlas().await.remove(0);
    let text = |name: &str| key[name].as_str().expect("a text").to_owned();
    let entry = JournalEntry {
        owner: Owner::Root,
        description: format!("mongodbatlas-root-{ID}"),
        organization_id: mount.atlas.org().parse().ok(),
        programmatic_api_key_id: text("id").parse().ok(),
        public_key: Some(text("public_key")),
        origin: serde_json::from_value(json!(mount.atlas.address())).expect("an origin"),
        ..JournalEntry::begun(
            String::new(),
            CredentialType::ProgrammaticApiKey,
            mount.now(),
        )
    };
    mount.plant_entry(ID, &entry);
    mount.restart().await;
    assert_eq!(mount.config().await.get("pending_deletions"), None);
    mount.atlas.forget_requests().await;
    mount.tick().await.expect("a tick");
    assert_eq!(mount.journal_keys(), Vec::<String>::new());
    assert_eq!(
        mount.atlas.operations().await["deleteOrgApiKey"],
        Value::Null
    );
    assert!(mount.is_alive().await);
}

/// Nobody could delete it meanwhile.
#[tokio::test]
async fn what_is_left_when_the_configuration_is_deleted_is_deleted_with_the_next() {
    let mount = with_key_left().await;
    let own = mount.stored().await;
    let forced = json!({ "force": true });
    let deleted = mount.ask(Operation::Delete, "config", forced).await;
    deleted.expect("forced");
    mount.atlas.no_more_faults().await;
    mount.minutes(2).await;
    assert_eq!(mount.of_root().await.len(), 1);
    assert_eq!(mount.keys_at_atlas().await.len(), 2);
    let mut config = mount.atlas.key_config();
    for part in ["public_key", "private_key"] {
        config[part] = own[part].clone();
    }
    mount.write("config", config).await.expect("written");
    mount.minutes(2).await;
    assert!(mount.of_root().await.is_empty());
    assert_eq!(mount.keys_at_atlas().await.len(), 1);
    assert!(mount.is_alive().await);
}

/// Its answer was lost, but a person found the account in Atlas, and has this mount sign in with it.
#[tokio::test]
async fn an_account_that_a_person_took_up_is_not_deleted_by_its_name() {
    let mount = TestMount::configured().await;
    let lag = json!({"read_lag_after_create_seconds": 30});
    mount.atlas.set(lag).await;
    let lost = json!({"operation": "createOrgServiceAccount", "action": {"kind": "lose_answer"}});
    mount.atlas.fault(lost).await;
    let switch = json!({"credential_type": "service_account"});
    mount.rotate_root(switch).await.expect_err("no answer");
    let client_id = mount.accounts_at_atlas().await.remove(0)["client_id"].clone();
    let wanted = json!({ "client_id": client_id });
    let given = mount.atlas.control("POST", "/secrets", wanted).await;
    let mut config = mount.atlas.account_config();
    config["client_id"] = client_id;
    config["client_secret"] = given["client_secret"].clone();
    mount.write("config", config).await.expect("written");
    mount.minutes(10).await;
    assert!(mount.is_alive().await);
    assert_eq!(mount.journal_keys(), Vec::<String>::new());
}

/// What it has read may be older than what the active node has written since.
#[tokio::test]
async fn a_node_that_may_not_write_any_more_deletes_nothing() {
    let mount = with_key_left().await;
    mount.atlas.no_more_faults().await;
    mount.storage.fail_after(Some(0));
    mount.minutes(3).await;
    assert_eq!(mount.keys_at_atlas().await.len(), 2);
    mount.storage.fail_after(None);
    mount.minutes(1).await;
    assert_eq!(mount.keys_at_atlas().await.len(), 1);
    assert!(mount.of_root().await.is_empty());
}
