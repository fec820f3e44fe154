use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::engine::entries::ConfigEntry;
use crate::engine::journal::JournalEntry;
use crate::engine::log_lines::Lines;
use crate::engine::names::JournalId;
use crate::engine::static_roles::StaticRoleEntry;
use crate::engine::testing::TestMount;
use crate::vault::failure::READ_ONLY_TEXT;
use crate::vault::{Failure, Operation, Replication};

const ORG: &str = "5cf5a45a9ccf6400e60981b6";
const ACCOUNT: &str = "mdb_sa_id_5cf5a45a9ccf6400e60981b7";
const TIME: &str = "2026-08-08T08:08:08Z";

/// One entry as an earlier version stored it, and as it is stored today.
struct Shape {
    earlier_key: String,
    earlier: Value,
    key: String,
    today: Value,
}

impl Shape {
    fn of(key: &str, earlier: Value, today: Value) -> Self {
        Self::moved(key, key, earlier, today)
    }

    fn moved(earlier_key: &str, key: &str, earlier: Value, today: Value) -> Self {
        Self {
            earlier_key: earlier_key.to_owned(),
            earlier,
            key: key.to_owned(),
            today,
        }
    }
}

/// `base` with `fields` beside its own.
fn with(base: &Value, fields: &Value) -> Value {
    let mut all = base.clone();
    for (name, value) in fields.as_object().expect("an object") {
        all[name] = value.clone();
    }
    all
}

/// A key that is being made, an account of a lease, a managed account, an existing account's secret, and
/// one of which it cannot be told which it is.
fn journal() -> Vec<Shape> {
    let base = json!({
        "role": "reader", "organization_id": ORG, "display_name": "token", "entity_id": "",
        "issued_at": TIME,
    });
    let secret = |names: Value| {
        let part = json!({
            "client_id": ACCOUNT, "known_secret_ids": ["6b02741eb9c9ed02f9000001"],
        });
        json!({ "secret": with(&part, &names) })
    };
    let entries = [
        (
            "making",
            "pending",
            json!({
                "credential_type": "programmatic_api_key", "description": "vault-reader-0",
                "project_id": "5cf5a45a9ccf6400e60981b5", "pending_deletion_since": TIME,
            }),
            json!({}),
        ),
        (
            "live",
            "active",
            json!({
                "credential_type": "service_account", "description": "vault-reader-1",
                "client_id": ACCOUNT, "origin": "https://cloud.mongodb.com", "ttl": 3600,
            }),
            json!({}),
        ),
        (
            "kept",
            "managed",
            json!({
                "credential_type": "service_account", "description": "vault-reader-2",
                "client_id": ACCOUNT,
            }),
            json!({ "owner": "managed_account" }),
        ),
        (
            "ended",
            "ended",
            json!({
                "credential_type": "programmatic_api_key", "description": "vault-reader-3",
                "public_key": "abcdefgh", "programmatic_api_key_id": "5cf5a45a9ccf6400e60981b4",
                "ended": { "at": TIME, "by": { "display_name": "token", "entity_id": "" } },
            }),
            json!({}),
        ),
        (
            "live",
            "active",
            json!({
                "credential_type": "access_token", "description": "vault-reader-4",
                "part": { "token": { "client_id": ACCOUNT, "secret_id": "6b02741eb9c9ed02f9000001" } },
            }),
            json!({}),
        ),
        (
            "making",
            "pending",
            json!({
                "credential_type": "service_account", "description": "vault-reader-5",
                "part": secret(json!({ "candidates": ["6b02741eb9c9ed02f9000002"] })),
            }),
            json!({
                "part": secret(json!({ "candidate_secret_ids": ["6b02741eb9c9ed02f9000002"] })),
            }),
        ),
    ];
    let shapes = entries.into_iter().enumerate();
    let shapes = shapes.map(|(number, (stage, state, rest, renamed))| {
        let rest = with(&base, &rest);
        Shape::of(
            &format!("issued/{number:020}"),
            with(&rest, &json!({ "stage": stage, "dies_by": TIME })),
            with(
                &with(&rest, &renamed),
                &json!({ "state": state, "max_expire_time": TIME }),
            ),
        )
    });
    shapes.collect()
}

/// A rotation in the middle, one that failed, and one that missed its window.
fn rotating() -> (Value, Value) {
    let secret = json!({ "id": "6b02741eb9c9ed02f9000003", "client_secret": "mdb_sa_sk_next" });
    let known = json!(["6b02741eb9c9ed02f9000001", "6b02741eb9c9ed02f9000002"]);
    let retiring = json!({
        "id": "6b02741eb9c9ed02f9000002", "since": TIME, "in_use": true, "failures": 2,
    });
    let failed = json!({ "failures": 3, "since": TIME, "error": "no answer" });
    let earlier = json!({
        "renewal": {
            "pending": { "known": known, "since": TIME, "asked_at": TIME, "made": secret },
            "retiring": [with(&retiring, &json!({ "look_at": TIME }))],
        },
        "trouble": with(&failed, &json!({ "next_try": TIME })),
        "missed_window": TIME,
        "last_rotated": TIME, "next_rotation": TIME, "rotation_schedule": "0 3 * * SUN",
    });
    let today = json!({
        "other_secrets": {
            "pending": {
                "known_secret_ids": known, "since": TIME, "asked_at": TIME, "new_secret": secret,
            },
            "retiring": [with(&retiring, &json!({ "next_check_time": TIME }))],
        },
        "failure": with(&failed, &json!({ "next_retry_time": TIME })),
        "last_missed_rotation": TIME,
        "last_rotated": TIME, "next_rotation": TIME, "rotation_schedule": "0 3 * * SUN",
    });
    (earlier, today)
}

fn static_role() -> Shape {
    let base = json!({
        "client_id": ACCOUNT, "organization_id": ORG, "rotation_mode": "self",
        "secret_ttl": 2_592_000_000_000_000_u64, "overlap": 3_600_000_000_000_u64,
        "current": { "id": "6b02741eb9c9ed02f9000001", "client_secret": "mdb_sa_sk_present" },
    });
    let (earlier, today) = rotating();
    Shape::of(
        "static-roles/app",
        with(&with(&base, &earlier), &json!({ "lost": TIME })),
        with(&with(&base, &today), &json!({ "lost_since": TIME })),
    )
}

fn config() -> Shape {
    let base = json!({
        "public_key": "", "private_key": "", "client_id": ACCOUNT,
        "client_secret": "mdb_sa_sk_present", "organization_id": ORG,
    });
    let base_of_rotation = json!({
        "disable_automated_rotation": false, "client_secret_id": "6b02741eb9c9ed02f9000001",
    });
    let (earlier, today) = rotating();
    let rotation = |of| with(&base_of_rotation, of);
    Shape::of(
        "config",
        with(
            &base,
            &json!({
                "hold_deletions": true,
                "rotation": with(&rotation(&earlier), &json!({ "removals": list_of_removals() })),
            }),
        ),
        with(
            &base,
            &json!({ "hold": true, "rotation": rotation(&today) }),
        ),
    )
}

/// What the configuration still has to delete: what was replaced, and what was being made. Each was in its
/// list, and is an entry of its own.
fn removals() -> Vec<Shape> {
    let base = json!({
        "organization_id": ORG, "credential_type": "programmatic_api_key",
        "origin": "https://atlas.example.com",
    });
    let replaced = json!({
        "programmatic_api_key_id": "6b02741eb9c9ed02f9000004", "public_key": "hgfedcba",
    });
    let begun = json!({ "description": "mongodbatlas-root-0123456789abcdefghij" });
    let entry = |removal: &Value| {
        let entry = json!({
            "state": "pending", "owner": "root", "role": "", "description": "",
            "display_name": "", "entity_id": "", "issued_at": TIME, "max_expire_time": TIME,
        });
        with(&with(&entry, &base), removal)
    };
    let config = config().earlier;
    let id = JournalId::of_earlier_removal("6b02741eb9c9ed02f9000004");
    vec![
        Shape::moved(
            "config",
            &format!("issued/{id}"),
            config.clone(),
            entry(&replaced),
        ),
        Shape::moved(
            "config",
            "issued/0123456789abcdefghij",
            config,
            entry(&begun),
        ),
    ]
}

/// The list in which they were.
fn list_of_removals() -> Value {
    let base = json!({
        "organization_id": ORG, "credential_type": "programmatic_api_key",
        "origin": "https://atlas.example.com", "since": TIME,
    });
    let failure = json!({ "failures": 1, "since": TIME, "error": "no answer", "next_try": TIME });
    let replaced = json!({
        "programmatic_api_key_id": "6b02741eb9c9ed02f9000004", "public_key": "hgfedcba",
        "replaced": true, "trouble": failure,
    });
    let begun = json!({
        "description": "mongodbatlas-root-0123456789abcdefghij", "replaced": false,
    });
    json!([with(&base, &replaced), with(&base, &begun)])
}

fn moved() -> Vec<Shape> {
    let accounts = json!({ "current": {
        "journal_id": "00000000000000000002", "client_id": ACCOUNT, "organization_id": ORG,
        "reach": {
            "organization_id": ORG, "roles": ["ORG_READ_ONLY"], "assignments": {},
            "access_list": [],
        },
        "secrets": [],
    }});
    let tag = json!({ "key": "uaGQswdOq5rxJBe3nWMECudHWFUsIOvNsmQmYqm6+us=" });
    vec![
        Shape::moved(
            "token-accounts/reader",
            "managed-accounts/reader",
            accounts.clone(),
            accounts,
        ),
        Shape::moved("mark", "ownership-tag", tag.clone(), tag),
    ]
}

fn shapes() -> Vec<Shape> {
    let mut all = journal();
    all.extend(moved());
    all.extend(removals());
    all.extend([static_role(), config()]);
    all
}

/// A mount on storage that an earlier version left; not started yet.
async fn earlier(shapes: &[Shape]) -> TestMount {
    let mount = TestMount::new().await;
    mount.storage.unplant("storage-version");
    for shape in shapes {
        let value = shape.earlier.to_string();
        mount.storage.plant(&shape.earlier_key, value.as_bytes());
    }
    mount
}

fn stored(mount: &TestMount, key: &str) -> Value {
    serde_json::from_slice(&mount.storage.value(key)).expect("JSON")
}

#[track_caller]
fn assert_today(mount: &TestMount, shapes: &[Shape]) {
    for shape in shapes {
        assert_eq!(stored(mount, &shape.key), shape.today, "{}", shape.key);
    }
    let mut keys: Vec<_> = shapes.iter().map(|shape| shape.key.clone()).collect();
    keys.extend(["origins", "storage-version"].map(ToOwned::to_owned));
    keys.sort_unstable();
    assert_eq!(mount.storage.keys(), keys);
}

#[tokio::test]
async fn each_earlier_shape_is_rewritten_at_the_start() {
    let shapes = shapes();
    let mut mount = earlier(&shapes).await;
    let lines = Lines::default();
    let listening = lines.listen();
    mount.restart().await;
    drop(listening);
    assert_today(&mount, &shapes);
    assert_eq!(stored(&mount, "storage-version"), json!({ "version": 1 }));
    assert_eq!(TestMount::data(mount.read("config").await)["hold"], true);
    let told = lines.take("the storage of an earlier version");
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[1].contains("converted=12 unreadable=0"), "{told:?}");
}

/// What today's code would write of it: so it has read everything.
fn written<T: Serialize + DeserializeOwned>(stored: &Value) -> Value {
    let entry: T = serde_json::from_value(stored.clone()).expect("today's shape");
    serde_json::to_value(entry).expect("JSON")
}

#[test]
fn nothing_in_a_rewritten_shape_is_unknown_today() {
    for shape in journal().into_iter().chain(removals()) {
        assert_eq!(written::<JournalEntry>(&shape.today), shape.today);
    }
    let role = static_role().today;
    assert_eq!(written::<StaticRoleEntry>(&role), role);
    let config = config().today;
    assert_eq!(written::<ConfigEntry>(&config), config);
}

#[tokio::test]
async fn a_conversion_that_storage_interrupts_goes_on_with_the_next_request() {
    let shapes = shapes();
    for writes in 0.. {
        let mut mount = earlier(&shapes).await;
        mount.storage.fail_after(Some(writes));
        mount.restart().await;
        let answer = mount.read("config").await;
        assert_nothing_lost(&mount, &shapes);
        mount.storage.fail_after(None);
        if answer.is_ok() {
            assert_eq!(writes, 15, "each entry once, and the version");
            break;
        }
        if writes % 2 == 0 {
            mount.read("config").await.expect("converted by the next");
        }
        mount.restart().await;
        assert_today(&mount, &shapes);
    }
}

/// Of each entry there is what was before, or what is of today.
#[track_caller]
fn assert_nothing_lost(mount: &TestMount, shapes: &[Shape]) {
    let keys = mount.storage.keys();
    for shape in shapes {
        let is = |key: &String, want: &Value| keys.contains(key) && stored(mount, key) == *want;
        let there = is(&shape.earlier_key, &shape.earlier) || is(&shape.key, &shape.today);
        assert!(there, "{}", shape.key);
    }
}

#[tokio::test]
async fn a_tick_and_the_end_of_a_lease_convert_first() {
    for by_tick in [true, false] {
        let mut mount = TestMount::with_role(json!({})).await;
        let (_, lease) = mount.issue("reader").await;
        let key = mount.journal_keys().remove(0);
        let entry = stored(&mount, &key).to_string();
        let earlier = entry.replace(r#""state":"active""#, r#""stage":"live""#);
        let earlier = earlier.replace("max_expire_time", "dies_by");
        assert_ne!(earlier, entry);
        mount.storage.plant(&key, earlier.as_bytes());
        mount.storage.unplant("storage-version");
        mount.storage.fail_after(Some(0));
        mount.restart().await;
        mount.tick().await.expect_err("storage fails");
        mount.revoke(&lease).await.expect_err("storage fails");
        assert_eq!(mount.atlas.credentials().await.len(), 1);
        mount.storage.fail_after(None);
        if by_tick {
            mount.tick().await.expect("converted");
            assert_eq!(stored(&mount, &key)["state"], "active");
        }
        mount.revoke(&lease).await.expect("converted");
        assert_eq!(mount.journal_keys(), [""; 0]);
    }
}

#[tokio::test]
async fn what_is_of_today_is_never_written_again() {
    let shapes = shapes();
    let mut mount = earlier(&shapes).await;
    mount.restart().await;
    mount.storage.set_read_only(true);
    mount.restart().await;
    mount.read("config").await.expect("read");
    // A restored `storage-version` of before costs one look, and one write of it.
    mount.storage.unplant("storage-version");
    mount.storage.set_read_only(false);
    mount.storage.fail_after(Some(1));
    mount.restart().await;
    mount.storage.fail_after(None);
    assert_today(&mount, &shapes);
}

#[tokio::test]
async fn every_page_is_converted() {
    let mount = earlier(&[]).await;
    let shape = journal().remove(1);
    for number in 0..1_200 {
        let key = format!("issued/{number:020}");
        mount
            .storage
            .plant(&key, shape.earlier.to_string().as_bytes());
    }
    assert_eq!(mount.journal_keys().len(), 1_200);
    let mut mount = mount;
    mount.restart().await;
    for key in mount.journal_keys() {
        assert_eq!(stored(&mount, &key), shape.today, "{key}");
    }
    assert_eq!(mount.figure("entries", "active").await, 1_200);
}

#[tokio::test]
async fn what_cannot_be_read_stays_as_it_is() {
    let mut mount = earlier(&journal()).await;
    let broken: [(&str, &[u8]); 3] = [
        ("issued/0123456789abcdefghij", b"{"),
        ("token-accounts/reader", b"[]"),
        ("static-roles/app", b"no"),
    ];
    for (key, value) in broken {
        mount.storage.plant(key, value);
    }
    let lines = Lines::default();
    let listening = lines.listen();
    mount.restart().await;
    drop(listening);
    let told = lines.take("was not converted");
    assert_eq!(told.len(), 3, "{told:?}");
    let moved = ("managed-accounts/reader", broken[1].1);
    for (key, value) in [broken[0], moved, broken[2]] {
        assert_eq!(mount.storage.value(key), value, "{key}");
    }
    assert_eq!(mount.figure("entries", "unreadable").await, 1);
}

#[tokio::test]
async fn a_standby_leaves_what_is_to_be_converted_to_the_active_node() {
    let standby = Replication(16_384);
    let shapes = shapes();
    let mut mount = earlier(&shapes).await;
    mount.system.set_replication(standby);
    mount.storage.set_read_only(true);
    let before = mount.storage.keys();
    mount.restart().await;
    for path in ["config", "issued/00000000000000000001", "status"] {
        let refused = mount.read(path).await.expect_err("not yet");
        let Failure::HostText(text) = &refused else {
            panic!("{refused:?}");
        };
        assert!(text.contains(READ_ONLY_TEXT), "{text}");
        assert!(text.contains("the active node converts it"), "{text}");
    }
    // A write is forwarded like any other there, and nobody's tick is its.
    let refused = mount.write("config", json!({})).await;
    assert_eq!(refused.expect_err("forwarded"), Failure::read_only());
    mount.tick().await.expect("nothing is done");
    mount
        .ask(Operation::Help, "config", json!({}))
        .await
        .expect("help needs no storage");
    assert_eq!(mount.storage.keys(), before);

    // The active node has converted it.
    for shape in &shapes {
        mount.storage.unplant(&shape.earlier_key);
        let value = shape.today.to_string();
        mount.storage.plant(&shape.key, value.as_bytes());
    }
    mount.storage.plant("storage-version", br#"{"version": 1}"#);
    mount
        .read("issued/00000000000000000001")
        .await
        .expect("read");
}

#[tokio::test]
async fn a_standby_reads_what_the_go_engine_left() {
    let mut mount = earlier(&[]).await;
    let config = json!({ "public_key": "abcdefgh", "private_key": "x" });
    mount.storage.plant("config", config.to_string().as_bytes());
    mount.system.set_replication(Replication(16_384));
    mount.storage.set_read_only(true);
    mount.restart().await;
    let read = TestMount::data(mount.read("config").await);
    assert_eq!(read["public_key"], "abcdefgh");
}

#[tokio::test]
async fn storage_of_a_later_version_is_left_alone() {
    let mut mount = TestMount::with_role(json!({})).await;
    let later = br#"{"version": 2, "of": "tomorrow"}"#;
    mount.storage.plant("storage-version", later);
    mount.restart().await;
    let before = mount.storage.keys();
    for outcome in [
        mount.read("config").await,
        mount.read("creds/reader").await,
        mount.tick().await,
    ] {
        let refused = outcome.expect_err("refused").to_string();
        assert!(refused.contains("version 2"), "{refused}");
    }
    assert_eq!(mount.storage.keys(), before);
    assert_eq!(mount.storage.value("storage-version"), later);
}

#[tokio::test]
async fn a_new_mount_says_nothing_of_a_conversion() {
    let lines = Lines::default();
    let listening = lines.listen();
    let mount = TestMount::new().await;
    drop(listening);
    assert_eq!(mount.storage.keys(), ["storage-version"]);
    assert_eq!(lines.take("earlier version"), [""; 0]);
}
