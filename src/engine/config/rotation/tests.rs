//! Rotation of the configuration's credential, against the Atlas simulator.

use std::time::Duration;

use serde_json::{Value, json};

use crate::engine::testing::TestMount;
use crate::vault::{Data, Failure, Replication};

pub(super) const DAY: u64 = 86_400;

impl TestMount {
    pub(super) async fn config(&self) -> Data {
        Self::data(self.read("config").await)
    }

    pub(super) async fn stored(&self) -> Value {
        let entry = crate::vault::Storage::get(&*self.storage, "config").await;
        let entry = entry.expect("storage").expect("a configuration");
        serde_json::from_slice(&entry.value).expect("JSON")
    }

    pub(super) async fn rotate_root(&self, options: Value) -> Result<Data, String> {
        match self.write("config/rotate-root", options).await {
            Ok(answer) => Ok(answer.expect("an answer").data.expect("data")),
            Err(failure) => Err(failure.to_string()),
        }
    }

    /// Whether this mount can still make and delete credentials.
    pub(super) async fn is_alive(&self) -> bool {
        let role = json!({"organization_id": self.atlas.org(), "roles": "ORG_MEMBER"});
        let written = self.write("roles/probe", role).await;
        let (_, lease) = self.issue("probe").await;
        written.is_ok() && self.revoke(&lease).await.is_ok()
    }

    pub(super) async fn keys_at_atlas(&self) -> Vec<Value> {
        let state = self.atlas.control("GET", "/state", Value::Null).await;
        state["keys"].as_array().cloned().unwrap_or_default()
    }

    pub(super) async fn accounts_at_atlas(&self) -> Vec<Value> {
        let state = self.atlas.control("GET", "/state", Value::Null).await;
        let mut accounts = state["accounts"].as_array().cloned().unwrap_or_default();
        accounts.retain(|account| account["name"] != "seed");
        accounts
    }

    pub(super) async fn minutes(&self, minutes: u64) {
        for _ in 0..minutes {
            self.advance(Duration::from_mins(1)).await;
            // The host hears of a failure of storage.
            let _ = self.tick().await;
        }
    }
}

/// A mount with a key of its own that has projects and an access list.
pub(super) async fn reaching() -> TestMount {
    let mount = TestMount::new().await;
    let project = mount.atlas.project(0).to_owned();
    let key = json!({
        "org_id": mount.atlas.org(), "desc": "ours", "org_roles": ["ORG_OWNER", "ORG_MEMBER"],
        "project_roles": {project: ["GROUP_OWNER"]}, "access_list": ["127.0.0.1", "10.0.0.0/8"],
    });
    let key = mount.atlas.control("POST", "/keys", key).await;
    let mut config = mount.atlas.key_config();
    config["public_key"] = key["public_key"].clone();
    config["private_key"] = key["private_key"].clone();
    mount
        .write("config", config)
        .await
        .expect("a configuration");
    mount
}

pub(super) fn without_seed(keys: Vec<Value>) -> Vec<Value> {
    keys.into_iter()
        .filter(|key| key["desc"] != "seed")
        .collect()
}

/// Atlas tells roles in any order.
fn sorted(reach: &Value) -> Value {
    match reach {
        Value::Array(list) => {
            let mut texts: Vec<String> = list.iter().map(Value::to_string).collect();
            texts.sort();
            json!(texts)
        }
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (key.clone(), sorted(value)))
            .collect(),
        other => other.clone(),
    }
}

#[tokio::test]
async fn a_key_is_replaced_by_one_of_the_same_reach() {
    let mount = reaching().await;
    let before = without_seed(mount.keys_at_atlas().await);
    let told = mount.rotate_root(json!({})).await.expect("rotated");
    let after = without_seed(mount.keys_at_atlas().await);
    assert_eq!(after.len(), 1, "{after:?}");
    assert_ne!(after[0]["id"], before[0]["id"]);
    for reach in ["org_roles", "project_roles", "access_list"] {
        assert_eq!(
            sorted(&after[0][reach]),
            sorted(&before[0][reach]),
            "{reach}"
        );
    }
    let config = mount.config().await;
    assert_eq!(config["public_key"], after[0]["public_key"]);
    assert_eq!(told["public_key"], after[0]["public_key"]);
    assert!(!told.contains_key("private_key") && !config.contains_key("private_key"));
    assert!(!config["last_rotated"].is_null());
    assert!(mount.is_alive().await);
}

#[tokio::test]
async fn a_key_gives_way_to_a_service_account_for_good() {
    let mount = reaching().await;
    let before = without_seed(mount.keys_at_atlas().await);
    let to = json!({"credential_type": "service_account"});
    mount.rotate_root(to).await.expect("rotated");
    assert!(without_seed(mount.keys_at_atlas().await).is_empty());
    let accounts = mount.accounts_at_atlas().await;
    assert_eq!(accounts.len(), 1);
    for reach in ["org_roles", "project_roles", "access_list"] {
        assert_eq!(
            sorted(&accounts[0][reach]),
            sorted(&before[0][reach]),
            "{reach}"
        );
    }
    let config = mount.config().await;
    assert_eq!(config["credential_type"], json!("service_account"));
    assert_eq!(config["client_id"], accounts[0]["client_id"]);
    assert!(!config.contains_key("public_key") && !config.contains_key("client_secret"));
    let stored = mount.stored().await;
    assert_eq!(
        (&stored["public_key"], &stored["private_key"]),
        (&json!(""), &json!(""))
    );
    assert!(mount.is_alive().await);
    let back = json!({"credential_type": "programmatic_api_key", "force": true});
    let refused = mount.rotate_root(back).await.expect_err("refused");
    assert!(
        refused.contains("credential_type: a service account is not replaced"),
        "{refused}"
    );
}

#[tokio::test]
async fn an_account_gets_a_new_secret_and_loses_the_old_one() {
    let mount = TestMount::new().await;
    mount
        .write("config", mount.atlas.account_config())
        .await
        .expect("a configuration");
    assert!(!mount.config().await["client_secret_expires_at"].is_null());
    let seed = mount.atlas.seed_account();
    let old = mount.atlas.secrets(&seed.client_id).await;
    let told = mount.rotate_root(json!({})).await.expect("rotated");
    assert!(!json!(told).to_string().contains("mdb_sa_sk_"));
    let new = mount.atlas.secrets(&seed.client_id).await;
    assert_eq!(new.len(), 1);
    assert_ne!(new, old);
    assert!(!mount.atlas.mints(&seed.client_id, &seed.secret).await);
    assert!(mount.is_alive().await);
}

#[tokio::test]
async fn rotation_is_automatic_unless_it_is_switched_off() {
    for config in ["key", "account"] {
        let mount = TestMount::new().await;
        let mut given = match config {
            "key" => mount.atlas.key_config(),
            _ => mount.atlas.account_config(),
        };
        given["rotation_period"] = json!(DAY);
        mount.write("config", given).await.expect("a configuration");
        assert!(!mount.config().await["next_rotation"].is_null());
        mount.minutes(1).await;
        assert!(mount.config().await["last_rotated"].is_null());
        mount.advance(Duration::from_secs(DAY)).await;
        mount.tick().await.expect("a tick");
        let first = mount.config().await["last_rotated"].clone();
        assert!(!first.is_null(), "{config}");
        assert!(mount.is_alive().await, "{config}");
        let off = json!({"disable_automated_rotation": true});
        mount.write("config", off).await.expect("changed");
        assert!(mount.config().await["next_rotation"].is_null());
        mount.advance(Duration::from_secs(2 * DAY)).await;
        mount.tick().await.expect("a tick");
        assert_eq!(mount.config().await["last_rotated"], first, "{config}");
    }
}

#[tokio::test]
async fn wrong_timing_is_refused() {
    let mount = TestMount::configured().await;
    let before = mount.stored().await;
    for (options, told) in [
        (
            json!({"rotation_period": 1, "rotation_schedule": "0 0 * * *"}),
            "rotation_schedule: ",
        ),
        (
            json!({"rotation_schedule": "0 0"}),
            "rotation_schedule: has 2 fields",
        ),
        (
            json!({"rotation_schedule": "0 0 * * *", "rotation_window": 1}),
            "rotation_window: ",
        ),
        (json!({"rotation_period": 59}), "rotation_period: "),
    ] {
        let refused = mount.write("config", options).await.expect_err("refused");
        assert!(refused.to_string().contains(told), "{refused}");
        assert_eq!(mount.stored().await, before);
    }
    let to = json!({"credential_type": "access_tokens"});
    let refused = mount.rotate_root(to).await.expect_err("refused");
    assert!(
        refused.contains("credential_type: give programmatic_api_key"),
        "{refused}"
    );
}

/// The process dies after any number of writes, for each of the three ways.
#[tokio::test]
async fn the_end_of_a_secret_is_warned_of() {
    let mount = TestMount::new().await;
    let account = json!({
        "org_id": mount.atlas.org(), "name": "ours", "org_roles": ["ORG_OWNER"], "secret_hours": 48,
    });
    let account = mount.atlas.control("POST", "/accounts", account).await;
    let mut config = mount.atlas.account_config();
    config["client_id"] = account["client_id"].clone();
    config["client_secret"] = account["client_secret"].clone();
    mount
        .write("config", config)
        .await
        .expect("a configuration");
    let warnings = mount.read_warnings("config").await;
    assert!(warnings[0].contains("expires at"), "{warnings:?}");
    // A period longer than the secret's life is met before its end.
    mount
        .write("config", json!({"rotation_period": "30d"}))
        .await
        .expect("changed");
    mount.advance(Duration::from_secs(DAY + 60)).await;
    mount.tick().await.expect("a tick");
    assert!(!mount.config().await["last_rotated"].is_null());
    let warnings = mount.read_warnings("config").await;
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[tokio::test]
async fn a_standby_leaves_it_to_the_active_node() {
    let mount = TestMount::configured().await;
    mount.system.set_replication(Replication(24_576));
    let asked = mount.write("config/rotate-root", json!({})).await;
    assert_eq!(asked.expect_err("forwarded"), Failure::read_only());
    mount.tick().await.expect("a tick");
    assert_eq!(mount.keys_at_atlas().await.len(), 1);
}

#[tokio::test]
async fn rotations_keep_a_distance_and_need_a_configuration() {
    let mount = TestMount::new().await;
    let refused = mount.rotate_root(json!({})).await.expect_err("refused");
    assert!(refused.contains("not configured"), "{refused}");
    mount
        .write("config", mount.atlas.key_config())
        .await
        .expect("a configuration");
    mount.rotate_root(json!({})).await.expect("rotated");
    let refused = mount.rotate_root(json!({})).await.expect_err("too soon");
    assert!(refused.contains("it was rotated 0 s ago"), "{refused}");
    mount
        .rotate_root(json!({"force": true}))
        .await
        .expect("forced");
    assert_eq!(mount.keys_at_atlas().await.len(), 1);
}

#[tokio::test]
async fn held_deletions_hold_rotations_that_come_by_themselves() {
    let mount = TestMount::configured().await;
    let held = json!({"rotation_period": DAY, "hold": true});
    mount.write("config", held).await.expect("changed");
    mount.advance(Duration::from_secs(2 * DAY)).await;
    mount.tick().await.expect("a tick");
    assert!(mount.config().await["last_rotated"].is_null());
    mount
        .write("config", json!({"hold": false}))
        .await
        .expect("changed");
    mount.tick().await.expect("a tick");
    assert!(!mount.config().await["last_rotated"].is_null());
}

#[tokio::test]
async fn writing_the_same_credential_again_changes_nothing() {
    let mount = TestMount::configured().await;
    mount.rotate_root(json!({})).await.expect("rotated");
    let stored = mount.stored().await;
    let again = json!({
        "public_key": stored["public_key"], "private_key": stored["private_key"],
    });
    mount.write("config", again).await.expect("written again");
    assert_eq!(mount.stored().await, stored);
}
