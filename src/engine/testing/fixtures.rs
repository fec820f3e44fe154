//! What released versions stored, as it is kept in `tests/stored`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::TestMount;
use crate::base::Rfc3339;
use crate::engine::process::ServerHold;

/// The folder of what this version stores.
pub(crate) const THIS_VERSION: &str = concat!("v", env!("CARGO_PKG_VERSION"));

/// Entries by their keys.
pub(crate) type Entries = BTreeMap<String, Value>;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stored")
}

/// The releases of which something is kept.
pub(crate) fn releases() -> Vec<String> {
    let folders = std::fs::read_dir(folder()).expect("the fixtures");
    let names = folders.map(|folder| folder.expect("a folder").file_name());
    let names = names.filter_map(|name| name.into_string().ok());
    names.filter(|name| name.starts_with('v')).collect()
}

/// What a release stored in the mount, by file: the entries of a file can be in one mount.
pub(crate) fn stored(release: &str) -> BTreeMap<String, Entries> {
    let files = std::fs::read_dir(folder().join(release)).expect("the release");
    let files = files.map(|file| file.expect("a file").path());
    let files = files.map(|path| {
        let name = path.file_stem().expect("a name").to_string_lossy();
        let text = std::fs::read(&path).expect("its text");
        let entries = serde_json::from_slice(&text).expect("entries");
        (name.into_owned(), entries)
    });
    files.filter(|(name, _)| name != "leases").collect()
}

/// The internal data of leases that a release handed out, by what they are for.
pub(crate) fn leases(release: &str) -> Entries {
    let text = std::fs::read(folder().join(release).join("leases.json"));
    serde_json::from_slice(&text.expect("the leases")).expect("leases")
}

/// A mount on these entries and the release's configuration, in a server that sends nothing to Atlas.
pub(crate) async fn mount_on(release: &str, entries: &Entries) -> TestMount {
    let files = stored(release);
    let config = files.get("config-api-key").expect("a configuration");
    let mut mount = TestMount::new().await;
    mount.storage.unplant("storage-version");
    for (key, value) in config.iter().chain(entries) {
        mount.storage.plant(key, value.to_string().as_bytes());
    }
    mount.restart_held(ServerHold::All).await;
    mount
}

/// Moves all times in a value.
pub(crate) fn move_times(value: &mut Value, by: TimeDelta) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(|value| move_times(value, by)),
        Value::Array(items) => items.iter_mut().for_each(|value| move_times(value, by)),
        Value::String(text) => {
            if let Ok(time) = text.parse::<DateTime<Utc>>() {
                *text = Rfc3339(time + by).to_string();
            }
        }
        _ => {}
    }
}

/// Everything of this version below a key, or at it, is written as it was read: what is kept is what
/// this version writes.
#[track_caller]
pub(crate) fn assert_written_as_read<T: Serialize + DeserializeOwned>(key: &str) {
    let mut count = 0;
    for (file, entries) in stored(THIS_VERSION) {
        for (name, value) in entries.iter().filter(|(name, _)| name.starts_with(key)) {
            let read: Result<T, _> = serde_json::from_value(value.clone());
            let read = read.unwrap_or_else(|error| panic!("{file}: {name}: {error}"));
            let written = serde_json::to_value(read).expect("JSON");
            assert_eq!(written, *value, "{file}: {name}");
            count += 1;
        }
    }
    assert!(count > 0, "nothing is kept of {key}");
}

/// Every text, number and truth value in a value, by its own.
fn leaves(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.values().for_each(|value| leaves(value, found)),
        Value::Array(items) => items.iter().for_each(|value| leaves(value, found)),
        other => found.push(other.to_string()),
    }
}

/// Everything that every release stored below a key, or at it, is read by this version from a mount that
/// starts on it, with no value left out. Answers what was read, each beside what the release stored.
pub(crate) async fn read_of_every_release<T: Serialize + DeserializeOwned>(
    key: &str,
) -> Vec<(Value, T)> {
    let mut found = Vec::new();
    for release in releases() {
        for (file, entries) in stored(&release) {
            let kept = entries.iter().filter(|(name, _)| name.starts_with(key));
            let kept: Vec<_> = kept.collect();
            if kept.is_empty() {
                continue;
            }
            let mount = mount_on(&release, &entries).await;
            for (name, value) in kept {
                let place = format!("{release}/{file}: {name}");
                let read = serde_json::from_slice::<T>(&mount.storage.value(name));
                let read = read.unwrap_or_else(|error| panic!("{place}: {error}"));
                let (mut before, mut after) = (Vec::new(), Vec::new());
                leaves(value, &mut before);
                leaves(&serde_json::to_value(&read).expect("JSON"), &mut after);
                // Each as often as it was stored.
                before.retain(|leaf| {
                    let place = after.iter().position(|read| read == leaf);
                    place.map(|place| after.swap_remove(place)).is_none()
                });
                assert!(before.is_empty(), "{place}: what was read lacks {before:?}");
                found.push((value.clone(), read));
            }
        }
    }
    assert!(!found.is_empty(), "nothing is kept of {key}");
    found
}
