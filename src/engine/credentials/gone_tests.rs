//! Callers who go away, and mounts that end, while a request waits.

use std::time::Duration;

use serde_json::json;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::project_type_tests::{PROJECT_TYPES, role_of};
use crate::engine::testing::{Outcome, TestMount};
use crate::vault::Operation;

const SHORT: Duration = Duration::from_millis(200);
const SOON: Duration = Duration::from_secs(3);

/// A mount whose next create is told to come back later; its clock stands, so that it waits until
/// its caller's time is over.
async fn busy_mount() -> TestMount {
    let mount = TestMount::with_role(json!({})).await;
    let limited = json!({
        "operation": "createOrgApiKey",
        "action": {"kind": "answer", "status": 429, "code": "RATE_LIMITED",
            "headers": {"retry-after": "5"}},
    });
    mount.atlas.fault(limited).await;
    mount
}

/// What becomes of a read during which `event` happens.
async fn read_beside(
    mount: &TestMount,
    path: &str,
    gone: &CancellationToken,
    event: impl Future<Output = ()>,
) -> Outcome {
    let read = timeout(SOON, mount.read_until(path, gone.clone()));
    let (outcome, ()) = tokio::join!(read, async {
        sleep(SHORT).await;
        event.await;
    });
    outcome.expect("it ends at once")
}

const KINDS: [&str; 5] = [
    "programmatic_api_key",
    "service_account",
    "access_token",
    "ai_model_key",
    "database_user",
];

/// A mount with the role `reader` of that type.
async fn mount_of(kind: &str) -> TestMount {
    if !PROJECT_TYPES.contains(&kind) {
        return TestMount::with_role(json!({ "credential_type": kind })).await;
    }
    let mount = TestMount::configured().await;
    let role = role_of(&mount, kind);
    mount.write("roles/reader", role).await.expect("a role");
    mount
}

#[tokio::test]
async fn who_goes_away_waits_no_longer_and_nothing_is_made() {
    let mount = busy_mount().await;
    let gone = CancellationToken::new();
    let outcome = read_beside(&mount, "creds/reader", &gone, async { gone.cancel() }).await;
    outcome.expect_err("nobody waits");
    assert_eq!(mount.atlas.operations().await["createOrgApiKey"], 1);
    assert_eq!(mount.atlas.credentials().await, Vec::<String>::new());
    assert_eq!(mount.journal_keys(), Vec::<String>::new());
}

#[tokio::test]
async fn nothing_is_made_for_a_caller_who_is_gone_already() {
    for kind in KINDS {
        let mount = mount_of(kind).await;
        mount.atlas.forget_requests().await;
        let gone = CancellationToken::new();
        gone.cancel();
        let outcome = mount.read_until("creds/reader", gone).await;
        outcome.expect_err("nobody waits");
        let asked = mount.atlas.operations().await;
        for create in [
            "createOrgApiKey",
            "createOrgServiceAccount",
            "oauthToken",
            "createGroupModelKey",
            "createDatabaseUser",
        ] {
            assert_eq!(asked.get(create), None, "{asked}");
        }
        assert_eq!(mount.journal_keys(), Vec::<String>::new());
    }
}

/// Whatever write they go away in, the last one included.
#[tokio::test]
async fn what_nobody_gets_is_taken_back() {
    for kind in KINDS {
        let mut left_early = 0;
        for writes in 0..8 {
            let mount = mount_of(kind).await;
            let gone = CancellationToken::new();
            mount.storage.cancel_after(writes, gone.clone());
            let outcome = mount.read_until("creds/reader", gone.clone()).await;
            assert_eq!(outcome.is_err(), gone.is_cancelled(), "{kind}, {writes}");
            left_early += usize::from(gone.is_cancelled());
            let state = mount.atlas.state().await;
            let tokens = state["tokens"].as_array().map_or(0, Vec::len);
            let live = match kind {
                "access_token" => tokens,
                _ => mount.atlas.credentials().await.len(),
            };
            assert_eq!(live, usize::from(outcome.is_ok()), "{kind}, {writes}");
        }
        assert!((2..8).contains(&left_early), "{kind}: {left_early}");
    }
}

/// A mount with a role that adds secrets to an account, and that account.
async fn mount_with_a_shared_account() -> (TestMount, String) {
    let mount = TestMount::configured().await;
    let account = mount.atlas.make_account(0, json!({})).await;
    let role = json!({
        "credential_type": "service_account", "organization_id": mount.atlas.org(),
        "client_id": account, "max_ttl": "24h",
    });
    mount.write("roles/shared", role).await.expect("a role");
    (mount, account)
}

#[tokio::test]
async fn who_waits_for_others_on_an_account_goes_at_once() {
    let (mount, account) = mount_with_a_shared_account().await;
    let slow = json!({
        "operation": "createOrgSecret", "action": {"kind": "delay", "seconds": 4.0},
    });
    mount.atlas.fault(slow).await;
    let gone = CancellationToken::new();
    let (first, second) = tokio::join!(mount.read("creds/shared"), async {
        sleep(SHORT).await;
        read_beside(&mount, "creds/shared", &gone, async { gone.cancel() }).await
    });
    first.expect("a secret");
    second.expect_err("nobody waits");
    assert_eq!(mount.atlas.secrets(&account).await.len(), 1);
    assert_eq!(mount.journal_keys().len(), 1);
}

#[tokio::test]
async fn a_mount_that_ends_keeps_nobody_waiting_for_atlas() {
    let mount = busy_mount().await;
    let gone = CancellationToken::new();
    let outcome = read_beside(&mount, "creds/reader", &gone, mount.close()).await;
    outcome.expect_err("the mount ends");
    assert_eq!(mount.atlas.operations().await["createOrgApiKey"], 1);
    assert_eq!(mount.journal_keys(), Vec::<String>::new());
}

/// An earlier request may have left a secret, which is looked for first, and Atlas is slow.
#[tokio::test]
async fn who_waits_for_what_an_earlier_request_left_goes_at_once() {
    let (mount, account) = mount_with_a_shared_account().await;
    assert_eq!(mount.lose_a_secret(&account).await, 1);
    let slow = json!({
        "operation": "getOrgServiceAccount", "count": 0,
        "action": {"kind": "delay", "seconds": 6.0},
    });
    mount.atlas.fault(slow).await;
    for deletes in [false, true] {
        let gone = CancellationToken::new();
        let outcome = read_beside(&mount, "creds/shared", &gone, async {
            if deletes {
                let deletion = mount.ask(Operation::Delete, "roles/shared", json!({}));
                deletion.await.expect("deleted");
            } else {
                gone.cancel();
            }
        });
        outcome.await.expect_err("nobody waits");
    }
    mount.atlas.no_more_faults().await;
    // What the first one left is still known, and ends.
    mount.tick_for(1).await;
    assert_eq!(mount.atlas.secrets(&account).await, Vec::<String>::new());
    assert_eq!(mount.journal_keys(), Vec::<String>::new());
}
