//! What commit `eda73bf` stored, as it was recorded: see `tests/stored/README.md`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::engine::credentials::ManagedAccountsEntry;
use crate::engine::entries::ConfigEntry;
use crate::engine::journal::{JournalEntry, MarkEntry};
use crate::engine::origin::Origins;
use crate::engine::rotation_state::ClientSecret;
use crate::engine::static_roles::StaticRoleEntry;
use crate::engine::testing::TestMount;

/// Names that nothing stored has today.
const EARLIER_NAMES: &[&str] = &[
    "stage",
    "dies_by",
    "candidates",
    "trouble",
    "next_try",
    "missed_window",
    "renewal",
    "known",
    "made",
    "look_at",
    "lost",
    "hold_deletions",
    "removals",
];

/// A rotation of the configuration that says nothing any more is stored until the next write.
fn without_nothing(mut config: Value) -> Value {
    let nothing = json!({ "disable_automated_rotation": false, "other_secrets": {} });
    if config["rotation"] == nothing {
        config
            .as_object_mut()
            .expect("an object")
            .remove("rotation");
    }
    config
}

/// How much the configuration still had to delete.
fn removals(entries: &BTreeMap<String, Value>) -> usize {
    let config = entries.get("config");
    let removals = config.and_then(|config| config["rotation"]["removals"].as_array());
    removals.map_or(0, Vec::len)
}

/// The entries of each file in a folder of recordings, by the file's name.
fn recorded(folder: &str) -> Vec<(String, BTreeMap<String, Value>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stored/eda73bf");
    let files = std::fs::read_dir(path.join(folder)).expect("recordings");
    let read = files.map(|file| {
        let path = file.expect("a file").path();
        let text = std::fs::read(&path).expect("its text");
        let entries = serde_json::from_slice(&text).expect("entries");
        (path.display().to_string(), entries)
    });
    read.collect()
}

fn names(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            found.extend(object.keys().cloned());
            object.values().for_each(|value| names(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| names(value, found)),
        _ => {}
    }
}

/// What today's code writes of what it reads.
fn written<T: Serialize + DeserializeOwned>(stored: &Value) -> Value {
    let entry: T = serde_json::from_value(stored.clone()).expect("today's shape");
    serde_json::to_value(entry).expect("JSON")
}

#[tokio::test]
async fn everything_recorded_is_converted_and_read_without_loss() {
    let mut all = recorded("kinds");
    all.extend(recorded("mounts"));
    assert!(all.len() > 40, "{}", all.len());
    for (file, entries) in all {
        let mut mount = TestMount::new().await;
        mount.storage.unplant("storage-version");
        for (key, value) in &entries {
            mount.storage.plant(key, value.to_string().as_bytes());
        }
        mount.restart().await;
        let keys = mount.storage.keys();
        assert!(keys.contains(&"storage-version".to_owned()), "{file}");
        for key in &keys {
            let stored: Value = serde_json::from_slice(&mount.storage.value(key)).expect("JSON");
            let mut found = Vec::new();
            names(&stored, &mut found);
            let earlier = |name: &&String| EARLIER_NAMES.contains(&name.as_str());
            assert_eq!(found.iter().find(earlier), None, "{file}: {key}");
            let written = match key.split('/').next() {
                Some("issued") => written::<JournalEntry>(&stored),
                Some("static-roles") => written::<StaticRoleEntry>(&stored),
                Some("config") => written::<ConfigEntry>(&stored),
                Some("managed-accounts") => written::<ManagedAccountsEntry>(&stored),
                Some("present-secrets") => written::<ClientSecret>(&stored),
                Some("ownership-tag") => written::<MarkEntry>(&stored),
                Some("origins") => written::<Origins>(&stored),
                _ => stored.clone(),
            };
            assert_eq!(written, without_nothing(stored), "{file}: {key}");
        }
        let count = |prefix: &str| keys.iter().filter(|key| key.starts_with(prefix)).count();
        let earlier = |prefix: &str| entries.keys().filter(|key| key.starts_with(prefix)).count();
        for (today, before) in [
            ("issued/", "issued/"),
            ("static-roles/", "static-roles/"),
            ("roles/", "roles/"),
            ("wal/", "wal/"),
            ("managed-accounts/", "token-accounts/"),
            ("ownership-tag", "mark"),
        ] {
            assert!(count(today) >= earlier(before), "{file}: {before}");
        }
        let of_root = keys.iter().filter(|key| key.starts_with("issued/"));
        let of_root = of_root.filter(|key| {
            let stored: Value = serde_json::from_slice(&mount.storage.value(key)).expect("JSON");
            stored["owner"] == "root"
        });
        assert_eq!(of_root.count(), removals(&entries), "{file}");
        assert_eq!(count("token-accounts/") + count("mark"), 0, "{file}");
        assert_eq!(mount.figure("entries", "unreadable").await, 0, "{file}");
    }
}
