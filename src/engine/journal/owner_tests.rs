//! What an owner other than a lease takes care of: everybody sees it, and nobody else ends it.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::ending_tests::{end, refused};
use super::entry::{JournalEntry, State};
use super::index::{Index, RequestState};
use super::owner::Owner;
use crate::base::Clock as _;
use crate::base::time::TestClock;
use crate::engine::entries::CredentialType;
use crate::engine::names::JournalId;
use crate::engine::testing::TestMount;
use crate::vault::{Operation, Replication};

const ID: &str = "0123456789abcdefghij";

impl TestMount {
    /// Stores an entry as a process that died had written it.
    pub(crate) fn plant_entry(&self, id: &str, entry: &JournalEntry) {
        let planted = serde_json::to_vec(entry).expect("JSON");
        self.storage.plant(&format!("issued/{id}"), &planted);
    }
}

/// A key in Atlas whose name ends with this mount's tag, and its entry by this owner.
async fn mount_with(owner: Value) -> (TestMount, String) {
    let mut mount = TestMount::with_role(json!({})).await;
    let (data, lease) = mount.issue("reader").await;
    let id = lease.internal_data["journal_id"].as_str().expect("an id");
    let issued = format!("issued/{id}");
    let stored = mount.storage.value(&issued);
    let mut entry: JournalEntry = serde_json::from_slice(&stored).expect("an entry");
    entry.state = State::Pending;
    entry.owner = serde_json::from_value(owner).expect("an owner");
    mount.storage.unplant(&issued);
    mount.plant_entry(ID, &entry);
    mount.restart().await;
    let public = data["public_key"].as_str().expect("a public key");
    (mount, public.to_owned())
}

#[tokio::test]
async fn it_is_listed_and_shown_with_its_owner_and_found_by_its_public_part() {
    for (stored, shown) in [
        (json!("root"), json!({ "owner": "root" })),
        (
            json!({ "static_role": { "name": "rotates" } }),
            json!({ "owner": "static_role", "static_role": "rotates" }),
        ),
    ] {
        let (mount, public) = mount_with(stored).await;
        for standby in [8_224, 24_576] {
            mount.system.set_replication(Replication(standby));
            let listed = TestMount::data(mount.list("issued/").await);
            let found = TestMount::data(mount.read(&format!("issued/{public}")).await);
            assert_eq!(found["id"], ID);
            for data in [json!(found), listed["key_info"][ID].clone()] {
                assert_eq!(data["state"], "pending");
                for field in ["owner", "static_role"] {
                    assert_eq!(data[field], shown[field], "{data}");
                }
            }
        }
    }
}

#[tokio::test]
async fn an_order_to_end_it_is_refused_with_who_removes_it() {
    for (owner, told) in [
        (json!("root"), "this mount's own credential"),
        (
            json!({ "static_role": { "name": "rotates" } }),
            "static role \"rotates\"",
        ),
    ] {
        let (mount, public) = mount_with(owner).await;
        for name in [ID, public.as_str()] {
            let text = refused(end(&mount, name).await);
            assert!(text.contains(told), "{text}");
        }
        assert_eq!(mount.atlas.credentials().await.len(), 1);
    }
}

#[tokio::test]
async fn a_drain_has_nothing_to_do_with_it() {
    let (mount, _) = mount_with(json!("root")).await;
    let order = json!({ "organization_id": mount.atlas.org(), "dry_run": true });
    let told = TestMount::data(mount.write("issued-end", order).await);
    assert_eq!(told["remaining"], 0, "{told:?}");
}

/// Its entry has another id than its name in Atlas ends with.
#[tokio::test]
async fn tidy_takes_it_for_no_orphan() {
    let (mount, _) = mount_with(json!("root")).await;
    mount.advance(Duration::from_hours(2)).await;
    let found = TestMount::data(mount.write("tidy", json!({ "dry_run": false })).await);
    assert_eq!(
        (&found["orphan_count"], &found["missing_count"]),
        (&json!(0), &json!(0)),
        "{found:?}"
    );
    assert_eq!(mount.atlas.credentials().await.len(), 1);
}

#[tokio::test]
async fn it_takes_no_place_of_a_role_and_is_counted_as_pending() {
    let (mount, _) = mount_with(json!("root")).await;
    assert_eq!(mount.figure("entries", "pending").await, 1);
    mount.write_reader(json!({ "max_live": 1 })).await;
    mount.issue("reader").await;
    let answer = mount.ask(Operation::Delete, "config", json!({})).await;
    let text = refused(answer);
    assert!(text.contains("1 active credential"), "{text}");
}

/// Neither rollback nor reaper, nor the last tick of a mount, nor a drain has a turn.
#[test]
fn no_sweep_finds_it() {
    let (mut index, now) = (Index::default(), TestClock::new().now());
    let id = JournalId::parse(ID).expect("an id");
    let begun = now - TimeDelta::days(9);
    let mut entry = JournalEntry::begun(String::new(), CredentialType::ProgrammaticApiKey, begun);
    entry.owner = Owner::Root;
    for state in [State::Pending, State::Active] {
        entry.state = state;
        index.put(&id, &entry, RequestState::Unknown);
        if state == State::Pending {
            assert!(index.half_made(now, Duration::ZERO, true).is_empty());
            assert!(index.newly_overdue(now, TimeDelta::zero()).is_empty());
            assert_eq!(index.all_half_made(), 0);
            assert_eq!(index.counts(now).oldest_pending, None);
        }
        assert!(index.outlived(now, Duration::ZERO).is_empty(), "{state}");
        assert!(index.to_drain(Duration::ZERO).is_empty(), "{state}");
    }
}
