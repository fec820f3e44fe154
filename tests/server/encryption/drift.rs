//! Somebody else changes a project back: it is told, and nobody is fought.

use std::time::Duration;

use serde_json::json;

use super::time::Timed;

#[tokio::test]
async fn static_credentials_that_somebody_puts_back_are_told_and_not_fought() {
    let timed = Timed::new().await;
    let customer = &timed.customer;
    let key = customer.vault("kv").await;
    let project = customer.encrypted("one", &key).await;
    customer.register(&project, false).await;
    customer.grant("kv").await;
    customer.order(&project, "apply", json!({})).await.data();
    timed.passes(Duration::from_mins(21)).await;
    timed.reaches(&project, "applied").await;
    let changes = customer.changes(&project).await.len();

    customer.encrypt(&project, &key, &customer.secret).await;
    let held = customer.held(&project).await;
    timed.passes(Duration::from_mins(16)).await;
    timed
        .until("the drift", async || {
            timed.shows(&project, "drift").await != json!([])
        })
        .await;
    assert_eq!(timed.shown(&project, "mode").await, "static");
    let drift = timed.shows(&project, "drift").await.to_string();
    assert!(drift.contains("static secret"), "{drift}");
    let status = customer.mount.read("status").await;
    assert_eq!(
        status.data()["encryption_at_rest"]["drifted"],
        1,
        "{status:?}"
    );
    let told = "encryption at rest differs from what was sent; it is left as it is";
    timed.bao.log.tells(told).await;
    timed.passes(Duration::from_mins(16)).await;
    timed.bao.log.ticks(2).await;
    assert_eq!(customer.held(&project).await, held);
    assert_eq!(customer.changes(&project).await.len(), changes);

    let again = customer.order(&project, "apply", json!({})).await;
    assert_eq!(again.data()["state"], "observing", "{again:?}");
    assert_eq!(again.data()["drift"], json!([]));
    customer.is_on_its_role(&project).await;
    customer.nothing_else_was_touched().await;
}
