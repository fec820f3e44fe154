//! What may be asked of `apply`: to wait for a grant, to switch encryption on, to take a role over.

use serde_json::{Value, json};

use super::customer_tests::Customer;
use crate::engine::log_lines::Lines;
use crate::engine::testing::TestMount;

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
async fn a_wait_ends_in_time_though_the_clock_is_set_back() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    customer.register().await;
    let wait = json!({"retry_for": "10m"});
    customer.apply_with(wait).await.expect("it waits");
    customer.mount.clock.jump(chrono::TimeDelta::days(-2));
    customer.mount.tick_for(1).await;
    assert!(customer.changes().await.len() > 1, "it is tried at once");
    customer.mount.tick_for(65).await;
    assert_eq!(customer.read().await["state"], "failed");
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
