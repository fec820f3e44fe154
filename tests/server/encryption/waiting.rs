//! Grants that come late or never, and what a change comes to after its time of observation.

use std::time::Duration;

use serde_json::json;

use super::time::Timed;

#[tokio::test]
async fn a_grant_three_minutes_late_is_found_by_itself_and_one_that_never_comes_is_told() {
    let timed = Timed::new().await;
    let customer = &timed.customer;
    let (late, never) = (customer.vault("late").await, customer.vault("never").await);
    let late = customer.encrypted("late", &late).await;
    let never = customer.encrypted("never", &never).await;
    let before = [customer.held(&late).await, customer.held(&never).await];
    for project in [&late, &never] {
        customer.register(project, true).await;
        let waits = customer
            .order(project, "apply", json!({ "retry_for": "10m" }))
            .await;
        assert_eq!(waits.data()["state"], "waiting", "{waits:?}");
    }
    assert_eq!(
        [customer.held(&late).await, customer.held(&never).await],
        before
    );

    timed.passes(Duration::from_mins(3)).await;
    customer.grant("late").await;
    timed.reaches(&late, "observing").await;
    customer.is_on_its_role(&late).await;
    assert_eq!(customer.held(&never).await, before[1]);
    assert_eq!(timed.shown(&late, "way_back").await, "unproved");

    timed.passes(Duration::from_mins(21)).await;
    timed.reaches(&never, "failed").await;
    let error = timed.shown(&never, "last_error").await;
    assert!(error.contains("INVALID_AZURE_CREDENTIALS"), "{error}");
    assert_eq!(customer.held(&never).await, before[1]);
    timed.reaches(&late, "applied").await;
    timed.passes(Duration::from_mins(21)).await;
    // It has proved itself for long: what was kept for the way back is gone.
    timed
        .until("the end of what was kept", async || {
            timed.shown(&late, "way_back").await == "no secret in keeping"
        })
        .await;
    assert_eq!(timed.shown(&never, "way_back").await, "unproved");

    customer.grant("never").await;
    let applied = customer.order(&never, "apply", json!({})).await;
    assert_eq!(applied.data()["state"], "observing", "{applied:?}");
    customer.nothing_else_was_touched().await;
}
