//! Static secrets that stay: rotated by hand, and their end foreseen.

use std::time::Duration;

use serde_json::{Value, json};

use super::customer::{Customer, OWN_APP, text};
use super::time::Timed;

const DAY: Duration = Duration::from_hours(24);

/// What a rotation is given.
fn handed_in(secret: &Value) -> Value {
    json!({
        "client_secret": secret["client_secret"], "client_secret_expires_at": secret["expires_at"],
    })
}

#[tokio::test]
async fn a_secret_is_rotated_by_hand_and_a_wrong_one_leaves_the_old() {
    let customer = Customer::new().await;
    let key = customer.vault("kv-secret").await;
    let project = customer.encrypted("secret", &key).await;
    let kept = json!({ "client_id": OWN_APP, "client_secret": customer.secret });
    let written = customer.write(&project, kept).await;
    assert_eq!(written.data()["state"], "static", "{written:?}");
    assert_eq!(written.data()["way_back"], "unproved");

    let wrong = json!({ "client_secret": "not a secret of this application" });
    let refused = customer.order(&project, "rotate", wrong).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    let said = refused.errors();
    for part in ["INVALID_AZURE_CREDENTIALS", "the one before stays in force"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(customer.holds(&project, &customer.secret).await);
    assert_eq!(customer.state(&project).await, "failed");

    let next = customer.another_secret(400 * 86_400).await;
    let rotated = customer.order(&project, "rotate", handed_in(&next)).await;
    let data = rotated.data();
    assert_eq!(data["state"], "static", "{rotated:?}");
    assert_eq!(data["way_back"], "available");
    assert_eq!(data["client_secret_expires_at"], next["expires_at"]);
    let secret = text(&next, "client_secret");
    assert!(customer.holds(&project, &secret).await);
    let last = customer.changes(&project).await.pop().expect("a change");
    assert_eq!(last["azureKeyVault"]["clientID"], OWN_APP);
    assert_eq!(last["azureKeyVault"]["tenantID"], customer.tenant.as_str());

    // On its role there is nothing to rotate.
    customer.register(&project, false).await;
    customer.grant("kv-secret").await;
    customer.order(&project, "apply", json!({})).await.data();
    let refused = customer.order(&project, "rotate", handed_in(&next)).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.errors().contains("signs in by role"), "{refused:?}");
    customer.is_on_its_role(&project).await;
    customer.nothing_else_was_touched().await;
}

#[tokio::test]
async fn the_end_of_a_secret_is_foreseen_and_a_change_in_time_stops_nothing() {
    let timed = Timed::new().await;
    let customer = &timed.customer;
    let key = customer.vault("kv").await;
    let project = customer.project("ends").await;
    let ends = customer.another_secret(40 * 86_400).await;
    customer
        .encrypt(&project, &key, &text(&ends, "client_secret"))
        .await;
    let mut kept = handed_in(&ends);
    kept["client_id"] = json!(OWN_APP);
    customer.write(&project, kept).await.data();
    let status = customer.mount.read("status").await;
    assert_eq!(
        status.data()["encryption_at_rest"]["expiring"],
        0,
        "{status:?}"
    );

    timed.passes(11 * DAY).await;
    timed
        .until("the warning of the status", async || {
            let status = customer.mount.read("status").await;
            status.data()["encryption_at_rest"]["expiring"] == 1
        })
        .await;
    let read = customer.read(&project).await;
    assert!(read.warnings().contains("expires"), "{read:?}");
    timed
        .bao
        .log
        .tells("static secret of a key vault expires within 30 days")
        .await;

    timed.passes(28 * DAY).await;
    customer.register(&project, false).await;
    customer.grant("kv").await;
    customer.order(&project, "apply", json!({})).await.data();
    customer.is_on_its_role(&project).await;
    timed.passes(2 * DAY).await;
    timed.reaches(&project, "applied").await;
    customer.nothing_else_was_touched().await;
}
