//! Answers that show a project as it was, though it is on its role: one alone is not believed.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::customer_tests::OWN_APP;
use super::fleet_tests::{Fleet, column};

impl Fleet {
    /// How Atlas showed the first project before, and how it would show it without any key.
    fn old_answers(&self) -> [Value; 2] {
        let mut before = self.customer.key.clone();
        before["enabled"] = json!(true);
        before["valid"] = json!(true);
        before["tenantID"] = json!(self.customer.tenant);
        before["clientID"] = json!(OWN_APP);
        [before, json!({"enabled": false})]
    }

    fn is_taken(&self) -> bool {
        let stored = self
            .mount()
            .storage
            .value("encryption-at-rest-migrations/all");
        let stored: Value = serde_json::from_slice(&stored).expect("JSON");
        stored["rows"][0]["taken"] == json!(true)
    }

    /// So much time passes, less than a minute.
    async fn seconds(&self, seconds: u64) {
        self.mount().advance(Duration::from_secs(seconds)).await;
        self.mount().tick().await.expect("a tick");
        self.settled().await;
    }
}

#[tokio::test]
async fn one_answer_does_not_end_the_watch_of_a_project() {
    for number in 0..2 {
        let fleet = Fleet::new(1).await;
        fleet.customer.grant().await;
        fleet
            .plan(json!({"observe": "3m", "interval": "10s"}))
            .await;
        fleet.act("start").await;
        let data = fleet.settled().await;
        assert_eq!(column(&data, "step"), ["watching"]);
        let shown = fleet.old_answers()[number].clone();
        fleet.customer.looks_show(shown, 1).await;
        fleet.seconds(11).await;
        fleet.seconds(11).await;
        assert_eq!(column(&fleet.read().await, "step"), ["watching"]);
        assert!(fleet.is_taken());
        let data = fleet.to_the_end().await;
        assert_eq!(data["state"], "done", "{number}: {data:?}");
        assert_eq!(column(&data, "step"), ["changed"]);
    }
}

#[tokio::test]
async fn what_two_looks_apart_show_is_believed() {
    let fleet = Fleet::new(1).await;
    fleet.customer.grant().await;
    fleet.plan(json!({"observe": "10m"})).await;
    fleet.act("start").await;
    assert_eq!(column(&fleet.settled().await, "step"), ["watching"]);
    // Somebody gives it its static secret again.
    fleet.set(0, json!({})).await;
    let data = fleet.minute().await;
    assert_eq!(column(&data, "step"), ["watching"]);
    let data = fleet.to_the_end().await;
    assert_eq!(column(&data, "step"), ["failed"]);
    assert!(!fleet.is_taken());
    let error = column(&data, "error")[0].clone();
    assert!(error.contains("somebody else changed it"), "{error}");
}

#[tokio::test]
async fn one_answer_does_not_end_the_way_back_of_a_project() {
    for number in 0..2 {
        let fleet = Fleet::new(1).await;
        fleet.customer.grant().await;
        fleet.hand_in(0).await;
        let keep = json!({"observe": "1m", "keep_static": true});
        fleet.plan(keep).await;
        fleet.act("start").await;
        assert_eq!(fleet.to_the_end().await["state"], "done");
        fleet.open_the_way_back().await;
        let shown = fleet.old_answers()[number].clone();
        fleet.customer.looks_show(shown, 1).await;
        fleet.act("rollback").await;
        let data = fleet.settled().await;
        assert_eq!(data["state"], "rolling_back", "{number}: {data:?}");
        assert_eq!(column(&data, "step"), ["leaving"]);
        let data = fleet.to_the_end().await;
        assert_eq!(data["state"], "rolled_back", "{number}: {data:?}");
        assert_eq!(fleet.modes().await, ["static"]);
    }
}

/// The migration is shown the role, and a moment later how the project was before.
#[tokio::test]
async fn one_answer_between_two_looks_sends_no_private_project_back() {
    let fleet = Fleet::new(1).await;
    fleet.make_private(0, true).await;
    fleet.hand_in(0).await;
    fleet.customer.grant().await;
    fleet.open_the_way_back().await;
    fleet
        .plan(json!({"observe": "1m", "keep_static": true}))
        .await;
    fleet.act_with_consent("start").await.expect("started");
    assert_eq!(fleet.to_the_end().await["state"], "done");
    let mut before = fleet.old_answers()[0].clone();
    before["requirePrivateNetworking"] = json!(true);
    let body = json!({"azureKeyVault": before});
    let second = json!({
        "operation": "getEncryptionAtRest", "skip": 1, "count": 1,
        "action": {"kind": "answer", "status": 200, "body": body},
    });
    fleet.mount().atlas.fault(second).await;
    fleet.act_with_consent("rollback").await.expect("ordered");
    fleet.settled().await;
    let data = fleet.to_the_end().await;
    assert_eq!(data["state"], "rolled_back", "{data:?}");
    assert_eq!(fleet.modes().await, ["static"]);
}

/// While one is waited for, the others go back.
#[tokio::test]
async fn one_that_somebody_else_changed_back_keeps_no_other_waiting() {
    let fleet = Fleet::new(3).await;
    fleet.customer.grant().await;
    for number in 0..3 {
        fleet.hand_in(number).await;
    }
    let keep = json!({"observe": "1m", "keep_static": true});
    fleet.plan(keep).await;
    fleet.act("start").await;
    assert_eq!(fleet.to_the_end().await["state"], "done");
    fleet.open_the_way_back().await;
    fleet.set(2, json!({})).await;
    fleet.mount().atlas.forget_requests().await;
    fleet.act("rollback").await;
    let data = fleet.settled().await;
    let mut steps = column(&data, "step");
    steps.sort();
    assert_eq!(steps, ["leaving", "rolled_back", "rolled_back"]);
    assert_eq!(fleet.modes().await, ["static"; 3]);
    let data = fleet.minute().await;
    assert_eq!(data["state"], "rolled_back", "{data:?}");
    assert_eq!(fleet.changes().await.len(), 2);
}

/// A private project that a crash left between its change and the note of it.
#[tokio::test]
async fn one_that_went_back_before_a_crash_is_watched_too() {
    let fleet = Fleet::private_on_role().await;
    fleet.act_with_consent("rollback").await.expect("ordered");
    fleet.settled().await;
    let path = "encryption-at-rest-migrations/all";
    let stored = fleet.mount().storage.value(path);
    let mut stored: Value = serde_json::from_slice(&stored).expect("JSON");
    let rows = stored["rows"].as_array_mut().expect("rows");
    let row = rows.iter_mut().find(|row| row["taken"] == json!(false));
    let row = row.expect("one that is watched");
    row["taken"] = json!(true);
    row["since"] = json!("2001-01-01T00:00:00Z");
    let text = stored.to_string();
    fleet.mount().storage.plant(path, text.as_bytes());
    let sent = fleet.changes().await.len();
    let data = fleet.minute().await;
    assert_eq!(column(&data, "step"), ["leaving", "leaving"]);
    assert_eq!(fleet.changes().await.len(), sent, "{data:?}");
}
