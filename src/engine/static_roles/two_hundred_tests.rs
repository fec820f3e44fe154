//! A reader that polls and uses what it gets, through two hundred rotations in which things go wrong.

use std::time::Duration;

use serde_json::{Value, json};

use super::tests::{DAY, HOUR, Rotated};

/// One of these befalls every other rotation.
fn faults() -> Vec<Value> {
    let refused = json!({"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"});
    let unproved = json!({"kind": "answer", "status": 401, "body": {"error": "invalid_client"}});
    let broken = json!({"kind": "answer", "status": 503, "code": "UNEXPECTED_ERROR"});
    vec![
        json!({"operation": "createOrgSecret", "action": {"kind": "lose_answer"}}),
        json!({"operation": "createOrgSecret", "action": broken}),
        json!({"operation": "createOrgSecret", "action": {"kind": "cut_json"}}),
        json!({"operation": "createOrgSecret", "action": {"kind": "malformed_json"}}),
        json!({"operation": "getOrgServiceAccount", "action": refused}),
        json!({"operation": "deleteOrgSecret", "count": 2, "action": refused}),
        json!({"operation": "oauthToken", "action": unproved}),
    ]
}

#[tokio::test]
async fn a_reader_never_holds_a_secret_that_does_not_work() {
    let mut app = Rotated::every_day().await;
    let settings = json!({"rate_limits": false, "token_requests_per_minute": 0});
    app.mount.atlas.set(settings).await;
    app.mount
        .atlas
        .set(json!({"max_tokens_per_account": 100_000}))
        .await;
    let faults = faults();
    let mut seen = std::collections::BTreeSet::new();
    let mut held = app.secret().await;
    let mut round = 0;
    while seen.len() < 200 {
        round += 1;
        assert!(round < 500, "only {} rotations", seen.len());
        match round % 4 {
            1 => {
                let fault = faults[(round / 4) % faults.len()].clone();
                app.mount.atlas.fault(fault).await;
            }
            3 => app.mount.storage.fail_after(Some((round / 4) % 5)),
            _ => {}
        }
        app.mount.advance(Duration::from_secs(DAY - 3 * HOUR)).await;
        // The host hears of a failure of storage.
        let _ = app.mount.tick().await;
        app.mount.storage.fail_after(None);
        if round % 4 == 3 {
            app.mount.restart().await;
        }
        app.mount.atlas.no_more_faults().await;
        // What was read before the periodic run must do until the reader polls again.
        assert!(app.mints(&held).await, "round {round}");
        for pause in [60, 300, HOUR, HOUR] {
            app.pass(pause).await;
            held = app.secret().await;
            assert!(app.mints(&held).await, "round {round}");
        }
        assert!(app.secrets_at_atlas().await <= 2);
        seen.insert(held.clone());
    }
    for _ in 0..3 {
        app.mount.advance(Duration::from_secs(HOUR)).await;
        app.tick().await;
    }
    assert_eq!(app.secrets_at_atlas().await, 1);
}
