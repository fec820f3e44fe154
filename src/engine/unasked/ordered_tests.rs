//! What a person orders while clocks are wrong: the order is carried out, but nothing is deleted or
//! forgotten by its age alone, unless by force.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;

use crate::engine::testing::{Account, TestMount};
use crate::vault::Failure;

const HOUR: Duration = Duration::from_hours(1);
const AHEAD: TimeDelta = TimeDelta::hours(4);

/// How the clock comes to be doubted.
#[derive(Debug, Clone, Copy)]
enum Wrong {
    /// It is ahead, and a periodic run saw it set.
    Stepped,
    /// It is ahead since the process began.
    Apart,
    /// It is right, but Atlas tells no time.
    Unknown,
}

const WRONG: [Wrong; 3] = [Wrong::Stepped, Wrong::Apart, Wrong::Unknown];

async fn doubt(mount: &mut TestMount, wrong: Wrong) {
    match wrong {
        Wrong::Stepped => {
            mount.clock.jump(AHEAD);
            mount.tick().await.expect("a tick");
        }
        Wrong::Apart => {
            mount.clock.jump(AHEAD);
            mount.restart().await;
        }
        Wrong::Unknown => {
            mount.atlas.settings(json!({ "date_header": false })).await;
            mount.advance(4 * HOUR).await;
            mount.restart().await;
        }
    }
}

/// The clock and Atlas agree again, and the clock has been steady for long enough.
async fn trust(mount: &TestMount, wrong: Wrong) {
    match wrong {
        Wrong::Stepped | Wrong::Apart => mount.clock.jump(-AHEAD),
        Wrong::Unknown => mount.atlas.settings(json!({ "date_header": true })).await,
    }
    mount.tick_for(17).await;
}

/// A mount with a static role that is rotated by hand, an hour's overlap between; its account has one
/// secret.
async fn rotating() -> (TestMount, Account) {
    let mount = TestMount::configured().await;
    let account = mount.atlas.account(json!(["ORG_MEMBER"])).await;
    let role = json!({
        "client_id": account.client_id, "organization_id": mount.atlas.org(),
        "rotation_period": 0, "client_secret": account.secret, "skip_initial_rotation": true,
    });
    mount.write("static-roles/app", role).await.expect("a role");
    mount.tick().await.expect("a tick");
    (mount, account)
}

async fn rotate(mount: &TestMount, force: bool) -> Result<(), Failure> {
    let order = json!({ "force": force });
    mount.write("rotate-role/app", order).await.map(drop)
}

#[track_caller]
fn doubted(outcome: Result<(), Failure>) -> String {
    match outcome {
        Err(Failure::Coded { status: 503, text }) => text,
        other => panic!("{other:?}"),
    }
}

/// Its readers were promised an hour with it.
#[tokio::test]
async fn a_kept_secret_is_not_deleted_before_its_time_by_a_clock_that_is_doubted() {
    for wrong in WRONG {
        let (mut mount, account) = rotating().await;
        rotate(&mount, false).await.expect("rotated");
        let before = mount.atlas.secrets(&account.client_id).await;
        assert_eq!(before.len(), 2);
        mount.advance(2 * Duration::from_mins(1)).await;
        doubt(&mut mount, wrong).await;
        let told = doubted(rotate(&mount, false).await);
        for part in ["because of its age", "force=true", &account.client_id] {
            assert!(told.contains(part), "{wrong:?}: {told}");
        }
        assert_eq!(
            mount.atlas.secrets(&account.client_id).await,
            before,
            "{wrong:?}"
        );
        assert!(mount.atlas.mints(&account.client_id, &account.secret).await);
        rotate(&mount, true).await.expect("forced");
        assert!(!mount.atlas.mints(&account.client_id, &account.secret).await);
    }
}

#[tokio::test]
async fn a_secret_that_only_looks_expired_makes_no_room_but_by_force() {
    for force in [false, true] {
        let (mut mount, account) = rotating().await;
        let hours = json!({ "client_id": account.client_id, "hours": 8 });
        mount.atlas.control("POST", "/secrets", hours).await;
        let before = mount.atlas.secrets(&account.client_id).await;
        mount.clock.jump(TimeDelta::hours(25));
        mount.restart().await;
        if force {
            rotate(&mount, true).await.expect("forced");
            assert_ne!(mount.atlas.secrets(&account.client_id).await, before);
        } else {
            let told = doubted(rotate(&mount, false).await);
            assert!(told.contains("ahead of Atlas's"), "{told}");
            assert_eq!(mount.atlas.secrets(&account.client_id).await, before);
        }
    }
}

/// A day after its last use it may go, by the clock.
#[tokio::test]
async fn a_strangers_secret_in_use_is_not_taken_for_unused_by_a_clock_that_is_doubted() {
    let (mut mount, account) = rotating().await;
    let hours = json!({ "client_id": account.client_id, "hours": 1_000 });
    let made = mount.atlas.control("POST", "/secrets", hours).await;
    let stranger = made["client_secret"].as_str().expect("a secret");
    assert!(mount.atlas.mints(&account.client_id, stranger).await);
    mount.clock.jump(TimeDelta::hours(25));
    mount.restart().await;
    doubted(rotate(&mount, false).await);
    assert!(mount.atlas.mints(&account.client_id, stranger).await);
    rotate(&mount, true).await.expect("forced");
    assert!(!mount.atlas.mints(&account.client_id, stranger).await);
}

/// Without an overlap nobody is to use the old one, whatever the time is.
#[tokio::test]
async fn an_order_without_an_overlap_rests_on_no_clock() {
    for wrong in WRONG {
        let (mut mount, account) = rotating().await;
        rotate(&mount, false).await.expect("rotated");
        let no_overlap = json!({ "overlap": 0 });
        mount
            .write("static-roles/app", no_overlap)
            .await
            .expect("written");
        mount.advance(2 * Duration::from_mins(1)).await;
        doubt(&mut mount, wrong).await;
        rotate(&mount, false).await.expect("rotated");
        assert_eq!(
            mount.atlas.secrets(&account.client_id).await.len(),
            1,
            "{wrong:?}"
        );
    }
}

/// Atlas made it, and lists it some minutes later; the next rotation by hand comes in between.
#[tokio::test]
async fn an_incomplete_credential_of_the_mount_is_not_forgotten_by_a_clock_that_is_doubted() {
    for wrong in WRONG {
        let mut mount = TestMount::configured().await;
        mount.tick().await.expect("a tick");
        let there = mount.atlas.credentials().await.len();
        let lag = json!({ "read_lag_after_create_seconds": 20_000 });
        mount.atlas.set(lag).await;
        let lost = json!({ "operation": "createOrgApiKey", "action": {"kind": "lose_answer"} });
        mount.atlas.fault(lost).await;
        let rotate = json!({ "force": true });
        let no_answer = mount.write("config/rotate-root", rotate.clone()).await;
        no_answer.expect_err("no answer");
        assert_eq!(mount.atlas.credentials().await.len(), there + 1);
        doubt(&mut mount, wrong).await;
        // The new key itself would not be listed either.
        let refusal = json!({
            "operation": "createOrgApiKey", "count": 0,
            "action": {"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"},
        });
        mount.atlas.fault(refusal).await;
        let refused = mount.write("config/rotate-root", rotate).await;
        refused.expect_err("not now");
        let config = TestMount::data(mount.read("config").await);
        assert_eq!(config["pending_deletions"], 1, "{wrong:?}");
        mount.atlas.no_more_faults().await;
        mount
            .atlas
            .set(json!({ "read_lag_after_create_seconds": 0 }))
            .await;
        trust(&mount, wrong).await;
        let config = TestMount::data(mount.read("config").await);
        assert_eq!(config.get("pending_deletions"), None, "{wrong:?}");
        assert_eq!(mount.atlas.credentials().await.len(), there, "{wrong:?}");
    }
}

/// The configuration's own account, whose former one is looked after when another is written.
#[tokio::test]
async fn an_incomplete_secret_of_the_mount_is_not_given_up_silently_by_a_clock_that_is_doubted() {
    for wrong in WRONG {
        let mut mount = TestMount::new().await;
        let config = mount.atlas.account_config();
        mount.write("config", config).await.expect("configured");
        mount.tick().await.expect("a tick");
        let seed = mount.atlas.seed_account().client_id;
        let lag = json!({ "read_lag_after_create_seconds": 20_000 });
        mount.atlas.set(lag).await;
        let lost = json!({ "operation": "createOrgSecret", "action": {"kind": "lose_answer"} });
        mount.atlas.fault(lost).await;
        let no_answer = mount.write("config/rotate-root", json!({})).await;
        no_answer.expect_err("no answer");
        assert_eq!(mount.atlas.secrets(&seed).await.len(), 2);
        doubt(&mut mount, wrong).await;
        let key = mount.atlas.key_and_organization();
        let written = mount.write("config", key).await.expect("written");
        let told: Vec<String> = written.map(|answer| answer.warnings).unwrap_or_default();
        assert!(
            told.iter()
                .any(|told| told.contains("delete them in Atlas")),
            "{wrong:?}: {told:?}"
        );
    }
}
