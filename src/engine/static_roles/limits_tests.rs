//! Atlas's limits: lifetimes an organization allows, the end of a replaced secret, two slots, and days
//! on which Atlas answers nothing.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::tests::{DAY, HOUR, Rotated, refusal, status};

impl Rotated {
    async fn creates(&self) -> u64 {
        let asked = self.mount.atlas.operations().await;
        asked["createOrgSecret"].as_u64().unwrap_or_default()
    }

    async fn limit_lifetimes(&self, hours: u32) {
        let limit = json!({"maxServiceAccountSecretValidityInHours": hours});
        self.mount.atlas.change_organization(limit).await;
    }

    async fn ends(&self) -> DateTime<Utc> {
        let ends = self.creds().await["client_secret_expires_at"].clone();
        serde_json::from_value(ends).expect("a time")
    }
}

#[tokio::test]
async fn a_limit_that_was_lowered_later_is_met_and_rotations_keep_a_distance() {
    let app = Rotated::with(json!({"rotation_period": "30d"})).await;
    app.pass(2 * HOUR).await;
    app.limit_lifetimes(8).await;
    app.pass(2 * HOUR).await;
    app.mount
        .write("rotate-role/app", json!({}))
        .await
        .expect("rotated");
    let left = app.ends().await - app.mount.now();
    assert!(left < TimeDelta::hours(8) + TimeDelta::minutes(1), "{left}");
    app.mount.atlas.forget_requests().await;
    for _ in 0..6 * 24 {
        app.pass(600).await;
        assert!(app.works().await);
    }
    // A quarter of its life before its end: every six hours.
    let creates = app.creates().await;
    assert!((3..=4).contains(&creates), "{creates} rotations in a day");
}

/// The limit is asked for once an hour: a rotation may come before it is known.
#[tokio::test]
async fn a_limit_that_is_not_known_yet_is_reported_and_met_an_hour_later() {
    let app = Rotated::every_day().await;
    app.pass(2 * HOUR).await;
    app.pass(21 * HOUR + 1_800).await;
    app.mount
        .write("rotate-role/app", json!({}))
        .await
        .expect("rotated");
    app.pass(HOUR / 2).await;
    app.pass(90).await;
    let first = app.secret().await;
    app.limit_lifetimes(24).await;
    let refused = refusal(
        app.mount
            .write("rotate-role/app", json!({"force": true}))
            .await,
    );
    let refused = refused.expect_err("too long");
    assert!(refused.contains("give a shorter secret_ttl"), "{refused}");
    assert!(app.works().await);
    for _ in 0..2 * 26 {
        app.pass(HOUR / 2).await;
        assert!(app.works().await);
    }
    assert_ne!(app.secret().await, first);
    assert!(!app.shown().await.contains_key("last_error"));
    let left = app.ends().await - app.mount.now();
    assert!(
        left < TimeDelta::hours(24) + TimeDelta::minutes(1),
        "{left}"
    );
}

/// A new secret that is not proved yet has cut the life of the one that readers have.
#[tokio::test]
async fn readers_are_warned_of_the_end_after_seven_days_where_it_applies() {
    let app = Rotated::with(json!({})).await;
    app.pass(HOUR + 1).await;
    assert!(app.ends().await > app.mount.now() + TimeDelta::days(300));
    app.mount
        .atlas
        .set(json!({"new_credential_delay_seconds": 300}))
        .await;
    let first = app.secret().await;
    app.mount
        .write("rotate-role/app", json!({}))
        .await
        .expect_err("not proved");
    assert_eq!(app.secret().await, first);
    let week = TimeDelta::days(7);
    let left = app.ends().await - app.mount.now();
    assert!(
        left <= week && left > week - TimeDelta::minutes(1),
        "{left}"
    );
    let ttl = app.creds().await["ttl"].as_i64().expect("seconds");
    assert!(
        ttl <= week.num_seconds() && ttl > week.num_seconds() - 60,
        "{ttl}"
    );
    for _ in 0..8 {
        app.pass(60).await;
    }
    assert_ne!(app.secret().await, first);
    assert!(app.ends().await > app.mount.now() + TimeDelta::days(300));
}

/// So has one that somebody added by hand, once the account was looked at.
#[tokio::test]
async fn readers_are_warned_of_the_end_that_a_secret_of_others_brings() {
    let app = Rotated::with(json!({"rotation_period": "30d"})).await;
    app.pass(HOUR + 1).await;
    let wanted = json!({"client_id": app.account.client_id});
    app.mount.atlas.control("POST", "/secrets", wanted).await;
    let cut = app.mount.now() + TimeDelta::days(7);
    app.pass(DAY).await;
    let ends = app.ends().await;
    assert!((ends - cut).abs() < TimeDelta::minutes(1), "{ends} {cut}");
    let until = cut - TimeDelta::days(1) - app.mount.now();
    let ttl = app.creds().await["ttl"].as_i64().expect("seconds");
    assert!(
        (ttl - until.num_seconds()).abs() < 60,
        "rotated a day before: {ttl}"
    );
}

#[tokio::test]
async fn a_rotation_without_a_free_slot_is_reported_and_caught_up_on() {
    let app = Rotated::every_day().await;
    app.pass(HOUR + 1).await;
    let first = app.secret().await;
    let wanted = json!({"client_id": app.account.client_id});
    let made = app.mount.atlas.control("POST", "/secrets", wanted).await;
    let stray = made["client_secret"].as_str().expect("a secret").to_owned();
    app.mount.advance(Duration::from_secs(DAY - HOUR)).await;
    assert!(app.mints(&stray).await, "somebody uses it");
    app.tick().await;
    assert_eq!(app.secret().await, first);
    assert!(app.works().await);
    let status = status(&app).await;
    let told = status["failing_roles"][0]["last_error"].to_string();
    assert!(told.contains("already holds two secrets"), "{told}");
    assert_eq!(app.secrets_at_atlas().await, 2);
    // A day after its last use, and the overlap of what is replaced then.
    for _ in 0..28 {
        app.pass(HOUR).await;
        assert!(app.works().await);
    }
    assert_ne!(app.secret().await, first);
    assert!(!app.mints(&stray).await);
}

/// Nothing of Atlas answers as it should, not even where tokens are minted.
async fn a_day_of(action: Value) {
    let app = Rotated::not_yet_adopted(json!(["ORG_MEMBER"])).await;
    let config = app.mount.atlas.account_config();
    app.mount.write("config", config).await.expect("written");
    app.write(json!({"rotation_period": DAY}))
        .await
        .expect("a role");
    app.pass(HOUR + 1).await;
    let first = app.secret().await;
    app.mount.atlas.forget_requests().await;
    let fault = json!({"count": 0, "unauthenticated": true, "action": action});
    app.mount.atlas.fault(fault).await;
    // The rotation is due after the first day, and fails for the second.
    for _ in 0..46 {
        app.mount.advance(Duration::from_secs(HOUR)).await;
        // All that time does here is to let second tries wait.
        tokio::time::pause();
        app.tick().await;
        tokio::time::resume();
    }
    let asked = app.mount.atlas.operations().await;
    assert!(asked["oauthToken"].as_u64() > Some(20), "{asked}");
    assert_eq!(app.secret().await, first);
    let down = status(&app).await;
    assert_eq!(down["failing"], json!(1), "{down}");
    app.mount.atlas.no_more_faults().await;
    assert!(app.works().await);
    app.pass(HOUR).await;
    assert_ne!(app.secret().await, first);
    assert!(app.works().await);
    app.pass(HOUR + 1).await;
    assert_eq!(app.secrets_at_atlas().await, 1);
    assert!(!app.shown().await.contains_key("last_error"));
}

#[tokio::test]
async fn a_day_on_which_atlas_fails_at_everything_is_made_up_for() {
    a_day_of(json!({"kind": "answer", "status": 500})).await;
}

#[tokio::test]
async fn a_day_on_which_atlas_closes_every_connection_is_made_up_for() {
    a_day_of(json!({"kind": "close"})).await;
}
