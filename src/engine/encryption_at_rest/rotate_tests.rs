//! A new static secret, on the simulator: whatever fails, Atlas holds one that works, and what is stored
//! names it.

use std::time::Duration;

use serde_json::{Value, json};

use super::customer_tests::{Customer, OWN_APP};
use crate::engine::testing::TestMount;

/// Half a year.
const LONG: u64 = 180 * 86_400;

fn lost() -> [Value; 5] {
    [
        json!({"kind": "lose_answer"}),
        json!({"kind": "close"}),
        json!({"kind": "answer", "status": 500}),
        json!({"kind": "answer", "status": 500, "after_effect": true}),
        json!({"kind": "not_json"}),
    ]
}

fn secret_of(stored: &Value, name: &str) -> Value {
    stored[name]["client_secret"].clone()
}

#[tokio::test]
async fn a_secret_is_replaced_with_the_same_ids_and_all_else_as_it_was() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    let new = customer.another_secret(LONG).await;
    let given = json!({
        "client_secret": new, "client_secret_expires_at": "2200-01-31T12:00:00Z",
    });
    let answer = customer
        .rotate(given)
        .await
        .expect("rotated")
        .expect("an answer");
    let data = answer.data.expect("data");
    assert_eq!(
        (&data["state"], &data["mode"], &data["valid"]),
        (&json!("static"), &json!("static"), &json!(true))
    );
    assert_eq!(data["way_back"], "available");
    assert_eq!(data["client_id"], OWN_APP);
    assert_eq!(data["client_secret_expires_at"], "2200-01-31T12:00:00Z");
    assert!(!json!(data).to_string().contains(&new));
    assert!(customer.holds(&new).await);
    let mut block = customer.key.clone();
    block["enabled"] = json!(true);
    block["tenantID"] = json!(customer.tenant);
    block["clientID"] = json!(OWN_APP);
    let sent = customer.changes().await;
    let mut sent = sent.into_iter().next().expect("one change");
    let secret = sent["azureKeyVault"]["secret"].take();
    assert!(secret.is_string(), "{secret}");
    block["secret"] = Value::Null;
    assert_eq!(sent, json!({"azureKeyVault": block}));
    let stored = customer.entry();
    assert_eq!(secret_of(&stored, "static"), json!(new));
    assert_eq!(stored["static"]["proved"], json!(true));
    assert_eq!(stored["pending"], Value::Null);
}

/// A check of Atlas's has to go by, and has to find the key valid.
#[tokio::test]
async fn the_answer_says_from_when_the_secret_before_may_go() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    let new = customer.another_secret(LONG).await;
    let began = customer.mount.now();
    let answer = customer.rotate(json!({"client_secret": new})).await;
    let answer = answer.expect("rotated").expect("an answer");
    let at = began + chrono::TimeDelta::minutes(20);
    let at = crate::base::Rfc3339(at).to_string();
    let data = answer.data.expect("data");
    assert_eq!(data["previous_secret_removable_at"], json!(at));
    let told = answer.warnings.join("\n");
    assert!(told.contains(&at), "{told}");
    assert!(
        told.contains("client_secret_expires_at was not given"),
        "{told}"
    );
    let warnings = customer
        .mount
        .read_warnings(&customer.path)
        .await
        .join("\n");
    assert!(warnings.contains(&at), "{warnings}");
    for _ in 0..40 {
        customer.mount.tick_for(1).await;
    }
    let warnings = customer.mount.read_warnings(&customer.path).await;
    assert_eq!(warnings, [""; 0]);
    assert_eq!(customer.standing().await["check"], "usable");
}

#[tokio::test]
async fn a_secret_that_atlas_refuses_is_not_kept_and_the_one_before_stays() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    let wrong = json!({"client_secret": "wrong-one"});
    let refused = customer.rotate(wrong.clone()).await.expect_err("wrong");
    let refused = refused.to_string();
    let want = "Atlas refused the new secret (INVALID_AZURE_CREDENTIALS); the one before stays in \
                force; a fresh Azure secret may need minutes";
    assert!(refused.contains(want), "{refused}");
    assert!(!refused.contains("wrong-one"), "{refused}");
    // Nothing was known of the project before, and nothing is.
    let read = customer.mount.read(&customer.path).await;
    assert!(read.expect("an answer").is_none());
    customer.kept("2200-01-31T12:00:00Z").await;
    customer.rotate(wrong).await.expect_err("wrong");
    let stored = customer.entry();
    assert_eq!(secret_of(&stored, "static"), json!(customer.secret));
    assert_eq!(stored["pending"], Value::Null);
    assert!(!stored.to_string().contains("wrong-one"), "{stored}");
    assert_eq!(stored["state"], "failed");
    assert!(customer.holds(&customer.secret).await);
    assert_eq!(customer.standing().await["check"], "usable");
    // Out of it leads another one.
    let new = customer.another_secret(LONG).await;
    let answer = TestMount::data(customer.rotate(json!({"client_secret": new})).await);
    assert_eq!(answer["state"], "static");
    assert!(customer.holds(&new).await);
}

#[tokio::test]
async fn a_rotation_whose_answer_was_lost_is_repeated_until_it_is_known() {
    for action in lost() {
        let mut customer = Customer::new().await;
        customer.encrypted().await;
        customer.kept("2200-01-31T12:00:00Z").await;
        let new = customer.another_secret(LONG).await;
        customer
            .fault("updateEncryptionAtRest", action.clone())
            .await;
        let _ = customer.rotate(json!({"client_secret": new})).await;
        assert_eq!(customer.standing().await["check"], "usable", "{action}");
        customer.mount.restart().await;
        customer.mount.tick_for(3).await;
        let stored = customer.entry();
        assert_eq!(secret_of(&stored, "static"), json!(new), "{action}");
        assert_eq!(stored["pending"], Value::Null, "{action}");
        assert_eq!(stored["state"], "static", "{action}");
        assert!(customer.holds(&new).await, "{action}");
    }
}

/// Which secret Atlas holds then nobody knows: the one before stays, and both have to live on in Azure.
#[tokio::test]
async fn a_refusal_after_a_lost_answer_is_told_for_what_it_is() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    customer.kept("2200-01-31T12:00:00Z").await;
    customer
        .fault("updateEncryptionAtRest", json!({"kind": "close"}))
        .await;
    let wrong = json!({"client_secret": "wrong-one"});
    customer
        .rotate(wrong.clone())
        .await
        .expect_err("nobody knows");
    let read = customer.read().await;
    assert_eq!(read["state"], "rotating");
    let warnings = customer
        .mount
        .read_warnings(&customer.path)
        .await
        .join("\n");
    assert!(warnings.contains("leave both in Azure"), "{warnings}");
    let refused = customer
        .rotate(wrong)
        .await
        .expect_err("refused")
        .to_string();
    assert!(refused.contains("leave both in Azure"), "{refused}");
    // Azure may not know it yet; and what Atlas may hold is kept, though it is not sent any more.
    customer.mount.tick_for(30).await;
    assert_eq!(customer.entry()["state"], "rotating");
    customer.mount.tick_for(45).await;
    let stored = customer.entry();
    assert_eq!(stored["state"], "failed");
    assert_eq!(secret_of(&stored, "static"), json!(customer.secret));
    assert_eq!(secret_of(&stored, "pending"), "wrong-one");
    let new = customer.another_secret(LONG).await;
    TestMount::data(customer.rotate(json!({"client_secret": new})).await);
    assert!(!customer.stored().contains("wrong-one"));
}

#[tokio::test]
async fn another_secret_is_sent_only_once_the_first_is_known() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    let (first, second) = (
        customer.another_secret(LONG).await,
        customer.another_secret(LONG).await,
    );
    let away = json!({
        "operation": "updateEncryptionAtRest", "count": 2, "action": {"kind": "close"},
    });
    customer.mount.atlas.fault(away).await;
    let rotate = async |secret: &str| customer.rotate(json!({"client_secret": secret})).await;
    rotate(&first).await.expect_err("nobody knows");
    rotate(&second).await.expect_err("still nobody knows");
    let stored = customer.entry();
    assert_eq!(secret_of(&stored, "pending"), json!(first));
    TestMount::data(rotate(&second).await);
    assert!(customer.holds(&second).await);
    assert_eq!(secret_of(&customer.entry(), "static"), json!(second));
}

#[tokio::test]
async fn storage_that_fails_at_any_write_loses_no_secret() {
    for writes in 0..5 {
        for for_good in [false, true] {
            let mut customer = Customer::new().await;
            customer.encrypted().await;
            customer.kept("2200-01-31T12:00:00Z").await;
            let new = customer.another_secret(LONG).await;
            let storage = &customer.mount.storage;
            if for_good {
                storage.fail_after(Some(writes));
            } else {
                storage.fail_once_after(Some(writes));
            }
            let asked = customer.rotate(json!({"client_secret": new})).await;
            let storage = &customer.mount.storage;
            storage.fail_after(None);
            storage.fail_once_after(None);
            customer.mount.restart().await;
            customer.mount.tick_for(3).await;
            let (stored, at) = (customer.entry(), format!("{writes} {for_good}"));
            assert_eq!(stored["pending"], Value::Null, "{at}: {asked:?}");
            let held = secret_of(&stored, "static");
            let held = held.as_str().expect("a secret");
            assert!(customer.holds(held).await, "{at}: {asked:?}");
            assert!(asked.is_err() || held == new, "{at}");
            assert_eq!(customer.standing().await["check"], "usable", "{at}");
        }
    }
}

#[tokio::test]
async fn a_project_that_signs_in_by_a_role_has_no_secret_to_rotate() {
    let customer = Customer::new().await;
    customer.changed_over().await;
    let new = customer.another_secret(LONG).await;
    let refused = customer.rotate(json!({"client_secret": new})).await;
    let refused = refused.expect_err("by a role").to_string();
    let role = customer.standing().await["role_id"].clone();
    let want = format!(
        "this project signs in by role {}; there is no secret to rotate",
        role.as_str().expect("a role")
    );
    assert!(refused.contains(&want), "{refused}");
    assert_eq!(customer.changes().await.len(), 1);
    let off = Customer::new().await;
    let refused = off.rotate(json!({"client_secret": "x"})).await;
    let refused = refused.expect_err("off").to_string();
    assert!(refused.contains("is off in this project"), "{refused}");
    let read = off.mount.read(&off.path).await.expect("an answer");
    assert!(read.is_none());
}

#[tokio::test]
async fn every_fault_of_a_rotation_is_named() {
    let customer = Customer::new().await;
    let refused = customer
        .rotate(json!({"client_secret_expires_at": "soon"}))
        .await;
    let refused = refused.expect_err("refused").to_string();
    assert!(refused.contains("client_secret_expires_at: "), "{refused}");
    let over = json!({"client_secret": "", "client_secret_expires_at": "2001-01-31T12:00:00Z"});
    let refused = customer
        .rotate(over)
        .await
        .expect_err("refused")
        .to_string();
    assert!(refused.contains("must not be empty"), "{refused}");
    assert!(refused.contains("is over"), "{refused}");
}

#[tokio::test]
async fn a_private_project_needs_a_word_and_is_watched() {
    let customer = Customer::new().await;
    customer.encrypted_privately().await;
    customer.kept("2200-01-31T12:00:00Z").await;
    let new = customer.another_secret(LONG).await;
    let refused = customer.rotate(json!({"client_secret": new})).await;
    let refused = refused.expect_err("without a word").to_string();
    assert!(refused.contains("accept_unvalidated=true"), "{refused}");
    assert_eq!(customer.changes().await.len(), 0);
    let mut given = json!({"client_secret": new, "accept_unvalidated": true});
    let refused = customer.rotate(given.clone()).await;
    let refused = refused.expect_err("none is known to work").to_string();
    assert!(refused.contains("accept_no_way_back=true"), "{refused}");
    assert_eq!(customer.changes().await.len(), 0);
    given["accept_no_way_back"] = json!(true);
    let answer = TestMount::data(customer.rotate(given).await);
    assert_eq!(answer["state"], "rotating");
    customer.mount.tick_for(10).await;
    assert_eq!(customer.read().await["state"], "rotating", "watched");
    customer.mount.tick_for(15).await;
    let stored = customer.entry();
    assert_eq!(
        (&stored["state"], &stored["pending"]),
        (&json!("static"), &Value::Null)
    );
    assert_eq!(secret_of(&stored, "static"), json!(new));
    assert!(customer.holds(&new).await);
    assert_eq!(
        customer.changes().await.len(),
        1,
        "known, so not sent again"
    );
}

#[tokio::test]
async fn a_private_project_whose_new_secret_does_not_work_gets_the_one_before() {
    let mut customer = Customer::new().await;
    customer.encrypted_privately().await;
    customer.kept("2200-01-31T12:00:00Z").await;
    TestMount::data(customer.rotate_unseen("wrong-one").await);
    customer.mount.restart().await;
    customer.mount.tick_for(30).await;
    let stored = customer.entry();
    assert_eq!(secret_of(&stored, "static"), json!(customer.secret));
    assert_eq!(stored["pending"], Value::Null);
    assert!(customer.holds(&customer.secret).await);
    let standing = customer.standing().await;
    assert_eq!(
        (&standing["check"], &standing["stops"]),
        (&json!("usable"), &json!(0))
    );
    let read = customer.read().await;
    let told = read["last_error"].as_str().expect("a reason");
    assert!(told.contains("the one before was sent again"), "{told}");
}

/// Where the configuration leads elsewhere no secret is sent.
#[tokio::test]
async fn a_new_secret_goes_to_its_own_address_or_nowhere() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    customer.kept("2200-01-31T12:00:00Z").await;
    let new = customer.another_secret(LONG).await;
    customer
        .fault("updateEncryptionAtRest", json!({"kind": "close"}))
        .await;
    let given = json!({"client_secret": new});
    customer
        .rotate(given.clone())
        .await
        .expect_err("nobody knows");
    let other = crate::engine::testing::Atlas::another().await;
    let mut config = other.key_config();
    config["organization_id"] = json!(other.org());
    customer
        .mount
        .write("config", config)
        .await
        .expect("written");
    other.forget_requests().await;
    let refused = customer
        .rotate(given)
        .await
        .expect_err("elsewhere")
        .to_string();
    assert!(
        refused.contains(customer.mount.atlas.address()),
        "{refused}"
    );
    customer.mount.tick_for(3).await;
    let log = other.control("GET", "/requests", Value::Null).await;
    assert!(!log.to_string().contains("encryptionAtRest"), "{log}");
    customer.mount.advance(Duration::from_mins(1)).await;
    let own = customer.mount.atlas.key_and_organization();
    customer.mount.write("config", own).await.expect("written");
    customer.mount.tick_for(3).await;
    assert!(customer.holds(&new).await);
}

#[tokio::test]
async fn what_nobody_asks_for_again_is_held() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    customer.kept("2200-01-31T12:00:00Z").await;
    let new = customer.another_secret(LONG).await;
    customer
        .fault("updateEncryptionAtRest", json!({"kind": "close"}))
        .await;
    let given = json!({"client_secret": new});
    customer.rotate(given).await.expect_err("nobody knows");
    let hold = async |hold: bool| customer.mount.write("config", json!({"hold": hold})).await;
    hold(true).await.expect("written");
    customer.mount.tick_for(5).await;
    assert!(customer.holds(&customer.secret).await);
    assert_eq!(customer.read().await["state"], "rotating");
    hold(false).await.expect("written");
    customer.mount.tick_for(2).await;
    assert!(customer.holds(&new).await);
}
