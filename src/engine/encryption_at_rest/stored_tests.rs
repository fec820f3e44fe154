//! What an earlier build stored in the middle of its work is read, and goes on by the rule of this one: the
//! words that it kept send nothing (`tests/stored/README.md`).

use std::time::Duration;

use chrono::{SecondsFormat, TimeDelta};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::customer_tests::{Customer, text};
use crate::engine::keys;
use crate::engine::testing::TestMount;

const APPLYING: &str = include_str!("../../../tests/stored/bfd5bce/applying.json");
const ROTATING: &str = include_str!("../../../tests/stored/bfd5bce/rotating.json");
const ROLLING_BACK: &str = include_str!("../../../tests/stored/bfd5bce/rolling-back.json");
const OF_A_MIGRATION: &str =
    include_str!("../../../tests/stored/bfd5bce/applying-of-a-migration.json");
const MIGRATION: &str = include_str!("../../../tests/stored/bfd5bce/migration.json");
const PATH: &str = "encryption-at-rest/migrations/all";

impl Customer {
    /// The text of an entry, with what exists in this test put in.
    async fn with_words(&self, entry: &str) -> String {
        let now = self.mount.now();
        let at = |minutes| {
            let at = now + TimeDelta::minutes(minutes);
            at.to_rfc3339_opts(SecondsFormat::Nanos, true)
        };
        let role = self.read().await["role_id"].clone();
        entry
            .replace("PROJECT_ID", self.mount.atlas.project(0))
            .replace("TENANT_ID", &self.tenant)
            .replace("PRINCIPAL_ID", &self.principal)
            .replace("PRESENT_SECRET", &self.secret)
            .replace("NEW_SECRET", "another")
            .replace("SUBSCRIPTION_ID", &text(&self.key, "subscriptionID"))
            .replace("KEY_IDENTIFIER", &text(&self.key, "keyIdentifier"))
            .replace("ATLAS", self.mount.atlas.address())
            .replace("ROLE_ID", role.as_str().unwrap_or_default())
            .replace("MOMENT", &at(0))
            .replace("UNTIL", &at(20))
    }

    async fn plant_stored(&self, entry: &str) {
        let stored = self.with_words(entry).await;
        self.mount.storage.plant(&self.path, stored.as_bytes());
    }

    async fn plant_migration(&self, change: impl FnOnce(&mut Value)) {
        let stored = self.with_words(MIGRATION).await;
        let mut stored: Value = serde_json::from_str(&stored).expect("JSON");
        change(&mut stored);
        let key = keys::azure_migration("all");
        let stored = stored.to_string();
        self.mount.storage.plant(&key, stored.as_bytes());
    }

    /// The migration once it is at rest.
    async fn at_rest(&self) -> Value {
        let rests = async {
            loop {
                let read = json!(TestMount::data(self.mount.read(PATH).await));
                if !["planning", "running", "rolling_back"]
                    .map(Value::from)
                    .contains(&read["state"])
                {
                    return read;
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(20), rests)
            .await
            .expect("it rests")
    }
}

#[tokio::test]
async fn words_that_were_stored_send_no_change_again() {
    let customer = Customer::new().await;
    customer.private_with(json!({}), json!({})).await;
    customer.plant_stored(APPLYING).await;
    customer.mount.tick_for(10).await;
    let read = customer.read().await;
    assert_eq!(read["state"], "failed");
    let error = read["last_error"].to_string();
    assert!(error.contains("not sent again"), "{error}");
    assert_eq!(customer.sent().await, 0);
}

#[tokio::test]
async fn words_that_were_stored_send_no_new_secret_again() {
    let customer = Customer::new().await;
    customer.encrypted_privately().await;
    customer.kept("2200-01-31T12:00:00Z").await;
    customer.plant_stored(ROTATING).await;
    customer.mount.tick_for(10).await;
    assert_eq!(customer.state().await, "failed");
    assert_eq!(customer.sent().await, 0);
    let kept = &customer.entry()["pending"]["client_secret"];
    assert_eq!(kept, "another");
}

#[tokio::test]
async fn words_that_were_stored_send_no_secret_in_keeping_again() {
    let customer = Customer::new().await;
    customer.private_with(json!({}), json!({})).await;
    customer.grant().await;
    customer.with_both_consents().await.expect("taken unseen");
    customer.plant_stored(ROLLING_BACK).await;
    customer.mount.tick_for(10).await;
    assert_eq!(customer.state().await, "observing");
    assert_eq!(customer.sent().await, 1);
    assert_eq!(customer.standing().await["mode"], "role");
}

#[tokio::test]
async fn words_of_which_nobody_knows_since_when_they_count_are_none() {
    let customer = Customer::new().await;
    customer.private_with(json!({}), json!({})).await;
    customer.grant().await;
    customer.plant_stored(OF_A_MIGRATION).await;
    customer
        .plant_migration(|stored| stored["order"]["accepted_at"] = Value::Null)
        .await;
    customer.mount.tick().await.expect("a tick");
    let read = customer.at_rest().await;
    assert_eq!(read["accept_unvalidated"], json!(false), "{read}");
    assert_eq!(read["rows"][0]["step"], "failed", "{read}");
    assert_eq!(customer.sent().await, 0);
}

/// Who accepts something for its projects has to name the plan.
#[tokio::test]
async fn a_plan_that_was_stored_without_a_name_gets_one() {
    let customer = Customer::new().await;
    customer.private_with(json!({}), json!({})).await;
    customer.grant().await;
    customer.with_both_consents().await.expect("taken unseen");
    customer
        .plant_migration(|stored| {
            stored["plan_id"] = json!("");
            stored["state"] = json!("paused");
            stored["then"] = json!("roll_back");
            stored["rows"][0]["step"] = json!("leaving");
            stored["rows"][0]["taken"] = json!(true);
        })
        .await;
    let plan_id = TestMount::data(customer.mount.read(PATH).await)["plan_id"].clone();
    assert!(plan_id.is_string(), "{plan_id}");
    let order = json!({
        "action": "resume", "accept_unvalidated": true, "accept_no_way_back": true, "plan_id": plan_id,
    });
    customer.mount.write(PATH, order).await.expect("resumed");
    for _ in 0..40 {
        if customer.sent().await == 2 {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(customer.standing().await["mode"], "static");
}
