//! When rotations come: periods, schedules, windows, changes of mind, and warnings of an end.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Timelike as _, Utc};
use serde_json::json;

use super::tests::{DAY, HOUR, Rotated, status};
use crate::base::{Clock as _, SystemClock};
use crate::engine::testing::TestMount;

impl Rotated {
    fn now(&self) -> DateTime<Utc> {
        self.mount.clock.now()
    }

    async fn next(&self) -> DateTime<Utc> {
        let next = self.creds().await["next_rotation"].clone();
        serde_json::from_value(next).expect("a time")
    }
}

#[tokio::test]
async fn by_hand_means_by_hand() {
    let app = Rotated::with(json!({})).await;
    let first = app.secret().await;
    app.pass(100 * DAY).await;
    assert_eq!(app.secret().await, first);
    assert!(app.creds().await["next_rotation"].is_null());
    app.mount
        .write("rotate-role/app", json!({}))
        .await
        .expect("rotated");
    assert_ne!(app.secret().await, first);
}

#[tokio::test]
async fn a_change_of_period_takes_effect_at_once() {
    let app = Rotated::with(json!({"rotation_period": "30d"})).await;
    let first = app.secret().await;
    app.pass(2 * DAY).await;
    app.write(json!({"rotation_period": DAY}))
        .await
        .expect("changed");
    assert!(app.next().await < app.now(), "it is due already");
    app.tick().await;
    assert_ne!(app.secret().await, first);
    let second = app.secret().await;
    app.write(json!({"rotation_period": 0}))
        .await
        .expect("changed");
    app.pass(30 * DAY).await;
    assert_eq!(app.secret().await, second);
}

#[tokio::test]
async fn a_schedule_is_kept_within_its_window() {
    // At any time of day late enough for what the adoption replaced to be gone: an account holds two.
    let hour = (SystemClock.now() + TimeDelta::hours(6)).hour();
    let schedule = format!("0 {hour} * * *");
    let app = Rotated::with(json!({"rotation_schedule": schedule, "rotation_window": "1h"})).await;
    let first = app.secret().await;
    let next = app.next().await;
    assert_eq!(next.hour(), hour, "{next}");
    let until = (next - app.now()).num_seconds();
    app.pass(u64::try_from(until).expect("ahead") + 1).await;
    assert_ne!(app.secret().await, first);
    assert!(app.next().await - next <= TimeDelta::days(1));
    assert_eq!(app.next().await.hour(), hour);
}

#[tokio::test]
async fn a_missed_window_is_reported_and_the_next_one_met() {
    let mut app =
        Rotated::with(json!({"rotation_schedule": "0 3 * * *", "rotation_window": "1h"})).await;
    let (first, missed) = (app.secret().await, app.next().await);
    app.mount
        .advance(
            (missed - app.now() + TimeDelta::hours(2))
                .to_std()
                .expect("ahead"),
        )
        .await;
    app.mount.restart().await;
    app.tick().await;
    assert_eq!(app.secret().await, first);
    assert_eq!(app.shown().await["last_missed_rotation"], json!(missed));
    let warnings = app.warnings("static-creds/app").await;
    assert!(warnings[0].contains("missed its window"), "{warnings:?}");
    let next = app.next().await;
    assert!(next > app.now());
    app.mount
        .advance((next - app.now()).to_std().expect("ahead"))
        .await;
    app.pass(1).await;
    assert_ne!(app.secret().await, first);
    assert_eq!(app.shown().await.get("last_missed_rotation"), None);
}

#[tokio::test]
async fn periods_and_schedules_replace_each_other() {
    let app = Rotated::every_day().await;
    app.write(json!({"rotation_schedule": "0 3 * * *", "rotation_window": "2h"}))
        .await
        .expect("changed");
    let shown = app.shown().await;
    assert_eq!(shown["rotation_period"], json!(0));
    assert_eq!(shown["rotation_window"], json!(7_200));
    app.write(json!({"rotation_period": DAY}))
        .await
        .expect("changed");
    let shown = app.shown().await;
    assert_eq!(
        (&shown["rotation_schedule"], &shown["rotation_window"]),
        (&json!(""), &json!(0))
    );
}

#[tokio::test]
async fn the_queue_comes_back_after_a_restart_and_after_another_nodes_write() {
    let mut app = Rotated::every_day().await;
    let first = app.secret().await;
    app.mount.restart().await;
    app.pass(DAY + 1).await;
    let second = app.secret().await;
    assert_ne!(second, first);
    app.mount.invalidate("static-roles/app").await;
    app.pass(DAY + 1).await;
    assert_ne!(app.secret().await, second);
}

#[tokio::test]
async fn a_role_that_is_used_before_the_first_periodic_run_stays_in_the_queue() {
    let mut app = Rotated::every_day().await;
    app.mount.restart().await;
    app.mount.advance(Duration::from_secs(HOUR)).await;
    let asked = app.mount.write("rotate-role/app", json!({})).await;
    asked.expect("a rotation by hand");
    let by_hand = app.secret().await;
    app.pass(DAY + 1).await;
    assert_ne!(app.secret().await, by_hand);
    assert_eq!(status(&app).await["roles"], 1);
}

#[tokio::test]
async fn people_are_warned_before_a_secret_ends() {
    let app = Rotated::with(json!({"secret_ttl": "60d"})).await;
    assert!(
        status(&app).await["expiring_roles"]
            .as_array()
            .is_some_and(Vec::is_empty)
    );
    app.pass(55 * DAY).await;
    let warnings = app.warnings("static-creds/app").await;
    assert!(
        warnings[0].contains("the client_secret expires at"),
        "{warnings:?}"
    );
    assert_eq!(status(&app).await["expiring_roles"], json!(["app"]));
    app.pass(6 * DAY).await;
    let warnings = app.warnings("static-roles/app").await;
    let told = &warnings[0];
    assert!(
        told.contains("expired at") && told.contains("rotate-role"),
        "{told}"
    );
    // Managed by this mount's credential, it can still be helped.
    app.mount
        .write("rotate-role/app", json!({}))
        .await
        .expect("rotated");
    app.tick().await;
    assert!(app.works().await);
    assert_eq!(
        app.secrets_at_atlas().await,
        1,
        "the expired one is of no use to anybody"
    );
}

#[tokio::test]
async fn the_time_to_live_ends_with_the_next_rotation_or_the_secret() {
    let app = Rotated::every_day().await;
    app.mount.advance(Duration::from_secs(1_000)).await;
    assert_eq!(app.creds().await["ttl"], json!(DAY - 1_000));
    let mount = TestMount::configured().await;
    let account = mount.atlas.account(json!(["ORG_MEMBER"])).await;
    let by_hand = Rotated { mount, account };
    let told = by_hand
        .write(json!({"secret_ttl": "8h"}))
        .await
        .expect("a role");
    assert!(told[0].contains("no automatic rotation"), "{told:?}");
    let ttl = by_hand.creds().await["ttl"].as_u64().expect("seconds");
    assert!((8 * HOUR - 5..=8 * HOUR).contains(&ttl), "{ttl}");
    by_hand.mount.advance(Duration::from_secs(9 * HOUR)).await;
    assert_eq!(by_hand.creds().await["ttl"], json!(0));
}
