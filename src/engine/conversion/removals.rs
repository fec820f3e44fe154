//! What an earlier configuration still had to delete of its rotations stood in a list of its own. Each of
//! the list is an entry of the journal today.

use serde_json::{Map, Value};

use super::rename::Resource;
use crate::engine::keys;
use crate::engine::names::JournalId;

/// What such a credential had at the begin of its description, and has today.
const PREFIX: &str = "mongodbatlas-root-";

/// The entries of what a configuration still has to delete. Always the same of the same list: a
/// conversion that is repeated writes them again.
pub(super) fn entries(config: &Map<String, Value>) -> Vec<Resource> {
    let rotation = config.get("rotation").and_then(Value::as_object);
    let removals = rotation.and_then(|rotation| rotation.get("removals")?.as_array());
    let removals = removals.into_iter().flatten().filter_map(Value::as_object);
    removals.filter_map(entry).collect()
}

/// [`None`]: it names nothing that could be looked for.
fn entry(removal: &Map<String, Value>) -> Option<Resource> {
    let id = id(removal)?;
    let mut entry = Map::new();
    for (name, text) in [
        ("state", "pending"),
        ("owner", "root"),
        ("role", ""),
        ("description", ""),
        ("display_name", ""),
        ("entity_id", ""),
    ] {
        entry.insert(name.to_owned(), text.into());
    }
    for time in ["issued_at", "max_expire_time"] {
        entry.insert(time.to_owned(), removal.get("since")?.clone());
    }
    for name in [
        "credential_type",
        "organization_id",
        "origin",
        "description",
        "programmatic_api_key_id",
        "public_key",
        "client_id",
    ] {
        if let Some(value) = removal.get(name) {
            entry.insert(name.to_owned(), value.clone());
        }
    }
    Some((keys::issued(&id), entry))
}

/// That which ends its description; of one that was replaced, one made of its id in Atlas.
fn id(removal: &Map<String, Value>) -> Option<JournalId> {
    let text = |name: &str| removal.get(name).and_then(Value::as_str);
    let drawn = text("description").and_then(|description| description.strip_prefix(PREFIX));
    let drawn = drawn.and_then(JournalId::parse);
    let in_atlas = || text("programmatic_api_key_id").or_else(|| text("client_id"));
    drawn.or_else(|| in_atlas().map(JournalId::of_earlier_removal))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(removal: &Value) -> Option<String> {
        id(removal.as_object().expect("an object")).map(|id| id.to_string())
    }

    #[test]
    fn each_has_an_id_of_its_own_that_is_always_the_same() {
        let drawn = json!({"description": "mongodbatlas-root-0123456789abcdefghij"});
        assert_eq!(of(&drawn).as_deref(), Some("0123456789abcdefghij"));
        let key = json!({"programmatic_api_key_id": "6b02741eb9c9ed02f9000004"});
        let account = json!({"client_id": "mdb_sa_id_5cf5a45a9ccf6400e60981b7"});
        assert!(of(&key).is_some());
        assert_eq!(of(&key), of(&key));
        assert_ne!(of(&key), of(&account));
        assert_eq!(of(&json!({"description": ""})), None);
    }
}
