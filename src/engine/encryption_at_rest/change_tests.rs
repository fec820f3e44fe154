//! Changing over to the role, and back, on the simulator.

use serde_json::{Value, json};

use super::customer_tests::Customer;
use crate::engine::testing::TestMount;

#[tokio::test]
async fn a_project_is_changed_over_and_nothing_but_its_credential() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    customer.register().await;
    customer.grant().await;
    let answer = TestMount::data(customer.apply().await);
    assert_eq!(
        (&answer["state"], &answer["mode"]),
        (&json!("observing"), &json!("role"))
    );
    assert_eq!(
        (&answer["valid"], &answer["drift"]),
        (&json!(true), &json!([]))
    );
    let standing = customer.standing().await;
    assert_eq!(
        (&standing["role_id"], &standing["holds_static"]),
        (&answer["role_id"], &json!(false))
    );
    let mut block = customer.key.clone();
    block["enabled"] = json!(true);
    block["roleId"] = answer["role_id"].clone();
    assert_eq!(customer.changes().await, [json!({"azureKeyVault": block})]);
    // Again, it is there already, and nothing is sent.
    TestMount::data(customer.apply().await);
    assert_eq!(customer.changes().await.len(), 1);
}

#[tokio::test]
async fn a_missing_grant_changes_nothing_and_is_told() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    customer.register().await;
    let before = customer.standing().await;
    let refused = customer.apply().await.expect_err("no grant").to_string();
    assert!(refused.contains("nothing was changed"), "{refused}");
    assert!(refused.contains("INVALID_AZURE_CREDENTIALS"), "{refused}");
    assert_eq!(customer.standing().await, before);
    let read = TestMount::data(customer.mount.read(&customer.path).await);
    assert_eq!(read["state"], "failed");
    customer.grant().await;
    let answer = TestMount::data(customer.apply().await);
    assert_eq!(answer["state"], "observing");
}

#[tokio::test]
async fn a_crash_or_a_lost_answer_leaves_the_role_or_what_was() {
    for action in [
        json!({"kind": "lose_answer"}),
        json!({"kind": "close"}),
        json!({"kind": "answer", "status": 500}),
        json!({"kind": "answer", "status": 500, "after_effect": true}),
        json!({"kind": "not_json"}),
    ] {
        let mut customer = Customer::new().await;
        customer.encrypted().await;
        customer.register().await;
        customer.grant().await;
        customer
            .fault("updateEncryptionAtRest", action.clone())
            .await;
        let _ = customer.apply().await;
        let standing = customer.standing().await;
        assert_eq!(standing["check"], "usable", "{action}");
        customer.mount.restart().await;
        let answer = TestMount::data(customer.apply().await);
        assert_eq!(answer["state"], "observing", "{action}");
        assert_eq!(customer.standing().await["mode"], "role", "{action}");
    }
}

#[tokio::test]
async fn what_another_writes_at_the_same_time_is_told_and_not_fought() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    customer.register().await;
    customer.grant().await;
    let made =
        customer
            .mount
            .atlas
            .control("POST", "/azure/keys", json!({"vault": "v", "name": "k"}));
    let other = made.await["keyIdentifier"].clone();
    let meddle = json!({
        "kind": "other_writer", "after_effect": true,
        "body": {"azureKeyVault": {"keyIdentifier": other}},
    });
    customer.fault("updateEncryptionAtRest", meddle).await;
    let answer = customer.apply().await.expect("changed").expect("an answer");
    let data = answer.data.expect("data");
    assert_eq!(
        data["drift"].as_array().map(Vec::len),
        Some(1),
        "{:?}",
        data["drift"]
    );
    assert_eq!(answer.warnings.len(), 1);
    assert!(answer.warnings[0].contains(other.as_str().expect("a text")));
    assert_eq!(data["mode"], "role");
    // One is ours, the other the other's; no third came of it.
    assert_eq!(customer.changes().await.len(), 2);
}

#[tokio::test]
async fn a_private_project_is_not_changed_yet() {
    let customer = Customer::new().await;
    customer.register().await;
    let private = json!({"requirePrivateNetworking": true});
    customer.set(customer.static_block(&private)).await;
    let refused = customer.apply().await.expect_err("private").to_string();
    assert!(refused.contains("private networking"), "{refused}");
    assert_eq!(customer.changes().await, [] as [Value; 0]);
}

#[tokio::test]
async fn a_project_goes_back_to_the_secret_in_keeping() {
    let customer = Customer::new().await;
    customer.changed_over().await;
    let allowed = json!({"static_credentials_after_role": "accept"});
    customer.mount.atlas.settings(allowed).await;
    // What was asked once more after a lost answer comes to the same.
    customer
        .fault("updateEncryptionAtRest", json!({"kind": "lose_answer"}))
        .await;
    let lost = customer.roll_back().await;
    lost.expect_err("nobody knows");
    let read = TestMount::data(customer.mount.read(&customer.path).await);
    assert_eq!(read["state"], "rolling_back");
    let answer = TestMount::data(customer.roll_back().await);
    assert_eq!(
        (&answer["state"], &answer["mode"]),
        (&json!("static"), &json!("static"))
    );
    assert_eq!(answer["way_back"], "available");
    let held = json!({
        "project_id": customer.mount.atlas.project(0), "client_secret": customer.secret,
    });
    let held = customer
        .mount
        .atlas
        .control("POST", "/encryption/holds", held)
        .await;
    assert_eq!(held["holds"], json!(true));
    assert_eq!(customer.standing().await["check"], "usable");
    let log = customer
        .mount
        .atlas
        .control("GET", "/requests", Value::Null)
        .await;
    assert!(!log.to_string().contains(&customer.secret));
}

#[tokio::test]
async fn a_way_back_that_atlas_refuses_changes_nothing() {
    let customer = Customer::new().await;
    customer.changed_over().await;
    let before = customer.standing().await;
    let refused = customer.roll_back().await.expect_err("refused").to_string();
    assert!(refused.contains("refuses the way back"), "{refused}");
    assert!(
        refused.contains("AZURE_KEY_VAULT_CREDENTIALS_DEPRECATED"),
        "{refused}"
    );
    assert!(refused.contains(&customer.principal), "{refused}");
    assert!(!refused.contains(&customer.secret));
    assert_eq!(customer.standing().await, before);
    let read = TestMount::data(customer.mount.read(&customer.path).await);
    assert_eq!(read["state"], "observing");
    let other = Customer::new().await;
    let none = other.roll_back().await.expect_err("nothing in keeping");
    assert!(none.to_string().contains("no static secret in keeping"));
}
