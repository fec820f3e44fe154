//! What released versions stored, as it is kept in `tests/stored`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The folder of what this version stores.
const THIS_VERSION: &str = concat!("v", env!("CARGO_PKG_VERSION"));

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

/// The internal data of leases that this version hands out, by what they are for.
pub(crate) fn leases() -> Entries {
    let text = std::fs::read(folder().join(THIS_VERSION).join("leases.json"));
    serde_json::from_slice(&text.expect("the leases")).expect("leases")
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
