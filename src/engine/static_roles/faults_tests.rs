//! What goes wrong on the way of a rotation: readers never notice, and in the end all is as it should.

use std::time::Duration;

use serde_json::{Value, json};

use super::tests::{DAY, HOUR, Rotated, refusal};
use crate::engine::testing::TestMount;
use crate::vault::Failure;

fn refused(operation: &str, count: u32) -> Value {
    json!({
        "operation": operation, "count": count,
        "action": {"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"},
    })
}

impl Rotated {
    /// Lets time pass by until all is done; readers always have a secret that works.
    async fn settle(&self, seconds: u64) {
        for _ in 0..seconds / 600 {
            self.pass(600).await;
            assert!(self.works().await);
        }
    }
}

/// The process dies after any number of writes of a rotation.
#[tokio::test]
async fn a_crash_at_any_step_loses_nothing() {
    for writes in 0..5 {
        let mut app = Rotated::every_day().await;
        app.pass(HOUR + 1).await;
        let first = app.secret().await;
        app.mount.storage.fail_after(Some(writes));
        let asked = app.mount.write("rotate-role/app", json!({})).await;
        app.mount.storage.fail_after(None);
        app.mount.restart().await;
        assert!(app.works().await, "{writes}");
        assert!(app.secrets_at_atlas().await <= 2, "{writes}");
        app.settle(DAY + 3 * HOUR).await;
        assert_ne!(app.secret().await, first, "{writes}: {asked:?}");
        assert_eq!(app.secrets_at_atlas().await, 1, "{writes}");
        assert!(!app.shown().await.contains_key("last_error"), "{writes}");
    }
}

/// Storage fails for good in the middle, and Atlas does not even take the new secret back.
#[tokio::test]
async fn a_secret_that_could_not_be_stored_is_found_and_removed() {
    let mut app = Rotated::every_day().await;
    app.pass(HOUR + 1).await;
    app.mount.atlas.fault(refused("deleteOrgSecret", 1)).await;
    app.mount.storage.fail_after(Some(1));
    app.mount
        .write("rotate-role/app", json!({}))
        .await
        .expect_err("not stored");
    assert_eq!(app.secrets_at_atlas().await, 2);
    app.mount.storage.fail_after(None);
    app.mount.restart().await;
    let first = app.secret().await;
    app.pass(1).await;
    assert_ne!(app.secret().await, first, "it is carried on with");
    app.settle(2 * HOUR).await;
    assert_eq!(app.secrets_at_atlas().await, 1);
}

#[tokio::test]
async fn a_secret_whose_answer_was_lost_is_removed_before_the_next_is_asked_for() {
    for lag in [0, 90] {
        let app = Rotated::every_day().await;
        app.pass(HOUR + 1).await;
        app.mount
            .atlas
            .set(json!({"read_lag_after_create_seconds": lag}))
            .await;
        let lost = json!({"operation": "createOrgSecret", "action": {"kind": "lose_answer"}});
        app.mount.atlas.fault(lost).await;
        let first = app.secret().await;
        app.mount
            .write("rotate-role/app", json!({}))
            .await
            .expect_err("no answer");
        assert!(app.works().await);
        assert_eq!(app.shown().await["rotation_in_progress"], json!(true));
        for _ in 0..12 {
            app.pass(60).await;
            assert!(app.works().await);
        }
        assert_ne!(app.secret().await, first, "lag {lag}");
        app.settle(2 * HOUR).await;
        assert_eq!(app.secrets_at_atlas().await, 1, "lag {lag}");
    }
}

#[tokio::test]
async fn a_secret_that_works_a_little_later_is_waited_for() {
    let app = Rotated::every_day().await;
    app.pass(HOUR + 1).await;
    let first = app.secret().await;
    app.mount
        .atlas
        .set(json!({"new_credential_delay_seconds": 180}))
        .await;
    let asked = refusal(app.mount.write("rotate-role/app", json!({})).await);
    assert!(
        asked
            .expect_err("not yet")
            .contains("cannot obtain an access token yet")
    );
    assert!(app.works().await);
    for _ in 0..6 {
        app.pass(60).await;
        assert!(app.works().await);
    }
    assert_ne!(app.secret().await, first);
}

#[tokio::test]
async fn a_secret_that_never_works_is_given_up_and_another_is_made() {
    let app = Rotated::every_day().await;
    app.pass(HOUR + 1).await;
    let first = app.secret().await;
    app.mount
        .atlas
        .set(json!({"new_credential_delay_seconds": 3_000}))
        .await;
    app.mount
        .write("rotate-role/app", json!({}))
        .await
        .expect_err("not proved");
    app.settle(2 * HOUR).await;
    assert_eq!(app.secret().await, first);
    assert!(app.secrets_at_atlas().await <= 2);
    app.mount
        .atlas
        .set(json!({"new_credential_delay_seconds": 0}))
        .await;
    app.settle(DAY + 3 * HOUR).await;
    assert_ne!(app.secret().await, first);
    assert_eq!(app.secrets_at_atlas().await, 1);
}

#[tokio::test]
async fn a_day_without_atlas_is_reported_and_caught_up_on() {
    let app = Rotated::every_day().await;
    app.pass(HOUR + 1).await;
    let first = app.secret().await;
    for operation in ["getOrgServiceAccount", "createOrgSecret", "deleteOrgSecret"] {
        app.mount.atlas.fault(refused(operation, 0)).await;
    }
    for _ in 0..48 {
        app.pass(HOUR / 2).await;
        assert!(app.works().await);
    }
    assert_eq!(app.secret().await, first);
    let shown = app.shown().await;
    assert!(shown["rotation_failures"].as_u64() > Some(0), "{shown:?}");
    let text = shown["last_error"].as_str().expect("a reason");
    assert!(text.contains("ACCESS_FORBIDDEN"), "{text}");
    let status = crate::engine::static_roles::tests::status(&app).await;
    assert_eq!(status["failing"], json!(1), "{status}");
    let warnings = app.warnings("static-creds/app").await;
    assert!(
        warnings.iter().any(|warning| warning.contains("failed")),
        "{warnings:?}"
    );
    app.mount.atlas.no_more_faults().await;
    app.settle(3 * HOUR).await;
    assert_ne!(app.secret().await, first);
    assert!(!app.shown().await.contains_key("last_error"));
    assert_eq!(app.secrets_at_atlas().await, 1);
}

#[tokio::test]
async fn a_replaced_secret_that_cannot_be_removed_is_tried_again() {
    let app = Rotated::every_day().await;
    app.mount.atlas.fault(refused("deleteOrgSecret", 3)).await;
    app.pass(HOUR + 1).await;
    assert_eq!(app.secrets_at_atlas().await, 2);
    app.settle(3 * HOUR).await;
    assert_eq!(app.secrets_at_atlas().await, 1);
}

#[tokio::test]
async fn a_replaced_secret_in_use_is_kept_for_twice_the_overlap_at_most() {
    let app = Rotated::every_day().await;
    app.mount.advance(Duration::from_secs(HOUR - 60)).await;
    assert!(app.mints(&app.account.secret).await);
    app.pass(120).await;
    assert_eq!(
        app.secrets_at_atlas().await,
        2,
        "somebody used it a moment ago"
    );
    let shown = app.shown().await;
    assert_eq!(
        shown["previous_secrets"][0]["in_use"],
        json!(true),
        "{shown:?}"
    );
    let warnings = app.warnings("static-roles/app").await;
    assert!(warnings[0].contains("is still in use"), "{warnings:?}");
    for _ in 0..5 {
        app.mount.advance(Duration::from_mins(10)).await;
        assert!(app.mints(&app.account.secret).await);
        app.tick().await;
    }
    app.pass(660).await;
    assert_eq!(app.secrets_at_atlas().await, 1);
    assert!(!app.mints(&app.account.secret).await);
}

#[tokio::test]
async fn secrets_of_others_make_room() {
    let app = Rotated::every_day().await;
    app.pass(HOUR + 1).await;
    let wanted = json!({"client_id": app.account.client_id, "hours": 8});
    app.mount
        .atlas
        .control("POST", "/secrets", wanted.clone())
        .await;
    // It has expired by the time of the rotation, and holds its slot all the same.
    app.settle(DAY).await;
    assert_eq!(app.shown().await.get("last_error"), None);
    assert_eq!(app.secrets_at_atlas().await, 1);
    // One that is in use is waited for.
    let made = app
        .mount
        .atlas
        .control(
            "POST",
            "/secrets",
            json!({"client_id": app.account.client_id}),
        )
        .await;
    let stray = made["client_secret"].as_str().expect("a secret").to_owned();
    let first = app.secret().await;
    app.mount.advance(Duration::from_secs(DAY - HOUR)).await;
    assert!(app.mints(&stray).await);
    app.mount
        .write("rotate-role/app", json!({}))
        .await
        .expect_err("no room");
    assert!(app.mints(&stray).await);
    for _ in 0..26 {
        app.pass(HOUR).await;
        assert!(app.works().await);
    }
    assert_ne!(app.secret().await, first);
    assert!(!app.mints(&stray).await, "nobody used it for a day");
}

#[tokio::test]
async fn an_end_that_came_nearer_is_noticed_and_met() {
    let app = Rotated::with(json!({"rotation_period": "30d"})).await;
    app.pass(HOUR + 1).await;
    let first = app.secret().await;
    let wanted = json!({"client_id": app.account.client_id});
    app.mount.atlas.control("POST", "/secrets", wanted).await;
    for _ in 0..8 {
        app.pass(DAY).await;
        assert!(app.works().await);
    }
    assert_ne!(
        app.secret().await,
        first,
        "Atlas would have ended it after seven days"
    );
    app.settle(3 * HOUR).await;
    assert_eq!(app.secrets_at_atlas().await, 1);
}

#[tokio::test]
async fn an_account_that_was_deleted_by_hand_is_reported() {
    let app = Rotated::every_day().await;
    app.pass(HOUR + 1).await;
    let path = format!("/accounts/{}", app.account.client_id);
    app.mount.atlas.control("DELETE", &path, Value::Null).await;
    app.pass(DAY).await;
    let error = app.shown().await["last_error"].clone();
    let error = error.as_str().expect("a reason");
    assert!(error.contains("was it deleted by hand?"), "{error}");
    let asked = refusal(app.mount.write("rotate-role/app", json!({})).await);
    assert!(
        asked
            .expect_err("gone")
            .contains("client_id: Atlas knows no service account")
    );
}

#[tokio::test]
async fn only_the_node_that_may_write_rotates() {
    let app = Rotated::every_day().await;
    let first = app.secret().await;
    app.mount
        .system
        .set_replication(crate::vault::Replication(24_576));
    app.mount.storage.set_read_only(true);
    app.mount.atlas.forget_requests().await;
    app.pass(2 * DAY).await;
    assert_eq!(app.secret().await, first, "a standby serves reads");
    let asked = app.mount.write("rotate-role/app", json!({})).await;
    assert_eq!(asked.expect_err("forwarded"), Failure::read_only());
    assert_eq!(app.mount.atlas.operations().await, json!({}));
    app.mount
        .system
        .set_replication(crate::vault::Replication(8_224));
    app.mount.storage.set_read_only(false);
    app.tick().await;
    assert_ne!(app.secret().await, first, "the new active node carries on");
    assert!(app.works().await);
}

#[tokio::test]
async fn rotations_keep_a_distance_unless_forced() {
    let app = Rotated::every_day().await;
    let asked = |force: bool| app.mount.write("rotate-role/app", json!({"force": force}));
    let refused = refusal(asked(false).await).expect_err("too soon");
    assert!(refused.contains("it was rotated 0 s ago"), "{refused}");
    app.mount.advance(Duration::from_secs(61)).await;
    let refused = refusal(asked(false).await).expect_err("no room");
    assert!(
        refused.contains("is kept for those who still use it"),
        "{refused}"
    );
    let first = app.secret().await;
    asked(true).await.expect("rotated");
    assert_ne!(app.secret().await, first);
    assert!(app.works().await && app.mints(&first).await);
    assert!(
        !app.mints(&app.account.secret).await,
        "the older one had to go"
    );
}

#[tokio::test]
async fn two_rotations_at_once_are_one() {
    let app = Rotated::every_day().await;
    app.pass(HOUR + 1).await;
    let ask = || app.mount.write("rotate-role/app", json!({}));
    let (one, two, _) = tokio::join!(ask(), ask(), app.mount.tick());
    assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
    let operations = app.mount.atlas.operations().await;
    assert_eq!(operations["createOrgSecret"], json!(2), "{operations}");
}

#[tokio::test]
async fn a_first_rotation_that_stops_half_way_is_finished() {
    let mount = TestMount::configured().await;
    let account = mount.atlas.account(json!(["ORG_MEMBER"])).await;
    let app = Rotated { mount, account };
    let lost = json!({"operation": "createOrgSecret", "action": {"kind": "lose_answer"}});
    app.mount.atlas.fault(lost).await;
    let warnings = app.write(json!({})).await.expect("stored all the same");
    assert!(
        warnings[0].contains("its first rotation is not finished"),
        "{warnings:?}"
    );
    let unread = refusal(app.mount.read("static-creds/app").await);
    assert!(unread.expect_err("none yet").contains("has no secret yet"));
    app.pass(60).await;
    assert!(app.works().await);
    assert!(app.mints(&app.account.secret).await);
    app.settle(3 * HOUR).await;
    assert_eq!(app.secrets_at_atlas().await, 1);
}
