//! What the periodic function does by itself: finishes, watches, tells, and never fights.

use std::time::Duration;

use serde_json::{Value, json};

use super::customer_tests::{Customer, OWN_APP};
use crate::engine::log_lines::Lines;
use crate::engine::testing::TestMount;

impl Customer {
    fn stored(&self) -> String {
        let key = format!("encryption-at-rest/azure/{}", self.mount.atlas.project(0));
        String::from_utf8(self.mount.storage.value(&key)).expect("a text")
    }

    async fn put_static_back(&self) {
        let mut block = self.key.clone();
        for (name, value) in [
            ("enabled", json!(true)),
            ("tenantID", json!(self.tenant)),
            ("clientID", json!(OWN_APP)),
            ("secret", json!(self.secret)),
        ] {
            block[name] = value;
        }
        self.set(block).await;
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
async fn a_missing_grant_is_waited_for_and_the_change_made_when_it_is_there() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    customer.register().await;
    let wait = json!({"retry_for": "10m"});
    let answer = customer.apply_with(wait).await.expect("it waits");
    let answer = answer.expect("an answer");
    let data = answer.data.expect("data");
    assert_eq!(data["state"], "waiting");
    let error = data["last_error"].as_str().expect("why");
    assert!(error.contains("INVALID_AZURE_CREDENTIALS"), "{error}");
    assert!(data["next_retry_time"].is_string() && data["retry_until"].is_string());
    assert!(
        answer.warnings[0].contains("tried again at"),
        "{:?}",
        answer.warnings
    );
    customer.mount.tick_for(3).await;
    assert_eq!(customer.read().await["state"], "waiting");
    customer.grant().await;
    customer.mount.tick_for(4).await;
    let read = customer.read().await;
    assert_eq!(
        (&read["state"], &read["mode"]),
        (&json!("observing"), &json!("role"))
    );
    assert_eq!(
        (
            &read["last_error"],
            &read["retry_until"],
            &read["next_retry_time"]
        ),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    customer.assert_only_credentials_were_sent().await;
}

#[tokio::test]
async fn a_grant_that_never_comes_is_given_up_in_time_and_the_project_stays_as_it_was() {
    let lines = Lines::default();
    let _listening = lines.listen();
    let mut customer = Customer::new().await;
    customer.encrypted().await;
    customer.register().await;
    let before = customer.standing().await;
    let wait = json!({"retry_for": "10m"});
    customer.apply_with(wait).await.expect("it waits");
    customer.mount.tick_for(5).await;
    customer.mount.restart().await;
    customer.mount.tick_for(6).await;
    let read = customer.read().await;
    assert_eq!(
        (&read["state"], &read["mode"]),
        (&json!("failed"), &json!("static"))
    );
    assert_eq!(lines.take("could not be changed over").len(), 1);
    assert_eq!(customer.standing().await, before);
    let tries = customer.changes().await.len();
    assert!((4..=8).contains(&tries), "{tries}");
    customer.mount.tick_for(30).await;
    assert_eq!(customer.changes().await.len(), tries);
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

#[tokio::test]
async fn encryption_is_switched_on_with_the_key_that_is_named() {
    let customer = Customer::new().await;
    customer.register().await;
    customer.grant().await;
    let refused = customer.apply().await.expect_err("off").to_string();
    assert!(refused.contains("give enable=true"), "{refused}");
    let mut fields = json!({"enable": true});
    let faults = customer.apply_with(fields.clone()).await;
    let faults = faults.expect_err("no key").to_string();
    for name in [
        "subscription_id",
        "resource_group_name",
        "key_vault_name",
        "key_identifier",
    ] {
        assert!(faults.contains(name), "{name}: {faults}");
    }
    for (ours, theirs) in [
        ("subscription_id", "subscriptionID"),
        ("resource_group_name", "resourceGroupName"),
        ("key_vault_name", "keyVaultName"),
        ("key_identifier", "keyIdentifier"),
    ] {
        fields[ours] = customer.key[theirs].clone();
    }
    let mut dry = fields.clone();
    dry["dry_run"] = json!(true);
    let plan = TestMount::data(customer.apply_with(dry).await);
    assert_eq!(plan["obstacles"], json!([]));
    assert_eq!(plan["would_change"].as_array().map(Vec::len), Some(7));
    // It goes on by itself where the answer is lost, too.
    customer
        .fault("updateEncryptionAtRest", json!({"kind": "close"}))
        .await;
    customer
        .apply_with(fields.clone())
        .await
        .expect_err("unknown");
    customer.mount.tick_for(1).await;
    let read = customer.read().await;
    assert_eq!(
        (&read["state"], &read["mode"]),
        (&json!("observing"), &json!("role"))
    );
    customer.assert_only_credentials_were_sent().await;
    // A key is named without enable, or another where one is in use: neither is done.
    let other = customer
        .apply_with(json!({"key_identifier": "https://v/keys/k/1"}))
        .await;
    assert!(
        other
            .expect_err("no")
            .to_string()
            .contains("goes with enable=true")
    );
}

#[tokio::test]
async fn enable_changes_no_key_that_is_there() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    customer.register().await;
    customer.grant().await;
    let fields = json!({
        "enable": true, "subscription_id": customer.key["subscriptionID"],
        "resource_group_name": "g", "key_vault_name": "v",
        "key_identifier": "https://v.vault.azure.net/keys/other/1",
    });
    let refused = customer.apply_with(fields).await.expect_err("on already");
    assert!(
        refused.to_string().contains("enable changes no key"),
        "{refused}"
    );
    assert_eq!(customer.changes().await.len(), 0);
}

#[tokio::test]
async fn a_role_that_atlas_uses_already_is_taken_over_when_that_is_asked_for() {
    let customer = Customer::new().await;
    let used = customer.register().await["role_id"].clone();
    customer.grant().await;
    let forget = customer
        .mount
        .ask(crate::vault::Operation::Delete, &customer.path, json!({}));
    forget.await.expect("forgotten");
    let mut block = customer.key.clone();
    block["enabled"] = json!(true);
    block["roleId"] = used.clone();
    customer.set(block).await;
    // The entry is of the application in another directory.
    let control = async |path: &str, body| customer.mount.atlas.control("POST", path, body).await;
    let tenant = control("/azure/tenants", json!({})).await["tenant_id"].clone();
    let made = control("/azure/principals", json!({"tenant_id": tenant})).await;
    let other = json!({
        "tenant_id": tenant, "service_principal_id": made["service_principal_id"],
    });
    customer
        .mount
        .write(&customer.path, other)
        .await
        .expect("registered");
    let refused = customer
        .apply()
        .await
        .expect_err("another role")
        .to_string();
    assert!(refused.contains("adopt=true"), "{refused}");
    let answer = TestMount::data(customer.apply_with(json!({"adopt": true})).await);
    assert_eq!(
        (
            &answer["role_id"],
            &answer["tenant_id"],
            &answer["service_principal_id"]
        ),
        (&used, &json!(customer.tenant), &json!(customer.principal))
    );
    assert_eq!(
        (&answer["state"], &answer["drift"]),
        (&json!("applied"), &json!([]))
    );
    assert_eq!(customer.changes().await.len(), 0);
}
