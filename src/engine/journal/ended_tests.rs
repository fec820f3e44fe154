//! What was ended is in nobody's way: neither of a new credential nor of who counts or compares.

use chrono::TimeDelta;
use serde_json::json;

use super::ending_tests::{HOUR, Kind, NOTHING, end, id, mount_of, public, text};
use crate::engine::log_lines::Lines;
use crate::engine::process::ServerHold;
use crate::engine::testing::{Atlas, TestMount};
use crate::vault::{Operation, Replication};

#[tokio::test]
async fn what_was_ended_takes_no_place_and_keeps_nothing_from_anybody() {
    let mount = mount_of(Kind::Secret).await;
    mount
        .write("roles/reader", json!({ "max_live": 1 }))
        .await
        .expect("a role");
    let (data, lease) = mount.issue("reader").await;
    mount.read("creds/reader").await.expect_err("one at most");
    end(&mount, id(&lease)).await.expect("ended");
    let (_, second) = mount.issue("reader").await;
    end(&mount, id(&second)).await.expect("ended");
    mount
        .ask(Operation::Delete, "roles/reader", json!({}))
        .await
        .expect("deleted");
    let static_role = json!({
        "client_id": data["client_id"], "organization_id": mount.atlas.org(), "rotation_period": 0,
    });
    mount
        .write("static-roles/rotates", static_role)
        .await
        .expect("none of its secrets is issued");
    mount
        .ask(Operation::Delete, "static-roles/rotates", json!({}))
        .await
        .expect("deleted");
    let answer = mount.ask(Operation::Delete, "config", json!({})).await;
    answer.expect("nothing needs it");
    assert_eq!(mount.journal_keys().len(), 2);
    assert!(
        mount
            .journal_keys()
            .contains(&format!("issued/{}", id(&lease)))
    );
}

#[tokio::test]
async fn the_entry_of_what_was_ended_goes_past_its_last_possible_lease() {
    for kind in [Kind::Key, Kind::Secret] {
        let mount = mount_of(kind).await;
        let (_, lease) = mount.issue("reader").await;
        end(&mount, id(&lease)).await.expect("ended");
        mount.advance(4 * HOUR + HOUR / 2).await;
        mount.tick_for(2).await;
        assert_eq!(mount.journal_keys().len(), 1);
        assert_eq!(mount.figure("entries", "due").await, 0);
        mount.advance(HOUR).await;
        mount.atlas.forget_requests().await;
        mount.tick_for(1).await;
        let asked = mount.atlas.operations().await;
        assert!(
            asked.get("deleteOrgApiKey").is_none() && asked.get("deleteOrgSecret").is_none(),
            "{asked}"
        );
        assert_eq!(mount.journal_keys(), NOTHING);
        mount.revoke(&lease).await.expect("gone is as good");
    }
}

/// As where an operator of Atlas brings an earlier state back, or Atlas said gone of what was not.
#[tokio::test]
async fn what_is_in_atlas_with_the_id_of_what_was_ended_is_an_orphan() {
    let mount = mount_of(Kind::Key).await;
    let (data, lease) = mount.issue("reader").await;
    end(&mount, id(&lease)).await.expect("ended");
    mount.advance(2 * HOUR).await;
    let calm = TestMount::data(mount.write("tidy", json!({ "dry_run": false })).await);
    assert_eq!(
        (&calm["orphan_count"], &calm["missing_count"]),
        (&json!(0), &json!(0))
    );
    mount.atlas.plant_key(text(&data, "description")).await;
    mount.advance(2 * HOUR).await;
    let found = TestMount::data(mount.write("tidy", json!({ "dry_run": false })).await);
    assert_eq!(
        (&found["orphan_count"], &found["removed_count"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(mount.atlas.credentials().await, NOTHING);
    assert_eq!(mount.journal_keys().len(), 1, "its lease is still there");
}

#[tokio::test]
async fn a_hold_of_the_unasked_does_not_keep_an_order() {
    let mut mount = mount_of(Kind::Key).await;
    let (data, _) = mount.issue("reader").await;
    let (other, _) = mount.issue("reader").await;
    let on = json!({ "hold": true });
    mount.write("config", on).await.expect("held");
    end(&mount, public(&data)).await.expect("ended");
    mount.restart_held(ServerHold::All).await;
    let held = end(&mount, public(&other)).await.expect_err("held");
    assert!(held.to_string().contains("MONGODBATLAS_HOLD=all"), "{held}");
}

#[tokio::test]
async fn the_log_says_who_ended_what_and_no_secret() {
    let mount = mount_of(Kind::Key).await;
    let (data, lease) = mount.issue("reader").await;
    let lines = Lines::default();
    let listening = lines.listen();
    end(&mount, public(&data)).await.expect("ended");
    let told = lines.take("credential ended before its lease");
    drop(listening);
    assert_eq!(told.len(), 1, "{told:?}");
    for part in [id(&lease), "reader", "display_name=\"token\"", "deleted"] {
        assert!(told[0].contains(part), "{told:?}");
    }
    assert!(!told[0].contains(text(&data, "private_key")));
}

/// Another address has nothing of what was ended, so that the entry does not count there.
#[tokio::test]
async fn what_was_ended_is_not_counted_where_an_address_is_left() {
    let mount = mount_of(Kind::Key).await;
    let (_, lease) = mount.issue("reader").await;
    let elsewhere = Atlas::another().await;
    let told = TestMount::warnings(
        mount
            .write("config", elsewhere.key_and_organization())
            .await,
    );
    assert!(told.iter().any(|told| told.contains("1 issued credential")));
    mount
        .write("config", mount.atlas.key_and_organization())
        .await
        .expect("back");
    end(&mount, id(&lease)).await.expect("ended");
    let told = TestMount::warnings(
        mount
            .write("config", elsewhere.key_and_organization())
            .await,
    );
    assert!(
        !told.iter().any(|told| told.contains("issued credential")),
        "{told:?}"
    );
}

/// The lease would be taken for one like any other, and be renewed.
#[tokio::test]
async fn a_clock_that_is_ahead_does_not_forget_what_was_ended() {
    let mount = mount_of(Kind::Key).await;
    mount.tick_for(16).await;
    let (_, lease) = mount.issue("reader").await;
    end(&mount, id(&lease)).await.expect("ended");
    let ahead = TimeDelta::hours(6);
    mount.clock.jump(ahead);
    mount.tick_for(2).await;
    assert_eq!(mount.journal_keys().len(), 1);
    mount.clock.jump(-ahead);
    mount.tick_for(2).await;
    mount.renew(&lease).await.expect_err("it was ended");
}

#[tokio::test]
async fn the_entry_of_what_was_ended_goes_without_a_configuration() {
    let mount = mount_of(Kind::Key).await;
    let (_, lease) = mount.issue("reader").await;
    end(&mount, id(&lease)).await.expect("ended");
    let answer = mount.ask(Operation::Delete, "config", json!({})).await;
    answer.expect("nothing needs it");
    mount.advance(6 * HOUR).await;
    mount.tick_for(1).await;
    assert_eq!(mount.journal_keys(), NOTHING);
}

/// By a clock that is ahead its lease may live. A process that starts with such a clock has seen nobody
/// set it.
#[tokio::test]
async fn a_clock_that_atlas_has_not_confirmed_forgets_nothing_that_was_ended() {
    let mut mount = mount_of(Kind::Key).await;
    let (_, lease) = mount.issue("reader").await;
    end(&mount, id(&lease)).await.expect("ended");
    let ahead = TimeDelta::hours(6);
    mount.clock.jump(ahead);
    mount.restart().await;
    mount.tick_for(20).await;
    assert_eq!(mount.journal_keys().len(), 1);
    mount.clock.jump(-ahead);
    mount.tick_for(2).await;
    mount.renew(&lease).await.expect_err("it was ended");
}

#[tokio::test]
async fn what_failed_before_it_was_ended_does_not_fail_any_more() {
    let mount = mount_of(Kind::Key).await;
    let (data, _) = mount.issue("reader").await;
    let refusal = json!({
        "operation": "deleteOrgApiKey",
        "action": {"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"},
    });
    mount.atlas.fault(refusal).await;
    let order = json!({ "organization_id": mount.atlas.org(), "dry_run": false });
    mount.write("issued-end", order).await.expect("ordered");
    mount.tick().await.expect("a tick");
    assert_eq!(mount.figure("entries", "failing").await, 1);
    end(&mount, public(&data)).await.expect("ended");
    assert_eq!(mount.figure("entries", "failing").await, 0);
    assert_eq!(mount.figure("entries", "max_failures").await, 0);
}

/// As on the active node.
#[tokio::test]
async fn a_standby_shows_of_several_parts_of_an_account_one_that_is_of_use() {
    let mount = mount_of(Kind::Secret).await;
    let (data, first) = mount.issue("reader").await;
    let (_, second) = mount.issue("reader").await;
    let mut ids = [id(&first), id(&second)];
    ids.sort_unstable();
    end(&mount, ids[0]).await.expect("ended");
    let account = format!("issued/{}", public(&data));
    mount.system.set_replication(Replication(24_576));
    let shown = TestMount::data(mount.read(&account).await);
    assert_eq!(shown["id"], ids[1]);
    mount.system.set_replication(Replication(0));
    end(&mount, ids[1]).await.expect("ended");
    mount.system.set_replication(Replication(24_576));
    let shown = TestMount::data(mount.read(&account).await);
    assert_eq!(shown["state"], "ended", "all of them");
}
