//! What the journal is for: nothing is lost, whatever becomes of leases and processes.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Bao, Mount};

/// The server ticks once a minute; what failed rests for one.
const SOME_TICKS: Duration = Duration::from_secs(210);

async fn turn(bao: &Bao, mount: &Mount, by: Duration) {
    bao.clock.as_ref().expect("a clock to turn").turn(by);
    mount.atlas.turn_clock(by).await;
}

#[tokio::test]
async fn a_credential_whose_lease_was_forced_away_is_deleted_when_its_time_is_over() {
    let bao = Bao::dev_with_clock();
    let mount = Mount::on(&bao.client()).await;
    mount.configure().await;
    mount.org_role("r", 600, 3_600).await;
    let key = mount.issue("r").await;
    let fault = json!({
        "operation": "deleteOrgApiKey", "count": 0,
        "action": { "kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN" },
    });
    mount.atlas.fault(fault).await;
    let force = format!("sys/leases/revoke-force/{}/creds/r", mount.path);
    assert!(mount.client.write(&force, json!({})).await.ok());
    assert_eq!(mount.leases("r").await, 0);
    assert_eq!(
        mount.atlas.credentials().await.len(),
        1,
        "nobody has removed it"
    );
    let public = key.data()["public_key"].as_str().unwrap();
    let entry = mount.read(&format!("issued/{public}")).await;
    assert_eq!(entry.data()["role"], "r");
    assert!(
        !entry
            .body
            .to_string()
            .contains(key.data()["private_key"].as_str().unwrap())
    );

    turn(&bao, &mount, Duration::from_hours(3)).await;
    is_told_of(&mount).await;
    mount.atlas.no_more_faults().await;
    mount.atlas.empties(SOME_TICKS).await;
    assert_eq!(mount.list("issued").await.status, 404);
}

/// What cannot be removed is never given up in silence: `status` counts it and names the cause.
async fn is_told_of(mount: &Mount) {
    let id = mount.list("issued").await.data()["keys"][0].clone();
    let give_up = Instant::now() + SOME_TICKS;
    loop {
        let status = mount.read("status").await;
        let journal = &status.data()["journal"];
        if journal["entries"]["failing"] == 1 {
            assert_eq!(journal["entries"]["due"], 1, "{journal}");
            let told = journal["errors"][0].to_string();
            assert!(
                told.contains(id.as_str().unwrap()) && told.contains("ACCESS_FORBIDDEN"),
                "{journal}"
            );
            return;
        }
        assert!(Instant::now() < give_up, "not told: {journal}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

#[tokio::test]
async fn no_more_credentials_than_a_role_allows_are_alive_at_once() {
    let mount = Mount::configured().await;
    let role =
        json!({ "organization_id": mount.atlas.org(), "roles": "ORG_MEMBER", "max_live": 3 });
    mount.role("r", role).await;
    let reads = (0..10).map(|_| mount.read("creds/r"));
    let answers = futures_util::future::join_all(reads).await;
    let (issued, refused): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(crate::support::Answer::ok);
    assert_eq!(issued.len(), 3);
    assert!(
        refused.iter().all(|answer| answer.status == 429),
        "{refused:?}"
    );
    assert_eq!(mount.atlas.credentials().await.len(), 3);
    assert!(mount.revoke(&issued[0].lease_id()).await.ok());
    mount.issue("r").await;
    let status = mount.read("status").await;
    assert_eq!(
        status.data()["journal"]["entries"]["active"],
        3,
        "{status:?}"
    );
}

#[tokio::test]
async fn tidy_removes_orphans_of_this_mount_alone() {
    let mount = Mount::configured().await;
    mount.org_role("r", 600, 0).await;
    let kept = mount.issue("r").await;
    let person = json!({ "org_id": mount.atlas.org(), "desc": "vault-r-01234567890123456789" });
    mount.atlas.control("POST", "/keys", person).await;
    let looked = mount.write("tidy", json!({})).await;
    assert_eq!(looked.data()["orphan_count"], 0, "{looked:?}");
    assert_eq!(looked.data()["untagged_count"], 1, "{looked:?}");
    assert_eq!(looked.data()["dry_run"], true);
    let done = mount
        .write("tidy", json!({ "dry_run": false, "min_age": 0 }))
        .await;
    assert_eq!(done.data()["removed_count"], 0, "{done:?}");
    assert_eq!(mount.atlas.credentials().await.len(), 2);
    assert!(mount.revoke(&kept.lease_id()).await.ok());
}
