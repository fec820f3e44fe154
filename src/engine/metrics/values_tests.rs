//! What each value says, of mounts that were put into the state it is about.

use std::time::Duration;

use serde_json::{Value, json};

use super::tests::data;
use crate::base::Rfc3339;
use crate::engine::testing::TestMount;
use crate::vault::Data;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY_SECONDS: f64 = 24.0 * 3600.0;

/// One value of the metrics; [`None`]: there is no such series.
#[expect(
    clippy::needless_pass_by_value,
    reason = "labels are written where they are asked for"
)]
pub(super) fn value(told: &Data, name: &str, labels: Value) -> Option<f64> {
    let name = format!("mongodbatlas_{name}");
    let sections = ["Gauges", "Counters"].map(|section| told[section].as_array());
    let mut all = sections.into_iter().flatten().flatten();
    let series = all.find(|series| series["Name"] == name && series["Labels"] == labels)?;
    let value = series.get("Value").or_else(|| series.get("Count"));
    value.and_then(Value::as_f64)
}

pub(super) async fn told(mount: &TestMount, name: &str, labels: Value) -> Option<f64> {
    value(&data(mount).await, name, labels)
}

/// The values of metrics without labels, or with one.
#[track_caller]
pub(super) fn assert_values(told: &Data, wanted: &[(&str, Value, f64)]) {
    for (name, labels, wanted) in wanted {
        let found = value(told, name, labels.clone());
        assert_eq!(found, Some(*wanted), "{name} {labels}");
    }
}

fn of_kind(kind: &str) -> Value {
    json!({ "kind": kind })
}

#[tokio::test]
async fn storage_that_fails_withholds_nothing_but_its_own() {
    let mount = TestMount::with_role(json!({})).await;
    mount.issue("reader").await;
    let config = mount.storage.value("config");
    mount.storage.plant("config", b"{");
    let cut = data(&mount).await;
    let issued = json!({
        "operation": "issue", "credential_type": "programmatic_api_key", "outcome": "success",
    });
    assert_values(
        &cut,
        &[
            ("scrape_complete", json!({}), 0.0),
            ("lease_operations_total", issued, 1.0),
            ("atlas_reachable", json!({}), 1.0),
            ("journal_due_entries", json!({}), 0.0),
            ("rotated_secrets", of_kind("static_role"), 0.0),
            ("encryption_at_rest_projects", json!({"state": "all"}), 0.0),
        ],
    );
    let own = value(&cut, "rotated_secrets", of_kind("config"));
    assert_eq!(own, None, "nothing is made up");
    mount.storage.plant("config", &config);
    let whole = data(&mount).await;
    let own = ("rotated_secrets", of_kind("config"), 1.0);
    assert_values(&whole, &[("scrape_complete", json!({}), 1.0), own]);
}

#[tokio::test]
async fn the_ends_of_secrets_are_told_apart_by_whether_something_replaces_them() {
    let mount = TestMount::configured().await;
    for (role, options) in [
        (
            "healthy",
            json!({"rotation_period": "1d", "secret_ttl": "48h"}),
        ),
        (
            "by-hand",
            json!({"rotation_period": 0, "secret_ttl": "696h"}),
        ),
    ] {
        let account = mount.atlas.account(json!(["ORG_MEMBER"])).await;
        let mut body = options;
        body["client_id"] = json!(account.client_id);
        body["organization_id"] = json!(mount.atlas.org());
        let path = format!("static-roles/{role}");
        mount.write(&path, body).await.expect("a static role");
    }
    let all = data(&mount).await;
    assert_values(
        &all,
        &[
            ("rotated_secrets", of_kind("static_role"), 2.0),
            ("secrets_expiring", of_kind("static_role"), 1.0),
            ("rotations_failing", of_kind("static_role"), 0.0),
            ("rotations_missed", of_kind("static_role"), 0.0),
        ],
    );
    let seconds = |name: &str| value(&all, name, of_kind("static_role")).expect("told");
    let first = seconds("expiry_seconds");
    assert!(first > DAY_SECONDS && first < 3.0 * DAY_SECONDS, "{first}");
    let unattended = seconds("unattended_expiry_seconds");
    assert!(unattended > 28.0 * DAY_SECONDS, "{unattended}");
    let next = seconds("next_rotation_seconds");
    assert!(next > 0.0 && next <= DAY_SECONDS, "{next}");
    // No node does the mount's work: both sides of zero.
    mount.advance(HOUR * 26).await;
    let all = data(&mount).await;
    let next = value(&all, "next_rotation_seconds", of_kind("static_role"));
    assert!(next.is_some_and(|next| next < 0.0), "{next:?}");
    assert_values(&all, &[("secrets_expiring", of_kind("static_role"), 2.0)]);
    let first = value(&all, "unattended_expiry_seconds", of_kind("static_role"));
    assert!(first.is_some_and(|first| first < DAY_SECONDS), "{first:?}");
}

#[tokio::test]
async fn a_rotation_that_fails_and_one_that_missed_its_window_are_told() {
    let mount = TestMount::configured().await;
    let account = mount.atlas.account(json!(["ORG_MEMBER"])).await;
    let role = json!({
        "client_id": account.client_id, "organization_id": mount.atlas.org(),
        "rotation_schedule": "0 3 * * *", "rotation_window": "1h", "secret_ttl": "720h",
    });
    mount
        .write("static-roles/app", role)
        .await
        .expect("written");
    let next = async || told(&mount, "next_rotation_seconds", of_kind("static_role")).await;
    let due = next().await.expect("planned");
    // The server was down in the window.
    let past = Duration::from_secs_f64(due.max(0.0)) + MINUTE * 90;
    mount.advance(past).await;
    mount.tick().await.expect("a tick");
    let all = data(&mount).await;
    assert_values(
        &all,
        &[
            ("rotations_missed", of_kind("static_role"), 1.0),
            ("rotations_failing", of_kind("static_role"), 0.0),
        ],
    );
    let due = next().await.expect("planned");
    assert!(
        due > 0.0,
        "the gauge of the next one shows nothing of it: {due}"
    );
    mount.atlas.refuse("createOrgSecret").await;
    mount.advance(Duration::from_secs_f64(due) + MINUTE).await;
    mount.tick().await.expect("a tick");
    let failing = told(&mount, "rotations_failing", of_kind("static_role")).await;
    assert_eq!(failing, Some(1.0));
    mount.atlas.no_more_faults().await;
    mount.tick_for(5).await;
    let all = data(&mount).await;
    assert_values(
        &all,
        &[
            ("rotations_missed", of_kind("static_role"), 0.0),
            ("rotations_failing", of_kind("static_role"), 0.0),
        ],
    );
}

#[tokio::test]
async fn the_end_of_a_key_vaults_secret_and_what_cannot_be_seen_are_told() {
    let mount = TestMount::configured().await;
    let path = |number: usize| format!("encryption-at-rest/azure/{}", mount.atlas.project(number));
    let end = mount.now() + chrono::TimeDelta::days(20);
    let given = json!({
        "client_id": "33333333-3333-4333-8333-333333333333", "client_secret": "x",
        "client_secret_expires_at": Rfc3339(end),
    });
    mount.write(&path(0), given).await.expect("kept");
    let stored = mount.storage.value(&path(0));
    let mut other: Value = serde_json::from_slice(&stored).expect("JSON");
    other["static"] = Value::Null;
    other["invalid_since"] = json!(Rfc3339(mount.now()));
    other["look_failure"] = json!({
        "error": "refused", "failures": 1,
        "since": Rfc3339(mount.now()), "next_retry_time": Rfc3339(mount.now()),
    });
    mount.storage.plant(&path(1), other.to_string().as_bytes());
    mount.storage.plant(&path(2), b"{");
    mount.advance(MINUTE).await;
    let all = data(&mount).await;
    let state = |state: &str, count: f64| {
        let labels = json!({ "state": state });
        ("encryption_at_rest_projects", labels, count)
    };
    assert_values(
        &all,
        &[
            state("all", 3.0),
            state("expiring", 1.0),
            state("invalid", 1.0),
            state("unseen", 1.0),
            state("unreadable", 1.0),
            state("failed", 0.0),
        ],
    );
    for name in ["expiry_seconds", "unattended_expiry_seconds"] {
        let left = value(&all, name, of_kind("key_vault")).expect(name);
        assert!((left / DAY_SECONDS - 20.0).abs() < 0.1, "{name}: {left}");
    }
    // Scrapes one after the other read storage once.
    mount.storage.unplant(&path(2));
    let kept = told(
        &mount,
        "encryption_at_rest_projects",
        json!({"state": "all"}),
    )
    .await;
    assert_eq!(kept, Some(3.0));
    mount.advance(MINUTE).await;
    let read = told(
        &mount,
        "encryption_at_rest_projects",
        json!({"state": "all"}),
    )
    .await;
    assert_eq!(read, Some(2.0));
}

#[tokio::test]
async fn leases_that_are_lost_and_what_the_reaper_does_are_told() {
    let mut mount = TestMount::with_role(json!({"ttl": "1h", "max_ttl": "2h"})).await;
    mount.issue("reader").await;
    let figures = async |mount: &TestMount| {
        let all = data(mount).await;
        [
            "journal_past_ttl_entries",
            "journal_due_entries",
            "journal_unreadable_entries",
        ]
        .map(|name| value(&all, name, json!({})))
    };
    assert_eq!(figures(&mount).await, [0.0, 0.0, 0.0].map(Some));
    mount.advance(HOUR + MINUTE * 16).await;
    assert_eq!(figures(&mount).await, [1.0, 0.0, 0.0].map(Some));
    mount.advance(HOUR * 2).await;
    assert_eq!(figures(&mount).await, [1.0, 1.0, 0.0].map(Some));
    mount.tick_for(2).await;
    assert_eq!(figures(&mount).await, [0.0, 0.0, 0.0].map(Some));
    let reaped = json!({"by": "reaper"});
    assert_eq!(
        told(&mount, "removals_total", reaped.clone()).await,
        Some(1.0)
    );
    mount.storage.plant("issued/AAAAAAAAAAAAAAAAAAAA", b"{");
    mount.restart().await;
    assert_eq!(figures(&mount).await, [0.0, 0.0, 1.0].map(Some));
    let after = told(&mount, "removals_total", reaped).await;
    assert_eq!(after, Some(0.0), "counters begin with the process");
}

/// The journal is in storage alone when the first revocation fails; another node ends the credential.
#[tokio::test]
async fn a_revocation_that_fails_right_after_the_start_is_told_until_the_credential_is_gone() {
    let mut mount = TestMount::with_role(json!({})).await;
    let (_, lease) = mount.issue("reader").await;
    mount.restart().await;
    mount.atlas.refuse("deleteOrgApiKey").await;
    mount.revoke(&lease).await.expect_err("refused");
    let failing = async |mount: &TestMount| told(mount, "revocations_failing", json!({})).await;
    assert_eq!(failing(&mount).await, Some(1.0));
    // For a day nobody tries again, and it is not forgotten.
    mount.tick_for(30).await;
    assert_eq!(failing(&mount).await, Some(1.0));
    let key = mount.journal_keys().pop().expect("an entry");
    mount.storage.unplant(&key);
    mount.invalidate(&key).await;
    assert_eq!(failing(&mount).await, Some(0.0));
}

#[tokio::test]
async fn what_was_begun_and_cannot_be_removed_is_told() {
    let mount = TestMount::with_role(json!({})).await;
    mount.atlas.refuse("createOrgAccessEntry").await;
    mount.atlas.refuse("deleteOrgApiKey").await;
    mount.read("creds/reader").await.expect_err("refused");
    let pending = json!({"credential_type": "programmatic_api_key", "state": "pending"});
    mount.tick_for(20).await;
    let all = data(&mount).await;
    assert_values(
        &all,
        &[
            ("credentials", pending.clone(), 1.0),
            ("journal_failing_entries", json!({}), 1.0),
            ("removals_total", json!({"by": "rollback"}), 0.0),
        ],
    );
    let age = value(&all, "journal_oldest_pending_age_seconds", json!({}));
    assert!(age.is_some_and(|age| age >= 20.0 * 60.0), "{age:?}");
    let failures = value(&all, "failures_total", json!({}));
    assert!(
        failures.is_some_and(|failures| failures > 1.0),
        "{failures:?}"
    );
    mount.atlas.no_more_faults().await;
    mount.tick_for(70).await;
    let all = data(&mount).await;
    assert_values(
        &all,
        &[
            ("credentials", pending, 0.0),
            ("journal_failing_entries", json!({}), 0.0),
            ("journal_oldest_pending_age_seconds", json!({}), 0.0),
            ("removals_total", json!({"by": "rollback"}), 1.0),
        ],
    );
}

#[tokio::test]
async fn only_a_whole_tidy_says_how_many_orphans_there_are() {
    let mut mount = TestMount::with_role(json!({})).await;
    mount.issue("reader").await;
    for key in mount.journal_keys() {
        mount.storage.unplant(&key);
    }
    mount.restart().await;
    mount.advance(HOUR * 2).await;
    let orphans = async |mount: &TestMount| told(mount, "tidy_orphans", json!({})).await;
    let partial = json!({"min_age": "10000h"});
    mount.write("tidy", partial.clone()).await.expect("tidied");
    assert_eq!(orphans(&mount).await, None, "nobody looked at all of them");
    mount.write("tidy", json!({})).await.expect("tidied");
    mount.advance(HOUR).await;
    mount.write("tidy", partial).await.expect("tidied");
    assert_eq!(orphans(&mount).await, Some(1.0), "it is still there");
    let age = told(&mount, "tidy_age_seconds", json!({})).await;
    assert_eq!(age, Some(3600.0));
    mount.atlas.refuse("listOrgApiKeys").await;
    let blind = mount.write("tidy", json!({})).await;
    assert!(blind.is_err() || !TestMount::warnings(blind).is_empty());
    assert_eq!(orphans(&mount).await, Some(1.0), "it was not seen");
    mount.atlas.no_more_faults().await;
    // A credential that may not read every list removes what it sees all the same.
    mount.atlas.refuse("listOrgServiceAccounts").await;
    let wet = json!({"dry_run": false});
    let removed = mount.write("tidy", wet).await;
    assert!(!TestMount::warnings(removed).is_empty());
    assert_eq!(orphans(&mount).await, Some(0.0));
}

#[tokio::test]
async fn what_is_held_and_a_drain_are_told() {
    let mount = TestMount::with_role(json!({})).await;
    let by = |by: &str| json!({ "by": by });
    let states = |configuration: f64, draining: f64| {
        [
            ("held", by("configuration"), configuration),
            ("held", by("environment"), 0.0),
            ("held", by("clock"), 0.0),
            ("draining", json!({}), draining),
            ("draining_blocked", json!({}), 0.0),
            ("ambiguous_secrets", json!({}), 0.0),
        ]
    };
    assert_values(&data(&mount).await, &states(0.0, 0.0));
    mount
        .write("config", json!({"hold": true}))
        .await
        .expect("written");
    assert_values(&data(&mount).await, &states(1.0, 0.0));
    mount
        .write("config", json!({"hold": false}))
        .await
        .expect("written");
    let order = json!({"organization_id": mount.atlas.org(), "dry_run": false});
    mount.write("issued-end", order).await.expect("ordered");
    assert_values(&data(&mount).await, &states(0.0, 1.0));
    mount.read("creds/reader").await.expect_err("draining");
    let failed = json!({
        "operation": "issue", "credential_type": "programmatic_api_key", "outcome": "failure",
    });
    let failed = told(&mount, "lease_operations_total", failed).await;
    assert_eq!(failed, Some(1.0));
}

#[tokio::test]
async fn renewals_and_more_roles_add_no_series() {
    let mount = TestMount::with_role(json!({"ttl": "1h", "max_ttl": "2h"})).await;
    let (_, lease) = mount.issue("reader").await;
    mount.renew(&lease).await.expect("renewed");
    let renewed = json!({
        "operation": "renew", "credential_type": "programmatic_api_key", "outcome": "success",
    });
    let renewed = told(&mount, "lease_operations_total", renewed).await;
    assert_eq!(renewed, Some(1.0));
    let series = async || {
        let all = data(&mount).await;
        ["Gauges", "Counters", "Samples"].map(|section| all[section].as_array().map(Vec::len))
    };
    let before = series().await;
    let body = TestMount::data(mount.read("roles/reader").await);
    for number in 0..5 {
        let path = format!("roles/r{number}");
        let body = Value::Object(body.clone());
        mount.write(&path, body).await.expect("a role");
        let address = format!("198.51.100.{number}");
        let creds = format!("creds/r{number}");
        mount.read_from(&creds, &address).await.expect("issued");
    }
    assert_eq!(series().await, before);
}
