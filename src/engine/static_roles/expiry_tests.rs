//! What people are told of rotations that cannot be relied on, and of looks that failed.

use std::time::Duration;

use serde_json::json;

use super::tests::{DAY, HOUR, Rotated, refusal, status};

#[tokio::test]
async fn an_overdue_rotation_is_warned_of_before_the_end() {
    let app = Rotated::every_day().await;
    // No node does the mount's work: nobody ticks.
    app.mount.advance(Duration::from_secs(DAY + HOUR / 2)).await;
    assert_eq!(app.warnings("static-creds/app").await, [""; 0]);
    app.mount.advance(Duration::from_secs(HOUR)).await;
    for path in ["static-creds/app", "static-roles/app"] {
        let warnings = app.warnings(path).await;
        assert!(
            warnings.iter().any(|told| told.contains("overdue since")),
            "{path}: {warnings:?}"
        );
    }
    assert_eq!(status(&app).await["expiring_roles"], json!(["app"]));
    app.tick().await;
    assert_eq!(app.warnings("static-creds/app").await, [""; 0]);
    assert_eq!(status(&app).await["expiring_roles"], json!([]));
}

#[tokio::test]
async fn held_rotations_are_warned_of() {
    let app = Rotated::every_day().await;
    let hold = |hold: bool| app.mount.write("config", json!({"hold": hold}));
    let told = refusal(hold(true).await).expect("written");
    assert!(
        told.iter().any(|told| told.contains("rotation")),
        "{told:?}"
    );
    for path in ["static-creds/app", "static-roles/app"] {
        let warnings = app.warnings(path).await;
        assert!(
            warnings.iter().any(|told| told.contains("hold ")),
            "{path}: {warnings:?}"
        );
    }
    assert_eq!(status(&app).await["expiring_roles"], json!(["app"]));
    hold(false).await.expect("written");
    assert_eq!(app.warnings("static-creds/app").await, [""; 0]);
    assert_eq!(status(&app).await["expiring_roles"], json!([]));
}

#[tokio::test]
async fn a_look_that_failed_is_tried_again_as_told() {
    let app = Rotated::with(json!({"rotation_period": "30d"})).await;
    app.pass(HOUR + 1).await;
    app.mount
        .atlas
        .fault(json!({
            "operation": "getOrgServiceAccount", "count": 2,
            "action": {"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"},
        }))
        .await;
    app.pass(DAY).await;
    let failing = status(&app).await;
    assert_eq!(failing["failing"], json!(1), "{failing}");
    let role = &failing["failing_roles"][0];
    assert_eq!(role["failures"], json!(1), "{role}");
    assert_eq!(
        role["next_retry_time"],
        app.shown().await["next_retry_time"],
        "{role}"
    );
    app.pass(60).await;
    let failures = status(&app).await["failing_roles"][0]["failures"].clone();
    assert_eq!(failures, json!(2));
    app.pass(120).await;
    assert_eq!(status(&app).await["failing"], json!(0));
    assert!(!app.shown().await.contains_key("last_error"));
}
