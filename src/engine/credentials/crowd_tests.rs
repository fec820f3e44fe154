//! Stories of a crowd that waits for an Atlas that does not answer, and of those who must not wait
//! behind it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::engine::testing::{Outcome, TestMount};
use crate::vault::{Failure, Operation};

/// Far more than anything here takes that does not wait for Atlas, and less than its readers wait.
const SOON: Duration = Duration::from_secs(25);

async fn hang(mount: &TestMount, operation: &str) {
    let hang = json!({"operation": operation, "count": 0, "action": {"kind": "hang"}});
    mount.atlas.fault(hang).await;
}

async fn waiting(mount: &TestMount) -> u64 {
    let status = TestMount::data(mount.read("status").await);
    status["atlas"]["waiting_requests"]
        .as_u64()
        .expect("a number")
}

/// So many more readers, all of them waiting.
async fn crowd(readers: &mut JoinSet<Outcome>, mount: &Arc<TestMount>, path: &str, count: u64) {
    let before = waiting(mount).await;
    for _ in 0..count {
        let (mount, path) = (Arc::clone(mount), path.to_owned());
        readers.spawn(async move { mount.read(&path).await });
    }
    let all_wait = async {
        while waiting(mount).await < before + count {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, all_wait).await.expect("they wait");
}

async fn soon(asked: impl Future<Output = Outcome>) -> Outcome {
    timeout(SOON, asked)
        .await
        .expect("it does not wait for Atlas")
}

fn refusal(outcome: Outcome) -> String {
    match outcome {
        Err(Failure::Coded { status: 429, text }) => text,
        other => panic!("{other:?}"),
    }
}

async fn with_account(mount: &TestMount, role: &str) -> String {
    let account = mount.atlas.make_account(0, json!({})).await;
    let body = json!({
        "credential_type": "service_account", "organization_id": mount.atlas.org(),
        "client_id": account, "ttl": "1h", "max_ttl": "24h",
    });
    mount
        .write(&format!("roles/{role}"), body)
        .await
        .expect("a role");
    account
}

#[tokio::test]
async fn one_more_than_may_wait_for_an_account_is_reported_at_once() {
    let mount = Arc::new(TestMount::with_role(json!({})).await);
    let account = with_account(&mount, "shared").await;
    let (_, lease) = mount.issue("reader").await;
    hang(&mount, "getOrgServiceAccount").await;
    let mut readers = JoinSet::new();
    crowd(&mut readers, &mount, "creds/shared", 64).await;
    let refused = refusal(soon(mount.read("creds/shared")).await);
    let ahead = format!("64 requests already wait for service account {account}");
    assert!(refused.contains(&ahead), "{refused}");
    assert_eq!(waiting(&mount).await, 64);
    // Who does not wait for the account is served.
    soon(mount.read("creds/reader")).await.expect("a key");
    soon(mount.renew(&lease)).await.expect("renewed");
    soon(mount.revoke(&lease)).await.expect("revoked");
    let change = json!({"ttl": "2h"});
    soon(mount.write("roles/shared", change))
        .await
        .expect("a write");
    soon(mount.ask(Operation::Delete, "roles/shared", json!({})))
        .await
        .expect("deleted");
    readers.shutdown().await;
    assert_eq!(waiting(&mount).await, 0);
}

#[tokio::test]
async fn readers_of_one_role_keep_no_other_role_from_atlas() {
    let mount = Arc::new(TestMount::with_role(json!({})).await);
    let account = json!({
        "credential_type": "service_account", "organization_id": mount.atlas.org(),
        "roles": "ORG_MEMBER",
    });
    mount.write("roles/other", account).await.expect("a role");
    let (_, lease) = mount.issue("reader").await;
    hang(&mount, "createOrgApiKey").await;
    let mut readers = JoinSet::new();
    crowd(&mut readers, &mount, "creds/reader", 128).await;
    let refused = refusal(soon(mount.read("creds/reader")).await);
    assert!(
        refused.contains("128 requests already wait for role reader"),
        "{refused}"
    );
    soon(mount.read("creds/other")).await.expect("an account");
    soon(mount.revoke(&lease)).await.expect("revoked");
    soon(mount.tick()).await.expect("a tick");
    readers.shutdown().await;
}

/// Each of them fails to create the account that all of them need.
#[tokio::test]
async fn what_asks_nothing_of_atlas_does_not_wait_behind_readers_of_the_same_role() {
    let mount = TestMount::with_role(json!({"credential_type": "access_token"})).await;
    let mount = Arc::new(mount);
    mount
        .atlas
        .set(json!({"max_service_accounts_per_org": 1}))
        .await;
    let slow = json!({
        "operation": "createOrgServiceAccount", "count": 0,
        "action": {"kind": "delay", "seconds": 0.3},
    });
    mount.atlas.fault(slow).await;
    let mut readers = JoinSet::new();
    crowd(&mut readers, &mount, "creds/reader", 100).await;
    soon(mount.write("roles/reader", json!({"ttl": "10m"})))
        .await
        .expect("a write");
    soon(mount.ask(Operation::Delete, "roles/reader", json!({})))
        .await
        .expect("deleted");
    assert!(waiting(&mount).await > 50, "the crowd still waits");
    readers.shutdown().await;
}

#[tokio::test]
async fn an_operators_order_is_taken_however_many_readers_wait() {
    let mount = Arc::new(TestMount::with_role(json!({})).await);
    let room = json!({"capacity": 10_000, "refill_rate": 10_000, "refill_seconds": 1});
    mount
        .atlas
        .set(json!({"buckets": {"apiKeys_org": room}}))
        .await;
    mount.issue("reader").await;
    let body = TestMount::data(mount.read("roles/reader").await);
    for number in 0..8 {
        let body = Value::Object(body.clone());
        mount
            .write(&format!("roles/r{number}"), body)
            .await
            .expect("a role");
    }
    hang(&mount, "createOrgApiKey").await;
    let mut readers = JoinSet::new();
    for number in 0..8 {
        crowd(&mut readers, &mount, &format!("creds/r{number}"), 128).await;
    }
    let refused = refusal(soon(mount.read("creds/reader")).await);
    assert!(
        refused.contains("1024 requests already wait for Atlas on this mount"),
        "{refused}"
    );
    soon(mount.write("config", mount.atlas.key_config()))
        .await
        .expect("written");
    readers.shutdown().await;
}

/// Atlas lets few calls through. What a person sets up goes before the readers.
#[tokio::test]
async fn a_crowd_of_readers_keeps_no_operator_from_atlas() {
    let role = json!({"credential_type": "service_account", "ip_addresses": ""});
    let mount = Arc::new(TestMount::with_role(role).await);
    let account = mount.atlas.account(json!(["ORG_MEMBER"])).await;
    let slow = json!({"capacity": 20, "refill_rate": 2, "refill_seconds": 1});
    let buckets = json!({"serviceAccounts_org": slow});
    mount.atlas.set(json!({"buckets": buckets})).await;
    mount.issue("reader").await;
    let mut readers = JoinSet::new();
    crowd(&mut readers, &mount, "creds/reader", 128).await;
    let static_role = json!({
        "client_id": account.client_id, "client_secret": account.secret,
        "organization_id": mount.atlas.org(), "rotation_period": 0, "skip_initial_rotation": true,
    });
    let mut write = Box::pin(mount.write("static-roles/app", static_role));
    let seconds = async {
        loop {
            sleep(Duration::from_millis(200)).await;
            mount.advance(Duration::from_secs(1)).await;
        }
    };
    let written = tokio::select! {
        written = &mut write => written,
        () = async { timeout(SOON, seconds).await.unwrap_or(()) } => panic!("the crowd goes first"),
    };
    written.expect("a static role");
    assert!(waiting(&mount).await > 50, "the crowd still waits");
    readers.shutdown().await;
}

/// An Atlas that does not answer a write of the configuration keeps nobody from the account it names.
#[tokio::test]
async fn a_configuration_that_waits_for_atlas_holds_no_account() {
    let mount = Arc::new(TestMount::configured().await);
    let account = mount.atlas.account(json!(["ORG_OWNER"])).await;
    let mut config = mount.atlas.account_config();
    config["client_id"] = json!(account.client_id);
    config["client_secret"] = json!(account.secret);
    let slow = json!({"operation": "listOrgs", "action": {"kind": "delay", "seconds": 3.0}});
    mount.atlas.fault(slow).await;
    let writer = Arc::clone(&mount);
    let mut writers = JoinSet::new();
    writers.spawn(async move { writer.write("config", config).await });
    timeout(SOON, async {
        while waiting(&mount).await == 0 {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("it waits");
    sleep(Duration::from_millis(200)).await;
    let adds = json!({
        "credential_type": "service_account", "organization_id": mount.atlas.org(),
        "client_id": account.client_id,
    });
    let at_once = timeout(Duration::from_secs(2), mount.write("roles/adds", adds)).await;
    at_once.expect("no wait").expect("a role");
    let written = writers.join_next().await.expect("one").expect("an end");
    let refused = written.expect_err("in use by now");
    assert!(
        refused.to_string().contains("role \"adds\" adds secrets"),
        "{refused}"
    );
}

/// A move is one of those who wait for the configuration.
#[tokio::test]
async fn a_move_is_counted() {
    let mount = Arc::new(TestMount::configured().await);
    hang(&mount, "listOrgs").await;
    let renamed = mount.atlas.address().replace("127.0.0.1", "localhost");
    let shared = Arc::clone(&mount);
    let mut movers = JoinSet::new();
    movers.spawn(async move {
        shared
            .write("config/move", json!({"base_url": renamed}))
            .await
    });
    let counted = async {
        while waiting(&mount).await != 1 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, counted).await.expect("it is counted");
    movers.shutdown().await;
}
