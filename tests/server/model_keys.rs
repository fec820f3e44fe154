//! AI model API keys by their leases.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Answer, Bao, Mount};

const SOON: Duration = Duration::from_secs(30);

async fn mount() -> Mount {
    let mount = Mount::configured().await;
    role(&mount, "models", 600).await;
    mount
}

async fn role(mount: &Mount, name: &str, ttl: u64) {
    let body = json!({
        "credential_type": "ai_model_key", "project_id": mount.atlas.project(0),
        "ttl": ttl, "max_ttl": ttl * 2,
    });
    mount.role(name, body).await;
}

fn text(answer: &Answer, field: &str) -> String {
    answer.data()[field].as_str().unwrap().to_owned()
}

async fn assert_empty(mount: &Mount) {
    let left = mount.atlas.credentials().await;
    assert_eq!(left, Vec::<String>::new());
}

#[tokio::test]
async fn a_model_key_ends_with_its_lease_however_that_ends() {
    let mount = mount().await;
    role(&mount, "short", 1).await;
    let answer = mount.issue("models").await;
    let (key, id) = (text(&answer, "api_key"), text(&answer, "ai_model_key_id"));
    assert!(key.starts_with("al-"), "{answer:?}");
    assert_eq!(answer.data()["endpoint"], "ai.mongodb.com");
    let renewed = mount.renew(&answer.lease_id(), 900).await;
    assert!(renewed.ok(), "{renewed:?}");
    let shown = mount.read(&format!("issued/{id}")).await;
    assert_eq!(shown.data()["credential_type"], "ai_model_key");
    assert!(!renewed.body.to_string().contains(&key));
    assert!(!shown.body.to_string().contains(&key));
    assert_eq!(mount.atlas.credentials().await, [id]);
    assert!(mount.revoke(&answer.lease_id()).await.ok());
    assert_empty(&mount).await;

    mount.issue("short").await;
    mount.atlas.empties(SOON).await;

    let ended = mount.issue("models").await;
    let path = format!("issued/{}", text(&ended, "ai_model_key_id"));
    assert!(mount.delete(&path).await.ok());
    assert_empty(&mount).await;
    assert!(!mount.renew(&ended.lease_id(), 900).await.ok());
    assert!(mount.revoke(&ended.lease_id()).await.ok());

    for _ in 0..3 {
        mount.issue("models").await;
    }
    let path = format!("sys/mounts/{}", mount.path);
    let disabled = mount.client.delete(&path).await;
    assert!(disabled.ok(), "{disabled:?}");
    mount.atlas.empties(SOON).await;
}

#[tokio::test]
async fn what_does_not_go_with_a_role_of_model_keys_is_refused_by_name() {
    let mount = mount().await;
    let body = json!({
        "credential_type": "ai_model_key", "project_id": mount.atlas.project(0),
        "roles": "GROUP_OWNER", "ip_addresses": "192.0.2.1",
    });
    let refused = mount.write("roles/wrong", body).await;
    assert_eq!(refused.status, 400);
    for field in ["roles: ", "ip_addresses: "] {
        assert!(refused.errors().contains(field), "{refused:?}");
    }
    let read = mount.read("roles/models").await;
    for field in ["cloud", "geography"] {
        assert_eq!(read.data()[field], "ANY");
    }
    let checked = mount.read("check/models").await;
    assert_eq!(checked.data()["ok"], true, "{checked:?}");
}

#[tokio::test]
async fn a_lost_answer_an_outage_and_a_deletion_by_hand_leave_no_model_key() {
    let bao = Bao::dev_with_clock();
    let mount = Mount::on(&bao.client()).await;
    mount.configure().await;
    role(&mount, "models", 600).await;
    let lost = json!({ "operation": "createGroupModelKey", "action": {"kind": "lose_answer"} });
    mount.atlas.fault(lost).await;
    let refused = mount.read("creds/models").await;
    assert_eq!(refused.status, 500, "{refused:?}");
    assert_empty(&mount).await;

    let lease = mount.issue("models").await.lease_id();
    let outage = json!({
        "operation": "deleteGroupModelKey", "count": 0,
        "action": {"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"},
    });
    mount.atlas.fault(outage).await;
    assert!(!mount.revoke(&lease).await.ok());
    mount.atlas.no_more_faults().await;
    assert!(mount.revoke(&lease).await.ok());
    assert_empty(&mount).await;

    let answer = mount.issue("models").await;
    let by_hand = format!("/model-keys/{}", text(&answer, "ai_model_key_id"));
    mount.atlas.control("DELETE", &by_hand, Value::Null).await;
    mount.revoke_what_is_gone(&bao, &answer.lease_id()).await;
    let left = mount.list("issued").await;
    assert_eq!(left.status, 404, "{left:?}");
}

/// Two servers with a mount each in one organization, and in one project.
#[tokio::test]
async fn clusters_of_one_project_keep_to_their_own_model_keys() {
    let one = mount().await;
    let bao = Bao::dev();
    let other = one.beside(&bao.client()).await;
    role(&other, "models", 600).await;
    let (ours, theirs) = (one.issue("models").await, other.issue("models").await);
    let tidy = json!({ "dry_run": false, "min_age": 0 });
    for mount in [&one, &other] {
        let found = mount.write("tidy", tidy.clone()).await;
        let counts = ["orphan_count", "missing_count", "untagged_count"];
        let counts = counts.map(|name| found.data()[name].clone());
        assert_eq!(counts, [json!(0), json!(0), json!(1)], "{found:?}");
    }
    assert!(one.revoke(&ours.lease_id()).await.ok());
    let left = one.atlas.credentials().await;
    assert_eq!(left, [text(&theirs, "ai_model_key_id")]);
    assert!(other.revoke(&theirs.lease_id()).await.ok());
    assert_empty(&one).await;
}
