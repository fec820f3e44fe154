//! The course of a drain: what it counts, what it ends, and what is told of it.

use std::time::Duration;

use serde_json::{Value, json};

use super::tests::{
    draining, issue_all, order, ordered, refuse_deletions, until, until_done, with_every_type,
};
use crate::engine::log_lines::Lines;
use crate::engine::testing::TestMount;
use crate::vault::{Failure, Operation, Replication};

#[tokio::test]
async fn a_dry_run_counts_and_changes_nothing() {
    let (mount, _) = with_every_type().await;
    issue_all(&mount).await;
    let before = mount.atlas.credentials().await;
    let no_word = json!({ "organization_id": mount.atlas.org() });
    let looked = mount.write("issued-end", no_word).await.expect("an answer");
    let looked = looked.expect("an answer");
    let warnings = looked.warnings.join("\n");
    assert!(
        warnings.contains("(1 token) end with the service account"),
        "{warnings}"
    );
    assert!(warnings.contains("the Go engine"), "{warnings}");
    let data = looked.data.expect("data");
    assert_eq!(data["dry_run"], true);
    assert_eq!(data["draining"], Value::Null);
    assert_eq!(data["remaining"], 5);
    let states = json!({ "pending": 0, "active": 4, "managed": 1, "unreadable": 0 });
    assert_eq!(data["remaining_by_state"], states);
    let types = json!({
        "programmatic_api_key": 1, "service_account": 1, "service_account_secret": 1,
        "access_token": 1, "ai_model_key": 0, "database_user": 0,
    });
    assert_eq!(data["remaining_by_type"], types);
    mount.tick_for(2).await;
    assert_eq!(mount.atlas.credentials().await, before);
    assert_eq!(draining(&mount).await, Value::Null);
    mount.issue("reader").await;
}

/// As a client sends whose field, or a shell whose variable, is not set.
#[tokio::test]
async fn an_order_that_does_not_say_so_begins_no_drain() {
    let mount = TestMount::with_role(json!({})).await;
    mount.issue("reader").await;
    let org = mount.atlas.org();
    let null = json!({ "organization_id": org, "dry_run": null });
    let looked = TestMount::data(mount.write("issued-end", null).await);
    assert_eq!(looked["dry_run"], true);
    let null = json!({ "dry_run": null });
    let looked = TestMount::data(mount.write("tidy", null).await);
    assert_eq!(looked["dry_run"], true);
    let empty = json!({ "organization_id": org, "dry_run": "" });
    let refused = mount.write("issued-end", empty).await;
    refused.expect_err("an empty text is no order");
    assert_eq!(draining(&mount).await, Value::Null);
    mount.issue("reader").await;
}

#[tokio::test]
async fn whoever_orders_it_names_the_organization_of_the_mount() {
    let mount = TestMount::with_role(json!({})).await;
    mount.issue("reader").await;
    for (given, want) in [
        (Value::Null, "organization_id"),
        (json!(""), "organization_id"),
        (json!("org"), "organization_id"),
        (json!("0123456789abcdef01234567"), "belongs to organization"),
    ] {
        let mut order = json!({ "dry_run": false });
        if !given.is_null() {
            order["organization_id"] = given;
        }
        let refused = mount.write("issued-end", order.clone()).await;
        assert!(
            matches!(&refused, Err(Failure::BadRequest(text)) if text.contains(want)),
            "{order}: {refused:?}"
        );
    }
    assert_eq!(draining(&mount).await, Value::Null);
    let bare = TestMount::new().await;
    let refused = order(&bare, false).await.expect_err("no configuration");
    assert!(refused.to_string().contains("not configured"), "{refused}");
}

/// Atlas is asked, as `tidy` and `check` do.
#[tokio::test]
async fn a_configuration_that_does_not_know_its_organization_is_no_hindrance() {
    let mut mount = TestMount::with_role(json!({})).await;
    mount.issue("reader").await;
    let mut config = mount.atlas.key_config();
    config
        .as_object_mut()
        .expect("an object")
        .remove("organization_id");
    mount.take_over(config).await;
    ordered(&mount).await;
    until_done(&mount).await;
    assert_eq!(mount.atlas.credentials().await, Vec::<String>::new());
}

#[tokio::test]
async fn all_that_was_issued_ends_and_its_leases_are_revoked_without_atlas() {
    let lines = Lines::default();
    let _listening = lines.listen();
    let (mount, account) = with_every_type().await;
    let leases = issue_all(&mount).await;
    // The answer was lost: nobody has a lease of this one.
    mount.issue("reader").await;
    let own = mount.atlas.secrets(&account).await.len();
    let begun = ordered(&mount).await;
    assert_eq!(begun["dry_run"], false);
    assert_eq!(begun["draining"]["display_name"], "token");
    let state = until_done(&mount).await;
    assert_eq!(state["ended"], 6, "{state}");
    assert_eq!(
        (&state["failing"], &state["last_error"]),
        (&json!(0), &Value::Null)
    );
    assert_eq!(
        mount.atlas.credentials().await.len(),
        1,
        "the existing account"
    );
    assert_eq!(mount.atlas.secrets(&account).await.len(), own - 1);
    let atlas = mount.atlas.state().await;
    assert_eq!(atlas["tokens"].as_array().map_or(0, Vec::len), 0, "{atlas}");
    let counts = &TestMount::data(mount.read("status").await)["journal"]["entries"];
    assert_eq!(
        (&counts["ended"], &counts["active"]),
        (&json!(5), &json!(0)),
        "{counts}"
    );
    let away = json!({"count": 0, "unauthenticated": true, "action": {"kind": "close"}});
    mount.atlas.fault(away).await;
    let refused = mount.renew(&leases[0]).await.expect_err("ended");
    assert!(matches!(refused, Failure::BadRequest(_)), "{refused}");
    for lease in &leases {
        mount.revoke(lease).await.expect("revoked without Atlas");
    }
    assert_eq!(mount.journal_keys().len(), 1, "that of the lost answer");
    mount.tick().await.expect("a tick");
    assert_eq!(lines.take("drain of this mount complete").len(), 1);
}

#[tokio::test]
async fn the_same_order_again_continues_and_retries_at_once_what_rests() {
    let lines = Lines::default();
    let _listening = lines.listen();
    let mount = TestMount::with_role(json!({})).await;
    mount.issue("reader").await;
    refuse_deletions(&mount).await;
    let first = ordered(&mount).await;
    let state = until(&mount, "it fails", |state| state["failing"] == 1).await;
    assert_eq!(state["remaining"], 1, "{state}");
    let error = state["last_error"].as_str().unwrap_or_default();
    assert!(error.contains("ACCESS_FORBIDDEN"), "{state}");
    assert!(state["last_error_time"].is_string(), "{state}");
    mount.atlas.no_more_faults().await;
    mount.tick().await.expect("a tick");
    assert_eq!(
        mount.atlas.credentials().await.len(),
        1,
        "it rests for a minute"
    );
    mount.clock.advance(Duration::from_secs(1));
    let again = ordered(&mount).await;
    assert_eq!(again["draining"], first["draining"]);
    until_done(&mount).await;
    assert_eq!(mount.atlas.credentials().await, Vec::<String>::new());
    assert_eq!(lines.take("cannot end everything yet").len(), 1);
}

#[tokio::test]
async fn a_standby_shows_what_is_stored() {
    let mount = TestMount::with_role(json!({})).await;
    mount.issue("reader").await;
    ordered(&mount).await;
    until_done(&mount).await;
    mount.system.set_replication(Replication(24_576));
    let state = draining(&mount).await;
    assert_eq!(state["display_name"], "token", "{state}");
    assert!(state.get("remaining").is_none(), "{state}");
}

#[tokio::test]
async fn an_entry_that_nobody_can_read_is_reported_and_left_alone() {
    let mut mount = TestMount::with_role(json!({})).await;
    mount.issue("reader").await;
    mount.storage.plant("issued/00000000000000000000", b"{");
    mount.restart().await;
    ordered(&mount).await;
    let state = until(&mount, "the rest is gone", |state| state["remaining"] == 1).await;
    assert_eq!(state["remaining_by_state"]["unreadable"], 1, "{state}");
    mount.tick().await.expect("a tick");
    assert_eq!(mount.journal_keys().len(), 2);
}

/// Carrying secrets to another address makes nothing, and is what a drain may need.
#[tokio::test]
async fn a_move_does_not_end_it_and_deleting_the_configuration_does() {
    let lines = Lines::default();
    let _listening = lines.listen();
    let mount = TestMount::with_role(json!({})).await;
    ordered(&mount).await;
    let moved = json!({ "base_url": mount.atlas.address() });
    mount.write("config/move", moved).await.expect("moved");
    assert!(draining(&mount).await.is_object());
    let deleted = mount.ask(Operation::Delete, "config", json!({})).await;
    let told = deleted.expect("deleted").expect("warnings").warnings;
    let is_told = |text: &String| text.contains("is over with its configuration");
    assert!(told.iter().any(is_told), "{told:?}");
    let told = lines.take("drain of this mount ended: its configuration was deleted");
    assert_eq!(told.len(), 1);
    assert_eq!(draining(&mount).await, Value::Null);
}
