//! What a drain ends, what it refuses meanwhile, and what comes in between.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::engine::testing::{Outcome, TestMount};
use crate::vault::{Data, Failure, Secret};

/// Within this, what goes on in the background is done.
pub(super) const LIMIT: Duration = Duration::from_secs(20);

pub(super) async fn order(mount: &TestMount, dry_run: bool) -> Outcome {
    let order = json!({ "organization_id": mount.atlas.org(), "dry_run": dry_run });
    mount.write("issued-end", order).await
}

pub(super) async fn ordered(mount: &TestMount) -> Data {
    TestMount::data(order(mount, false).await)
}

pub(super) async fn draining(mount: &TestMount) -> Value {
    TestMount::data(mount.read("status").await)["draining"].clone()
}

pub(super) async fn until(mount: &TestMount, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let give_up = Instant::now() + LIMIT;
    loop {
        let state = draining(mount).await;
        if is_so(&state) {
            return state;
        }
        assert!(Instant::now() < give_up, "{what}: {state}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Waits for the round that an order begins.
pub(super) async fn until_done(mount: &TestMount) -> Value {
    until(mount, "nothing is left", |state| state["remaining"] == 0).await
}

pub(super) fn is_refused(outcome: &Outcome) -> bool {
    matches!(
        outcome,
        Err(Failure::Coded { status: 503, text })
            if text.contains("this mount is being drained since 20") && text.contains("by token: nothing")
    )
}

/// Roles of every type beside `reader`, and the account whose secrets `secret` issues.
pub(super) async fn with_every_type() -> (TestMount, String) {
    let mount = TestMount::with_role(json!({})).await;
    let account = mount.atlas.make_account(0, json!({})).await;
    let org = mount.atlas.org();
    for (name, role) in [
        (
            "account",
            json!({ "credential_type": "service_account", "roles": "ORG_MEMBER" }),
        ),
        (
            "secret",
            json!({ "credential_type": "service_account", "client_id": account }),
        ),
        (
            "token",
            json!({ "credential_type": "access_token", "roles": "ORG_MEMBER" }),
        ),
    ] {
        let mut role = role;
        role["organization_id"] = json!(org);
        let written = mount.write(&format!("roles/{name}"), role).await;
        written.expect("a role");
    }
    (mount, account)
}

pub(super) const ROLES: [&str; 4] = ["reader", "account", "secret", "token"];

pub(super) async fn issue_all(mount: &TestMount) -> Vec<Secret> {
    let mut leases = Vec::new();
    for role in ROLES {
        leases.push(mount.issue(role).await.1);
    }
    leases
}

pub(super) async fn end_drain(mount: &TestMount) -> Vec<String> {
    let answer = mount.write("config", json!({})).await.expect("written");
    answer.map(|answer| answer.warnings).unwrap_or_default()
}

pub(super) async fn refuse_deletions(mount: &TestMount) {
    let refusal = json!({
        "operation": "deleteOrgApiKey", "count": 0,
        "action": {"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"},
    });
    mount.atlas.fault(refusal).await;
}
