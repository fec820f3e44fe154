//! A migration belongs to an address, as its projects do.

use serde_json::json;

use super::fleet_tests::{Fleet, column};
use crate::engine::testing::{Atlas, TestMount};

/// Two projects, of which the first is watched.
async fn begun() -> Fleet {
    let fleet = Fleet::new(2).await;
    fleet.customer.grant().await;
    fleet.plan(json!({"observe": "2m"})).await;
    fleet.act("start").await;
    let data = fleet.settled().await;
    assert_eq!(column(&data, "step"), ["watching", "registered"]);
    fleet
}

#[tokio::test]
async fn a_migration_goes_along_when_the_configuration_moves() {
    let fleet = begun().await;
    let to = fleet.mount().atlas.address();
    let to = to.replace("127.0.0.1", "localhost");
    let moved = fleet.mount().write("config/move", json!({"base_url": to}));
    moved.await.expect("moved");
    let data = fleet.to_the_end().await;
    assert_eq!(data["state"], "done", "{data:?}");
    assert_eq!(fleet.modes().await, ["role"; 2]);
    // So does the way back, and a plan.
    let planned = TestMount::data(fleet.write(json!({"observe": "3m"})).await);
    assert_eq!(planned["state"], "planned");
}

#[tokio::test]
async fn a_migration_is_paused_while_the_configuration_is_elsewhere() {
    let fleet = begun().await;
    let address = fleet.mount().atlas.address().to_owned();
    let other = Atlas::another().await;
    let config = other.key_and_organization();
    let written = fleet.mount().write("config", config).await;
    written.expect("configured elsewhere");
    let data = fleet.minute().await;
    assert_eq!(data["state"], "paused");
    let reason = data["reason"].to_string();
    assert!(reason.contains(&address), "{reason}");
    let asked = other.operations().await.to_string();
    assert!(!asked.contains("EncryptionAtRest"), "{asked}");
    for order in [
        json!({"action": "resume"}),
        json!({"action": "start"}),
        json!({"observe": "1m"}),
    ] {
        let refused = fleet.refused(order).await;
        assert!(refused.contains(&address), "{refused}");
    }
    assert_eq!(fleet.read().await["state"], "paused");
    let config = fleet.mount().atlas.key_and_organization();
    fleet.mount().write("config", config).await.expect("back");
    fleet.act("resume").await;
    assert_eq!(fleet.to_the_end().await["state"], "done");
    assert_eq!(fleet.modes().await, ["role"; 2]);
}
