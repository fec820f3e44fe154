//! What the periodic function does by itself: finishes, watches, tells, and never fights.

use std::time::Duration;

use serde_json::{Value, json};

use super::customer_tests::{Customer, OWN_APP};
use crate::engine::log_lines::Lines;
use crate::engine::testing::TestMount;

impl Customer {
    pub(super) fn stored(&self) -> String {
        let key = format!("encryption-at-rest/azure/{}", self.mount.atlas.project(0));
        String::from_utf8(self.mount.storage.value(&key)).expect("a text")
    }

    pub(super) async fn put_static_back(&self) {
        self.set(self.static_block(&json!({}))).await;
    }
}

#[tokio::test]
async fn a_change_proves_itself_and_then_the_static_secret_goes() {
    for (keep, hold) in [(false, false), (true, false), (false, true)] {
        let customer = Customer::new().await;
        customer.encrypted().await;
        let fields = json!({"observe": "3m", "keep_static": keep});
        customer.registered_with(fields).await;
        customer.grant().await;
        customer.apply().await.expect("changed over");
        customer.mount.tick_for(2).await;
        assert_eq!(customer.read().await["state"], "observing");
        customer.mount.tick_for(1).await;
        let read = customer.read().await;
        assert_eq!(read["state"], "applied");
        assert_eq!(read["way_back"], "unproved", "it is kept for a while");
        if hold {
            let config = json!({"hold": true});
            customer.mount.write("config", config).await.expect("held");
        }
        customer.mount.tick_for(15).await;
        let is_kept = customer.stored().contains(&customer.secret);
        assert_eq!(is_kept, keep || hold, "{keep} {hold}");
        let way_back = customer.read().await["way_back"].clone();
        assert_eq!(way_back == "no secret in keeping", !is_kept);
        customer.assert_only_credentials_were_sent().await;
    }
}

#[tokio::test]
async fn a_secret_that_is_handed_in_after_the_change_stays() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    customer.registered_with(json!({"observe": "1m"})).await;
    customer.grant().await;
    customer.apply().await.expect("changed over");
    customer.mount.tick_for(20).await;
    assert_eq!(customer.read().await["way_back"], "no secret in keeping");
    customer.registered_with(json!({})).await;
    customer.mount.tick_for(40).await;
    let read = customer.read().await;
    assert_eq!(
        (&read["state"], &read["way_back"]),
        (&json!("applied"), &json!("unproved"))
    );
}

#[tokio::test]
async fn a_key_that_cannot_be_used_is_told_once_and_again_when_it_can() {
    let lines = Lines::default();
    let _listening = lines.listen();
    let customer = Customer::new().await;
    customer.changed_over().await;
    customer.revoke().await;
    customer.mount.tick_for(3).await;
    let warned = lines.take("Atlas cannot use the project's key");
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert!(warned[0].contains(customer.mount.atlas.project(0)));
    let read = customer.read().await;
    assert_eq!(
        (&read["valid"], &read["state"]),
        (&json!(false), &json!("observing"))
    );
    assert!(read["invalid_since"].is_string());
    let warnings = customer.mount.read_warnings(&customer.path).await;
    assert!(warnings[0].contains("stops its clusters"), "{warnings:?}");
    customer.grant().await;
    customer.mount.tick_for(2).await;
    assert_eq!(lines.take("can use the project's key again").len(), 1);
    assert_eq!(customer.read().await["invalid_since"], Value::Null);
    // It was public, so nothing was sent for it.
    assert_eq!(customer.changes().await.len(), 1);
}

#[tokio::test]
async fn a_first_answer_without_valid_or_with_false_is_no_alarm() {
    let lines = Lines::default();
    let _listening = lines.listen();
    for told in [Value::Null, json!(false)] {
        let customer = Customer::new().await;
        customer.encrypted().await;
        let role = customer.register().await["role_id"].clone();
        customer.grant().await;
        let mut block = customer.key.clone();
        block["enabled"] = json!(true);
        block["roleId"] = role;
        if !told.is_null() {
            block["valid"] = told.clone();
        }
        let fault = json!({
            "operation": "getEncryptionAtRest", "skip": 1,
            "action": {"kind": "answer", "status": 200, "body": {"azureKeyVault": block}},
        });
        customer.mount.atlas.fault(fault).await;
        let answer = customer.apply().await.expect("changed").expect("an answer");
        let data = answer.data.expect("data");
        assert_eq!(
            (&data["state"], &data["valid"], &data["invalid_since"]),
            (&json!("observing"), &told, &Value::Null)
        );
        assert!(answer.warnings.is_empty(), "{:?}", answer.warnings);
        customer.mount.tick_for(21).await;
        assert_eq!(customer.read().await["state"], "applied", "{told}");
        assert!(lines.take("cannot use the project's key").is_empty());
    }
}

#[tokio::test]
async fn what_another_puts_back_is_told_and_not_fought_and_apply_mends_it() {
    let lines = Lines::default();
    let _listening = lines.listen();
    let customer = Customer::new().await;
    customer.changed_over().await;
    customer.mount.tick_for(21).await;
    let role = customer.read().await["role_id"].clone();
    customer.put_static_back().await;
    customer.mount.tick_for(15).await;
    let read = customer.read().await;
    assert_eq!(
        (&read["state"], &read["mode"]),
        (&json!("applied"), &json!("static"))
    );
    let drift = read["drift"].to_string();
    assert!(drift.contains(OWN_APP), "{drift}");
    assert!(drift.contains(role.as_str().expect("an id")), "{drift}");
    customer.mount.tick_for(30).await;
    let warned = lines.take("differs from what was sent");
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert!(warned[0].contains(OWN_APP), "{warned:?}");
    assert_eq!(customer.changes().await.len(), 1, "nothing was fought");
    let answer = TestMount::data(customer.apply().await);
    assert_eq!(
        (&answer["state"], &answer["mode"], &answer["drift"]),
        (&json!("observing"), &json!("role"), &json!([]))
    );
}

#[tokio::test]
async fn a_change_that_is_undone_while_it_is_watched_counts_as_failed() {
    let customer = Customer::new().await;
    customer.changed_over().await;
    customer.put_static_back().await;
    customer.mount.tick_for(2).await;
    let read = customer.read().await;
    assert_eq!(
        (&read["state"], &read["mode"]),
        (&json!("observing"), &json!("static"))
    );
    customer.mount.tick_for(20).await;
    let read = customer.read().await;
    assert_eq!(read["state"], "failed");
    assert!(read["last_error"].to_string().contains(OWN_APP), "{read:?}");
    assert_ne!(read["drift"], json!([]), "it still differs");
    customer.apply().await.expect("once more");
    assert_eq!(customer.read().await["drift"], json!([]));
}

#[tokio::test]
async fn a_key_that_others_change_later_is_drift_until_apply_takes_it_as_known() {
    let customer = Customer::new().await;
    customer.changed_over().await;
    let role = customer.read().await["role_id"].clone();
    let key = json!({"vault": "v", "name": "k"});
    let made = customer.mount.atlas.control("POST", "/azure/keys", key);
    let other = made.await["keyIdentifier"].clone();
    let mut block = customer.key.clone();
    block["keyIdentifier"] = other.clone();
    block["enabled"] = json!(true);
    block["roleId"] = role;
    customer.set(block).await;
    customer.mount.tick_for(1).await;
    for _ in 0..2 {
        let drift = customer.read().await["drift"].to_string();
        assert!(drift.contains(other.as_str().expect("a text")), "{drift}");
        let former = &customer.key["keyIdentifier"];
        assert!(drift.contains(former.as_str().expect("a text")), "{drift}");
        customer.mount.tick_for(2).await;
    }
    let answer = TestMount::data(customer.apply().await);
    assert_eq!(answer["drift"], json!([]));
    assert_eq!(customer.changes().await.len(), 1, "nothing was sent");
}

#[tokio::test]
async fn a_hold_holds_what_is_sent_again_and_not_the_looks() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    customer.register().await;
    customer.grant().await;
    customer
        .fault("updateEncryptionAtRest", json!({"kind": "close"}))
        .await;
    customer.apply().await.expect_err("unknown");
    assert_eq!(customer.read().await["state"], "applying");
    let hold = |on: bool| customer.mount.write("config", json!({"hold": on}));
    hold(true).await.expect("held");
    customer.mount.tick_for(3).await;
    let read = customer.read().await;
    assert_eq!(
        (&read["state"], &read["mode"]),
        (&json!("applying"), &json!("static"))
    );
    assert_eq!(
        read["valid_seen_at"],
        json!(crate::base::Rfc3339(customer.mount.now()))
    );
    assert_eq!(customer.changes().await.len(), 1);
    hold(false).await.expect("no longer held");
    customer.mount.tick_for(1).await;
    assert_eq!(customer.read().await["state"], "observing");
}

#[tokio::test]
async fn a_clock_that_is_set_forward_does_not_cost_the_secret() {
    let customer = Customer::new().await;
    customer.changed_over().await;
    customer.mount.clock.jump(chrono::TimeDelta::days(2));
    customer.mount.tick_for(40).await;
    assert!(customer.stored().contains(&customer.secret));
    customer.standing().await;
}

#[tokio::test]
async fn a_clock_that_is_set_back_holds_nothing_up() {
    let customer = Customer::new().await;
    customer.changed_over().await;
    customer.mount.clock.jump(chrono::TimeDelta::days(-2));
    customer.mount.tick_for(22).await;
    assert_eq!(customer.read().await["state"], "applied");
    customer.mount.tick_for(16).await;
    let seen = customer.read().await["valid_seen_at"].clone();
    customer.mount.clock.jump(chrono::TimeDelta::days(-2));
    customer.mount.tick_for(1).await;
    assert_ne!(customer.read().await["valid_seen_at"], seen);
}

#[tokio::test]
async fn encryption_that_is_switched_off_while_it_is_watched_is_told() {
    let customer = Customer::new().await;
    customer.changed_over().await;
    customer.set(json!({})).await;
    customer.mount.tick_for(1).await;
    let read = customer.read().await;
    assert!(read["drift"][0].to_string().contains("is off"), "{read:?}");
    customer.mount.tick_for(20).await;
    let read = customer.read().await;
    assert_eq!(
        (&read["state"], &read["mode"]),
        (&json!("failed"), &json!("none"))
    );
    assert_eq!(customer.changes().await.len(), 1);
}

#[tokio::test]
async fn a_secret_that_is_written_again_is_the_one_of_before() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    customer.registered_with(json!({"observe": "1m"})).await;
    customer.grant().await;
    customer.apply().await.expect("changed over");
    customer.mount.tick_for(3).await;
    assert_eq!(customer.read().await["state"], "applied");
    customer.registered_with(json!({})).await;
    assert_eq!(
        customer.read().await["state"],
        "applied",
        "registering again"
    );
    customer.mount.tick_for(17).await;
    assert_eq!(customer.read().await["way_back"], "no secret in keeping");
}

#[tokio::test]
async fn one_project_that_cannot_be_asked_does_not_keep_the_others() {
    let lines = Lines::default();
    let _listening = lines.listen();
    let customer = Customer::new().await;
    let atlas = &customer.mount.atlas;
    let other = format!("encryption-at-rest/azure/{}", atlas.project(1));
    customer.register().await;
    customer
        .mount
        .write(&other, customer.ids())
        .await
        .expect("registered");
    let fault = json!({
        "path_prefix": format!("/api/atlas/v2/groups/{}/encryptionAtRest", atlas.project(0)),
        "count": 0, "action": {"kind": "answer", "status": 403, "code": "USER_UNAUTHORIZED"},
    });
    atlas.fault(fault).await;
    customer.mount.tick_for(17).await;
    let seen = customer.mount.read(&other).await;
    let seen = TestMount::data(seen)["valid_seen_at"].clone();
    let earlier = customer.read().await["valid_seen_at"].clone();
    assert!(seen.as_str() > earlier.as_str(), "{seen} {earlier}");
    let warnings = customer.mount.read_warnings(&customer.path).await;
    assert!(warnings[0].contains("could not be asked"), "{warnings:?}");
    customer.mount.tick_for(20).await;
    assert_eq!(lines.take("could not look at").len(), 1, "told once");
    atlas.no_more_faults().await;
    customer.mount.advance(Duration::from_hours(1)).await;
    customer.mount.tick().await.expect("a tick");
    assert!(
        customer
            .mount
            .read_warnings(&customer.path)
            .await
            .is_empty()
    );
}
