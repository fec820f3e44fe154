//! What is told of leases that are shorter, and of credentials that live longer, than a role says; and
//! of a configuration that Atlas was not asked about.

use std::time::Duration;

use serde_json::{Value, json};

use super::testing::TestMount;
use crate::vault::{Data, Failure};

const CUT: &str = "TTL of \"1h\" exceeded the effective max_ttl of \"20m\"; TTL value is capped \
                   accordingly";

fn tune(mount: &TestMount, default: u64, most: u64) {
    let minutes = Duration::from_mins;
    mount.system.set_ttls(minutes(default), minutes(most));
}

async fn check(mount: &TestMount) -> Vec<String> {
    let found = TestMount::data(mount.read("check/reader").await);
    serde_json::from_value(found["warnings"].clone()).expect("texts")
}

#[tokio::test]
async fn a_lease_that_the_mount_cuts_is_reported_in_the_cores_words() {
    for kind in ["programmatic_api_key", "service_account", "access_token"] {
        let role = json!({"credential_type": kind, "ttl": "1h", "max_ttl": "2h"});
        let mount = TestMount::with_role(role).await;
        let answer = mount
            .read("creds/reader")
            .await
            .expect("issued")
            .expect("an answer");
        assert!(answer.warnings.is_empty(), "{kind}: {:?}", answer.warnings);
        tune(&mount, 10, 20);
        let answer = mount
            .read("creds/reader")
            .await
            .expect("issued")
            .expect("an answer");
        assert_eq!(answer.warnings, [CUT], "{kind}");
        let lease = answer.secret.expect("a lease");
        assert_eq!(lease.ttl, Duration::from_mins(20), "{kind}");
        assert!(check(&mount).await.contains(&CUT.to_owned()), "{kind}");
    }
}

#[tokio::test]
async fn check_shows_where_the_mounts_default_is_too_long_for_the_role() {
    let mount = TestMount::with_role(json!({"max_ttl": "20m"})).await;
    tune(&mount, 60, 120);
    assert_eq!(check(&mount).await, [CUT]);
    tune(&mount, 10, 120);
    assert!(check(&mount).await.is_empty());
}

#[tokio::test]
async fn check_shows_how_long_credentials_may_outlive_a_forced_revocation() {
    let mount = TestMount::with_role(json!({})).await;
    tune(&mount, 10, 768 * 60);
    let told = check(&mount).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("no max_ttl") && told[0].contains("up to 768h"),
        "{told:?}"
    );
    let written = mount.write("roles/reader", json!({"ttl": 60})).await;
    assert!(
        written.expect("written").is_none(),
        "no warning at each write"
    );
    mount
        .write("roles/reader", json!({"max_ttl": "2h"}))
        .await
        .expect("written");
    assert!(check(&mount).await.is_empty());
    let token = json!({"credential_type": "access_token", "max_ttl": 0});
    mount.write_reader(token).await;
    assert!(
        check(&mount).await.is_empty(),
        "a token dies within the hour"
    );
}

async fn status(mount: &TestMount) -> Value {
    TestMount::data(mount.read("status").await)["configuration"]["unverified"].clone()
}

async fn config_warnings(mount: &TestMount) -> Vec<String> {
    mount
        .read("config")
        .await
        .expect("read")
        .expect("an answer")
        .warnings
}

fn unreachable(config: &mut Value) {
    config["verify_connection"] = json!(false);
}

#[tokio::test]
async fn a_configuration_that_was_stored_unverified_says_so_until_atlas_takes_it() {
    let mut mount = TestMount::new().await;
    let mut config = mount.atlas.key_config();
    unreachable(&mut config);
    let fault = json!({"count": 0, "unauthenticated": true, "action": {"kind": "close"}});
    mount.atlas.fault(fault).await;
    let written = mount.write("config", config).await.expect("written");
    let told = written.expect("an answer").warnings;
    assert!(
        told.iter().any(|text| text.contains("stored unverified")),
        "{told:?}"
    );
    assert_eq!(status(&mount).await, true);
    assert!(config_warnings(&mount).await[0].contains("stored unverified"));
    let failed = mount.read("check").await.expect_err("Atlas is away");
    assert!(
        matches!(&failed, Failure::Internal(text) if text.contains("stored unverified")),
        "{failed}"
    );
    mount.restart().await;
    assert_eq!(status(&mount).await, true, "it is remembered");
    mount.atlas.no_more_faults().await;
    let found: Data = TestMount::data(mount.read("check").await);
    assert_eq!(found["warnings"], json!([]));
    assert_eq!(status(&mount).await, false);
    assert!(config_warnings(&mount).await.is_empty());
    mount.tick().await.expect("a tick");
    mount.restart().await;
    assert_eq!(status(&mount).await, false, "that is remembered too");
}

#[tokio::test]
async fn the_environment_turns_verification_off_for_writes_that_do_not_say() {
    let mount = TestMount::new_with(super::ProcessSettings {
        verify_connection: false,
        ..super::ProcessSettings::default()
    })
    .await;
    let mut config = mount.atlas.key_config();
    config["private_key"] = json!("wrong");
    let written = mount
        .write("config", config.clone())
        .await
        .expect("stored unseen");
    assert!(written.expect("an answer").warnings[0].contains("stored unverified"));
    assert_eq!(mount.atlas.operations().await, json!({}));
    config["verify_connection"] = json!(true);
    let refused = mount.write("config", config).await.expect_err("asked for");
    assert!(
        refused.to_string().contains("refused the credential"),
        "{refused}"
    );
}
