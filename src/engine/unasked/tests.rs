//! What is deleted unasked, and what is not, while clocks are wrong or an operator holds it.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::engine::log_lines::Lines;
use crate::engine::process::ServerHold;
use crate::engine::testing::{Account, TestMount};
use crate::vault::{Failure, Secret};

const HOUR: Duration = Duration::from_hours(1);
const AHEAD: TimeDelta = TimeDelta::hours(4);

/// A mount past the grace after its start, with a credential whose lease may last for an hour.
async fn issued() -> (TestMount, Secret) {
    let mount = TestMount::with_role(json!({ "max_ttl": "1h" })).await;
    mount.tick_for(16).await;
    let (_, lease) = mount.issue("reader").await;
    (mount, lease)
}

async fn alive(mount: &TestMount) -> usize {
    mount.atlas.credentials().await.len()
}

async fn clock_hold(mount: &TestMount) -> Value {
    let status = TestMount::data(mount.read("status").await);
    status["hold"]["clock"].clone()
}

#[tokio::test]
async fn a_clock_that_is_ahead_for_a_minute_deletes_nothing() {
    let lines = Lines::default();
    let _listening = lines.listen();
    let (mount, lease) = issued().await;
    mount.clock.jump(AHEAD);
    mount.tick().await.expect("a tick");
    let hold = clock_hold(&mount).await;
    let reason = hold["reason"].as_str().expect("a reason");
    assert!(reason.contains("set forward by 14400 s"), "{hold}");
    assert!(hold["until"].is_string(), "{hold}");
    mount.clock.jump(-AHEAD);
    mount.tick_for(14).await;
    assert!(!clock_hold(&mount).await.is_null());
    assert_eq!(alive(&mount).await, 1);
    mount.tick_for(2).await;
    assert_eq!(clock_hold(&mount).await, Value::Null);
    mount.revoke(&lease).await.expect("revoked");
    assert_eq!(lines.take("until the clocks agree").len(), 1);
}

#[tokio::test]
async fn the_end_of_a_clock_hold_is_logged_once() {
    let lines = Lines::default();
    let (mount, _) = issued().await;
    let _listening = lines.listen();
    mount.clock.jump(AHEAD);
    mount.tick().await.expect("a tick");
    mount.clock.jump(-AHEAD);
    mount.tick_for(40).await;
    assert_eq!(lines.take("clocks agree again").len(), 1);
}

#[tokio::test]
async fn a_clock_that_stays_ahead_of_atlas_deletes_nothing() {
    let (mount, _) = issued().await;
    mount.clock.jump(AHEAD);
    mount.tick_for(40).await;
    assert_eq!(alive(&mount).await, 1);
    let hold = clock_hold(&mount).await;
    let reason = hold["reason"].as_str().expect("a reason");
    assert!(reason.contains("s ahead of Atlas's"), "{hold}");
    assert_eq!(hold["until"], Value::Null);
}

/// No tick sees the step, so only Atlas tells.
#[tokio::test]
async fn a_clock_that_was_set_while_the_process_was_down_deletes_nothing() {
    let (mut mount, _) = issued().await;
    mount.clock.jump(AHEAD);
    mount.restart().await;
    mount.tick_for(20).await;
    assert_eq!(alive(&mount).await, 1);
    mount.clock.jump(-AHEAD);
    mount.advance(HOUR * 3).await;
    mount.tick_for(20).await;
    assert_eq!(alive(&mount).await, 0);
}

/// Too little for a step between two ticks.
#[tokio::test]
async fn a_clock_that_is_led_away_slowly_deletes_nothing() {
    let (mount, _) = issued().await;
    for _ in 0..300 {
        mount.clock.jump(TimeDelta::seconds(50));
        mount.advance(Duration::from_secs(10)).await;
        mount.tick().await.expect("a tick");
    }
    assert_eq!(alive(&mount).await, 1);
}

#[tokio::test]
async fn without_atlas_time_nothing_is_reaped() {
    for lie in [
        json!({ "date_header": false }),
        json!({ "date_skew_seconds": -360 }),
        json!({ "date_skew_seconds": 360 }),
    ] {
        let (mount, _) = issued().await;
        mount.atlas.settings(lie.clone()).await;
        mount.advance(HOUR * 3).await;
        mount.tick().await.expect("a tick");
        assert_eq!(alive(&mount).await, 1, "{lie}");
        assert_eq!(mount.figure("entries", "failing").await, 0, "{lie}");
        let truth = json!({ "date_header": true, "date_skew_seconds": 0 });
        mount.atlas.settings(truth).await;
        mount.tick_for(1).await;
        assert_eq!(alive(&mount).await, 0, "{lie}");
        assert_eq!(clock_hold(&mount).await, Value::Null, "{lie}");
    }
}

#[tokio::test]
async fn atlas_is_asked_for_its_time_once_and_only_where_something_is_due() {
    let (mount, _) = issued().await;
    // A token is not asked for twice, as an old nonce is.
    let account = mount.atlas.account_config();
    mount.write("config", account).await.expect("written");
    // The account is looked at, for another day.
    mount.tick().await.expect("a tick");
    mount.issue("reader").await;
    mount.advance(Duration::from_mins(20)).await;
    mount.atlas.forget_requests().await;
    mount.tick().await.expect("a tick");
    assert_eq!(mount.atlas.operations().await, json!({}));
    mount.advance(HOUR * 3).await;
    mount.tick().await.expect("a tick");
    assert_eq!(alive(&mount).await, 0);
    let asked = mount.atlas.operations().await;
    assert_eq!(asked["getSystemStatus"], 1, "{asked}");
}

#[tokio::test]
async fn the_grace_after_a_start_is_no_matter_of_the_wall_clock() {
    let (mut mount, _) = issued().await;
    mount.advance(HOUR * 3).await;
    mount.restart().await;
    // Atlas agrees, and no tick saw it happen.
    mount.clock.jump(TimeDelta::minutes(20));
    let skew = json!({ "date_skew_seconds": 1_200 });
    mount.atlas.settings(skew).await;
    mount.tick_for(14).await;
    assert_eq!(alive(&mount).await, 1);
    mount.tick_for(2).await;
    assert_eq!(alive(&mount).await, 0);
}

async fn lose_the_answer(mount: &TestMount) {
    for fault in [
        json!({"operation": "createOrgApiKey", "action": {"kind": "lose_answer"}}),
        json!({"operation": "listOrgApiKeys", "action": {"kind": "answer", "status": 403}}),
    ] {
        mount.atlas.fault(fault).await;
    }
    mount.read("creds/reader").await.expect_err("no answer");
    mount.atlas.no_more_faults().await;
}

#[tokio::test]
async fn what_this_process_left_incomplete_is_removed_whatever_the_clock_shows() {
    let (mount, _) = issued().await;
    lose_the_answer(&mount).await;
    assert_eq!(alive(&mount).await, 2);
    mount.clock.jump(AHEAD);
    mount.tick().await.expect("a tick");
    assert_eq!(alive(&mount).await, 1);
}

/// By this clock the entry is old; another node may be at work on it all the same.
#[tokio::test]
async fn what_another_process_left_incomplete_waits_for_the_clocks() {
    let (mut mount, _) = issued().await;
    lose_the_answer(&mount).await;
    mount.restart().await;
    mount.clock.jump(AHEAD);
    mount.tick_for(3).await;
    assert_eq!(alive(&mount).await, 2);
    mount.clock.jump(-AHEAD);
    mount.tick_for(20).await;
    assert_eq!(alive(&mount).await, 1);
}

/// A mount with a static role that rotates each day, an hour's overlap between.
async fn rotating() -> (TestMount, Account) {
    let mount = TestMount::configured().await;
    let account = mount.atlas.account(json!(["ORG_MEMBER"])).await;
    let role = json!({
        "client_id": account.client_id, "organization_id": mount.atlas.org(),
        "rotation_period": "24h", "client_secret": account.secret,
        "skip_initial_rotation": true,
    });
    mount.write("static-roles/app", role).await.expect("a role");
    mount.tick().await.expect("a tick");
    (mount, account)
}

#[tokio::test]
async fn a_due_rotation_is_made_and_its_retirement_waits() {
    let (mount, account) = rotating().await;
    let secrets = async || mount.atlas.secrets(&account.client_id).await.len();
    mount.clock.jump(TimeDelta::hours(25));
    mount.tick().await.expect("a tick");
    assert_eq!(secrets().await, 2);
    mount.clock.jump(TimeDelta::hours(3));
    mount.tick_for(2).await;
    assert_eq!(secrets().await, 2);
    assert!(mount.atlas.mints(&account.client_id, &account.secret).await);
}

#[tokio::test]
async fn an_expired_secret_makes_no_room_while_the_clock_is_doubted() {
    let (mount, account) = rotating().await;
    let secrets = async || mount.atlas.secrets(&account.client_id).await;
    let hours = json!({"client_id": account.client_id, "hours": 8});
    mount.atlas.control("POST", "/secrets", hours).await;
    let before = secrets().await;
    mount.clock.jump(TimeDelta::hours(25));
    mount.tick().await.expect("a tick");
    assert_eq!(secrets().await, before);
}

#[tokio::test]
async fn accounts_whose_tokens_look_dead_are_kept_while_the_clock_is_doubted() {
    let mount = TestMount::with_role(json!({ "credential_type": "access_token" })).await;
    mount.tick_for(16).await;
    mount.issue("reader").await;
    let deleted = crate::vault::Operation::Delete;
    mount
        .ask(deleted, "roles/reader", json!({}))
        .await
        .expect("deleted");
    mount.clock.jump(AHEAD);
    mount.tick().await.expect("a tick");
    mount.clock.jump(-AHEAD);
    mount.tick_for(30).await;
    assert_eq!(alive(&mount).await, 1);
    assert_eq!(mount.figure("entries", "active").await, 1);
}

/// The server takes the lease for over, and so would the token be.
#[tokio::test]
async fn a_token_that_looks_dead_by_a_clock_that_was_set_is_revoked_all_the_same() {
    let role = json!({ "credential_type": "access_token", "ip_addresses": "" });
    let mount = TestMount::with_role(role).await;
    let (_, lease) = mount.issue("reader").await;
    mount.tick().await.expect("a tick");
    mount.clock.jump(AHEAD);
    mount.revoke(&lease).await.expect("revoked");
    let state = mount.atlas.state().await;
    assert_eq!(state["tokens"].as_array().map_or(0, Vec::len), 0, "{state}");
}

#[tokio::test]
async fn what_a_person_orders_is_not_held_by_the_clock() {
    let (mount, account) = rotating().await;
    mount.write_reader(json!({})).await;
    let (_, lease) = mount.issue("reader").await;
    mount.clock.jump(AHEAD);
    mount.tick().await.expect("a tick");
    mount.revoke(&lease).await.expect("revoked");
    let no_overlap = json!({ "overlap": 0 });
    mount
        .write("static-roles/app", no_overlap)
        .await
        .expect("written");
    mount
        .write("rotate-role/app", json!({}))
        .await
        .expect("rotated");
    assert_eq!(mount.atlas.secrets(&account.client_id).await.len(), 1);
    let old = mount.atlas.key_id().to_owned();
    mount
        .write("config/rotate-root", json!({}))
        .await
        .expect("rotated");
    let state = mount.atlas.state().await.to_string();
    assert!(!state.contains(&old), "{state}");
}

#[tokio::test]
async fn the_environment_holds_what_nobody_asks_for() {
    let (mut mount, lease) = issued().await;
    let rotated = json!({ "rotation_period": 60 });
    mount.write("config", rotated).await.expect("written");
    lose_the_answer(&mount).await;
    mount.restart_held(ServerHold::Unasked).await;
    mount.atlas.forget_requests().await;
    mount.advance(HOUR * 5).await;
    mount.tick_for(20).await;
    assert_eq!(mount.atlas.operations().await, json!({}));
    let warnings = mount.read_warnings("config").await;
    assert!(
        warnings
            .iter()
            .any(|told| told.contains("MONGODBATLAS_HOLD=true")),
        "{warnings:?}"
    );
    let status = TestMount::data(mount.read("status").await);
    assert_eq!(status["hold"]["environment"], "true");
    mount.revoke(&lease).await.expect("revoked");
    assert_eq!(alive(&mount).await, 1);
}

#[tokio::test]
async fn a_server_that_holds_everything_sends_nothing_to_atlas() {
    let (mut mount, lease) = issued().await;
    mount.restart_held(ServerHold::All).await;
    mount.atlas.forget_requests().await;
    mount.tick_for(3).await;
    for outcome in [
        mount.revoke(&lease).await,
        mount.read("creds/reader").await,
        mount.read("check").await,
        mount.write("config", mount.atlas.key_config()).await,
        mount.write("config/rotate-root", json!({})).await,
        mount.write("tidy", json!({})).await,
    ] {
        let refused = outcome.expect_err("refused");
        let Failure::Coded { status: 503, text } = &refused else {
            panic!("{refused}");
        };
        assert!(text.contains("MONGODBATLAS_HOLD=all"), "{text}");
        assert!(text.contains("irrevocable"), "{text}");
    }
    mount.read("status").await.expect("read");
    assert_eq!(mount.atlas.operations().await, json!({}));
    assert_eq!(alive(&mount).await, 1);
}

#[tokio::test]
async fn an_older_hold_continues_under_its_new_name() {
    let mut mount = TestMount::configured().await;
    let config = mount.storage.value("config");
    let mut config: Value = serde_json::from_slice(&config).expect("json");
    config["hold_deletions"] = json!(true);
    mount.take_over(config).await;
    assert_eq!(TestMount::data(mount.read("config").await)["hold"], true);
}

/// A copy whose leases ended for want of a renewal would have more to revoke than it may.
#[tokio::test]
async fn leases_are_renewed_where_that_needs_no_atlas_though_everything_is_held() {
    let (mut mount, of_key) = issued().await;
    let account = mount.atlas.make_account(0, json!({})).await;
    let org = mount.atlas.org().to_owned();
    for (name, role) in [
        (
            "account",
            json!({
                "credential_type": "service_account", "organization_id": org, "roles": "ORG_MEMBER",
            }),
        ),
        (
            "secret",
            json!({
                "credential_type": "service_account", "organization_id": org, "client_id": account,
            }),
        ),
    ] {
        let path = format!("roles/{name}");
        mount.write(&path, role).await.expect("a role");
    }
    let (_, of_account) = mount.issue("account").await;
    let (_, of_secret) = mount.issue("secret").await;
    mount.restart_held(ServerHold::All).await;
    mount.atlas.forget_requests().await;
    for lease in [&of_key, &of_account] {
        let renewed = mount.renew(lease).await.expect("renewed");
        let lease = renewed.and_then(|answer| answer.secret).expect("a lease");
        assert!(lease.max_ttl > Duration::ZERO);
    }
    let refused = mount.renew(&of_secret).await.expect_err("refused");
    let Failure::Coded { status: 503, text } = &refused else {
        panic!("{refused}");
    };
    for part in ["MONGODBATLAS_HOLD=all", "one secret of a service account"] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(mount.atlas.operations().await, json!({}));
}

/// As where nothing is held: what the configuration could not end is not extended.
#[tokio::test]
async fn a_lease_of_another_address_is_not_renewed_though_everything_is_held() {
    let (mut mount, lease) = issued().await;
    let elsewhere = crate::engine::testing::Atlas::another().await;
    let mut config = elsewhere.key_config();
    config["organization_id"] = json!(elsewhere.org());
    mount.write("config", config).await.expect("written");
    mount.restart_held(ServerHold::All).await;
    let refused = mount.renew(&lease).await.expect_err("refused").to_string();
    for address in [elsewhere.address(), mount.atlas.address()] {
        assert!(refused.contains(address), "{refused}");
    }
}

/// Nobody has told a time since the start, so that nothing speaks against the clock, nor for it.
#[tokio::test]
async fn a_token_that_looks_dead_by_a_clock_that_nobody_confirmed_is_revoked_all_the_same() {
    let role = json!({ "credential_type": "access_token", "ip_addresses": "" });
    let mut mount = TestMount::with_role(role).await;
    let (_, lease) = mount.issue("reader").await;
    mount.clock.jump(AHEAD);
    mount.restart().await;
    let away = json!({
        "operation": "oauthRevoke", "count": 0, "action": {"kind": "answer", "status": 403},
    });
    mount.atlas.fault(away).await;
    mount.revoke(&lease).await.expect_err("nobody can be asked");
    mount.atlas.no_more_faults().await;
    mount.revoke(&lease).await.expect("revoked");
    let state = mount.atlas.state().await;
    assert_eq!(state["tokens"].as_array().map_or(0, Vec::len), 0, "{state}");
    assert_eq!(mount.figure("entries", "active").await, 0);
}
