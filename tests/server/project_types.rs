//! What is made in a project by one request, AI model API keys and database users, where Atlas, a role, a clock
//! or a person is in the way.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Answer, Bao, Mount};

const KINDS: [&str; 2] = ["ai_model_key", "database_user"];

/// The server tries again after ten seconds.
const TRIED_AGAIN: Duration = Duration::from_mins(1);

/// Ticks come once a minute; what failed rests for one.
const SOME_TICKS: Duration = Duration::from_secs(210);

fn create_of(kind: &str) -> &'static str {
    match kind {
        "ai_model_key" => "createGroupModelKey",
        _ => "createDatabaseUser",
    }
}

fn delete_of(kind: &str) -> &'static str {
    match kind {
        "ai_model_key" => "deleteGroupModelKey",
        _ => "deleteDatabaseUser",
    }
}

async fn with_clock() -> (Bao, Mount) {
    let bao = Bao::dev_with_clock();
    let mount = Mount::on(&bao.client()).await;
    mount.configure().await;
    for kind in KINDS {
        mount.project_role(kind, 600, 1_200).await;
    }
    (bao, mount)
}

async fn read(mount: &Mount, kind: &str) -> Answer {
    mount.read(&format!("creds/{kind}")).await
}

async fn nothing_is_left(mount: &Mount, what: &str) {
    let left = mount.atlas.credentials().await;
    assert!(left.is_empty(), "{what}: {left:?}");
    assert_eq!(mount.list("issued").await.status, 404, "{what}");
}

fn answer(status: u16, code: &str) -> Value {
    json!({ "kind": "answer", "status": status, "code": code })
}

#[tokio::test]
async fn a_limit_and_a_name_that_is_taken_are_told_and_leave_nothing() {
    let mount = Mount::configured().await;
    for kind in KINDS {
        mount.project_role(kind, 600, 1_200).await;
        let first = mount.issue(kind).await.lease_id();
        let full = json!({ "max_model_keys_per_project": 1, "max_database_users_per_project": 1 });
        mount.atlas.settings(full).await;
        let refused = read(&mount, kind).await;
        assert_eq!(refused.status, 400, "{kind}: {refused:?}");
        let room =
            json!({ "max_model_keys_per_project": 0, "max_database_users_per_project": 100 });
        mount.atlas.settings(room).await;
        assert_eq!(mount.atlas.credentials().await.len(), 1, "{kind}");
        assert!(mount.revoke(&first).await.ok());
        let taken = json!({
            "operation": create_of(kind), "count": 0, "action": answer(409, "NAME_TAKEN"),
        });
        mount.atlas.fault(taken).await;
        let refused = read(&mount, kind).await;
        mount.atlas.no_more_faults().await;
        assert!(
            refused.errors().contains("NAME_TAKEN"),
            "{kind}: {refused:?}"
        );
        nothing_is_left(&mount, kind).await;
    }
}

#[tokio::test]
async fn no_more_are_alive_than_the_role_allows() {
    let mount = Mount::configured().await;
    for kind in KINDS {
        mount.project_role(kind, 600, 1_200).await;
        let fewer = mount
            .write(&format!("roles/{kind}"), json!({ "max_live": 2 }))
            .await;
        assert!(fewer.ok(), "{fewer:?}");
        let reads = (0..5).map(|_| read(&mount, kind));
        let answers = futures_util::future::join_all(reads).await;
        let (issued, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Answer::ok);
        assert_eq!(issued.len(), 2, "{kind}: {refused:?}");
        assert!(
            refused.iter().all(|answer| answer.status == 429),
            "{refused:?}"
        );
        for answer in issued {
            assert!(mount.revoke(&answer.lease_id()).await.ok());
        }
        nothing_is_left(&mount, kind).await;
    }
}

#[tokio::test]
async fn a_role_that_changes_or_goes_meanwhile_hands_nothing_out() {
    let mount = Mount::configured().await;
    for kind in KINDS {
        for goes in [false, true] {
            mount.project_role(kind, 600, 1_200).await;
            let slow = json!({
                "operation": create_of(kind), "action": {"kind": "delay", "seconds": 3},
            });
            mount.atlas.fault(slow).await;
            let role = format!("roles/{kind}");
            let change = async {
                mount.atlas.fault_is_met().await;
                if goes {
                    mount.delete(&role).await
                } else {
                    let elsewhere = json!({ "project_id": mount.atlas.project(1) });
                    mount.write(&role, elsewhere).await
                }
            };
            let (refused, changed) = tokio::join!(read(&mount, kind), change);
            assert!(changed.ok(), "{changed:?}");
            assert!(!refused.ok(), "{kind}, {goes}: {refused:?}");
            mount.atlas.no_more_faults().await;
            nothing_is_left(&mount, kind).await;
        }
    }
}

#[tokio::test]
async fn a_lease_that_ends_while_atlas_is_down_is_revoked_once_it_is_back() {
    let mount = Mount::configured().await;
    for kind in KINDS {
        mount.project_role(kind, 2, 4).await;
        let down = json!({
            "operation": delete_of(kind), "count": 0, "action": answer(503, "UNEXPECTED_ERROR"),
        });
        mount.atlas.fault(down).await;
        mount.issue(kind).await;
        mount.atlas.fault_is_met().await;
        assert_eq!(mount.atlas.credentials().await.len(), 1, "{kind}");
        mount.atlas.no_more_faults().await;
        mount.atlas.empties(TRIED_AGAIN).await;
    }
}

/// Alone, or with their project; and by an answer to the deletion that nobody got.
#[tokio::test]
async fn what_is_gone_by_hand_with_its_project_or_unseen_is_revoked() {
    let (bao, mount) = with_clock().await;
    let mut leases = Vec::new();
    for kind in KINDS {
        leases.push(mount.issue(kind).await.lease_id());
        let lost = json!({
            "operation": delete_of(kind), "count": 0, "action": {"kind": "lose_answer"},
        });
        let lease = mount.issue(kind).await.lease_id();
        mount.atlas.fault(lost).await;
        let revoked = mount.revoke(&lease).await;
        mount.atlas.no_more_faults().await;
        if !revoked.ok() {
            leases.push(lease);
        }
    }
    let project = format!("/projects/{}", mount.atlas.project(0));
    mount.atlas.control("DELETE", &project, Value::Null).await;
    mount.pass(&bao, Duration::from_mins(3)).await;
    for lease in leases {
        let revoked = mount.revoke(&lease).await;
        assert!(revoked.ok(), "{revoked:?}");
    }
    nothing_is_left(&mount, "with the project").await;
}

/// Its lease was forced away while Atlas refused; nobody else ends it.
#[tokio::test]
async fn what_outlives_its_lease_is_reaped_and_a_copy_of_its_name_is_an_orphan() {
    let (bao, mount) = with_clock().await;
    let stays = json!({ "database_user_delete_delay_seconds": 864_000 });
    mount.atlas.settings(stays).await;
    for kind in KINDS {
        let refused = json!({
            "operation": delete_of(kind), "count": 0, "action": answer(403, "ACCESS_FORBIDDEN"),
        });
        mount.atlas.fault(refused).await;
        mount.issue(kind).await;
        let force = format!("sys/leases/revoke-force/{}/creds/{kind}", mount.path);
        assert!(mount.client.write(&force, json!({})).await.ok());
    }
    let listed = mount.list("issued").await;
    let mut names = Vec::new();
    for id in listed.data()["keys"].as_array().unwrap() {
        let entry = mount
            .read(&format!("issued/{}", id.as_str().unwrap()))
            .await;
        names.push(entry.data()["description"].clone());
    }
    mount.atlas.no_more_faults().await;
    assert_eq!(mount.atlas.credentials().await.len(), 2);
    mount.pass(&bao, Duration::from_hours(3)).await;
    mount.atlas.empties(SOME_TICKS).await;
    assert_eq!(mount.list("issued").await.status, 404);

    // As after a restore of a snapshot from before they were issued.
    let project = mount.atlas.project(0);
    let key = json!({ "project_id": project, "name": names[0] });
    mount.atlas.control("POST", "/model-keys", key).await;
    let user = json!({ "project_id": project, "username": "u", "description": names[1] });
    mount.atlas.control("POST", "/database-users", user).await;
    let order = json!({ "dry_run": false, "min_age": 0 });
    let tidied = mount.write("tidy", order).await;
    let counts = ["orphan_count", "removed_count"].map(|name| tidied.data()[name].clone());
    assert_eq!(counts, [json!(2), json!(2)], "{tidied:?}");
    nothing_is_left(&mount, "tidied").await;
}

/// By the plugin's clock every lease is long over, and by Atlas's none.
#[tokio::test]
async fn a_clock_past_every_expiry_ends_nothing() {
    let bao = Bao::dev_with_wrong_clock();
    let mount = Mount::on(&bao.client()).await;
    mount.configure().await;
    let mut leases = Vec::new();
    for kind in KINDS {
        mount.project_role(kind, 3_600, 7_200).await;
        leases.push(mount.issue(kind).await.lease_id());
    }
    bao.log.ticks(1).await;
    let clock = bao.clock.as_ref().expect("a clock to turn");
    clock.turn(Duration::from_hours(240));
    bao.log.ticks(2).await;
    assert_eq!(mount.atlas.credentials().await.len(), 2);
    for lease in leases {
        let renewed = mount.renew(&lease, 0).await;
        assert!(renewed.ok(), "{renewed:?}");
        let revoked = mount.revoke(&lease).await;
        assert!(revoked.ok(), "{revoked:?}");
    }
    nothing_is_left(&mount, "revoked").await;
}
