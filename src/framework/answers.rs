//! Shapes of answers that engines share: lists, pages of lists, and the result of a patch.

use serde_json::{Map, Value};

use super::field::{Field, Fields};
use crate::vault::{Data, Response, Storage, StorageError};

/// The answer to a list; without keys the host makes it a 404.
#[must_use]
pub(crate) fn list(keys: Vec<String>) -> Response {
    let mut data = Data::new();
    if !keys.is_empty() {
        data.insert("keys".to_owned(), keys.into());
    }
    Response::data(data)
}

/// The answer to a list with details of each key; a key without details is listed alone.
#[must_use]
pub(crate) fn list_with_info(entries: Vec<(String, Data)>) -> Response {
    let mut info = Map::new();
    let mut keys = Vec::with_capacity(entries.len());
    for (key, details) in entries {
        if !details.is_empty() {
            info.insert(key.clone(), details.into());
        }
        keys.push(key);
    }
    let mut response = list(keys);
    if let Some(data) = response.data.as_mut().filter(|_| !info.is_empty()) {
        data.insert("key_info".to_owned(), info.into());
    }
    response
}

/// Which part of a list is asked for. Source: `OpenBao`'s convention for paged lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    /// Keys up to and including this one are left out; empty leaves out none.
    pub after: String,
    /// The most keys; [`None`] is no limit.
    pub limit: Option<usize>,
}

impl Page {
    /// The fields by which a path is asked for a page.
    #[must_use]
    pub(crate) fn fields() -> [Field; 2] {
        [
            Field::text("after")
                .about("Lists only what sorts after this key, which need not exist.")
                .query(),
            Field::int("limit")
                .about("Lists at most this many keys; 0 and less mean all.")
                .query(),
        ]
    }

    /// The page that a request asks for.
    #[must_use]
    pub(crate) fn of(fields: &Fields) -> Self {
        let limit = fields
            .int("limit")
            .and_then(|limit| usize::try_from(limit).ok());
        Self {
            after: fields.text("after").unwrap_or_default().to_owned(),
            limit: limit.filter(|limit| *limit > 0),
        }
    }

    /// The children of `prefix` that are on this page.
    pub(crate) async fn keys(
        &self,
        storage: &dyn Storage,
        prefix: &str,
    ) -> Result<Vec<String>, StorageError> {
        if let Some(limit) = self.limit {
            return storage.list_page(prefix, &self.after, limit).await;
        }
        let mut keys = storage.list(prefix).await?;
        keys.retain(|key| *key > self.after);
        Ok(keys)
    }
}

/// What is stored, with the body's fields merged in by RFC 7396: `null` removes, objects merge,
/// everything else replaces. Only declared fields count, each in the JSON form of its kind, such
/// as whole seconds for a duration; fields of the path itself are left out.
#[must_use]
pub(crate) fn merge_patch(stored: Data, fields: &Fields) -> Data {
    merged(stored, fields.patch())
}

fn merged(mut target: Data, patch: Data) -> Data {
    for (key, change) in patch {
        match change {
            Value::Null => {
                target.remove(&key);
            }
            Value::Object(change) => {
                let inner = match target.remove(&key) {
                    Some(Value::Object(inner)) => inner,
                    _ => Map::new(),
                };
                target.insert(key, merged(inner, change).into());
            }
            other => {
                target.insert(key, other);
            }
        }
    }
    target
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::framework::toy::{data, fields_of, json_value};
    use crate::vault::memory::MemoryStorage;

    #[test]
    fn an_empty_list_has_no_keys() {
        assert_eq!(list(Vec::new()).data, Some(data(json!({}))));
        assert_eq!(
            list(vec!["a".to_owned()]).data,
            Some(data(json!({"keys": ["a"]})))
        );
    }

    #[test]
    fn details_stand_beside_the_keys() {
        let entries = vec![
            ("a".to_owned(), data(json!({"type": "x"}))),
            ("b".to_owned(), Data::new()),
        ];
        assert_eq!(
            list_with_info(entries).data,
            Some(data(
                json!({"keys": ["a", "b"], "key_info": {"a": {"type": "x"}}})
            ))
        );
        let bare = vec![("b".to_owned(), Data::new())];
        assert_eq!(
            list_with_info(bare).data,
            Some(data(json!({"keys": ["b"]})))
        );
    }

    #[tokio::test]
    async fn a_page_is_a_part_of_the_list() {
        let storage = MemoryStorage::default();
        for key in ["a", "b", "c"] {
            storage.plant(&format!("roles/{key}"), b"{}");
        }
        for (asked, want) in [
            (json!({}), vec!["a", "b", "c"]),
            (json!({"limit": 2}), vec!["a", "b"]),
            (json!({"limit": "1", "after": "a"}), vec!["b"]),
            (json!({"limit": -1, "after": "aa"}), vec!["b", "c"]),
        ] {
            let page = Page::of(&fields_of(Page::fields().to_vec(), asked));
            assert_eq!(page.keys(&storage, "roles/").await.expect("lists"), want);
        }
    }

    fn patched(stored: Value, body: Value) -> Value {
        let declared = vec![
            Field::lowercase("name"),
            Field::seconds("ttl"),
            Field::map("map"),
            Field::map_of_lists("lists"),
            Field::comma_texts("roles"),
        ];
        merge_patch(data(stored), &fields_of(declared, body)).into()
    }

    #[test]
    fn a_patch_changes_what_it_names() {
        let stored = json!({"ttl": 5, "map": {"a": 1, "b": {"c": 2}}, "roles": ["x"]});
        let body = json!({"ttl": "1h", "map": {"a": null, "b": {"d": 3}}, "other": 1});
        assert_eq!(
            patched(stored, body),
            json!({"ttl": 3600, "map": {"b": {"c": 2, "d": 3}}, "roles": ["x"]})
        );
    }

    #[test]
    fn null_removes() {
        let stored = json!({"ttl": 5, "roles": ["x"], "lists": {"p": ["a"], "q": ["b"]}});
        let body = json!({"ttl": null, "roles": null, "lists": {"p": null, "r": "c,d"}});
        assert_eq!(
            patched(stored, body),
            json!({"lists": {"q": ["b"], "r": ["c", "d"]}})
        );
    }

    /// A command line gives an object as its JSON text.
    #[test]
    fn null_in_the_text_of_an_object_removes() {
        let stored = json!({"ttl": 5, "lists": {"p": ["a"], "q": ["b"]}});
        let body = json!({"lists": "{\"p\": null, \"r\": \"c,d\"}"});
        assert_eq!(
            patched(stored, body),
            json!({"ttl": 5, "lists": {"q": ["b"], "r": ["c", "d"]}})
        );
    }

    proptest! {
        #[test]
        fn patching_twice_changes_nothing_more(stored in json_value(), change in json_value()) {
            let stored = data(json!({"map": stored}));
            let change = data(json!({"map": change}));
            let once = merged(stored, change.clone());
            prop_assert_eq!(merged(once.clone(), change), once);
        }
    }
}
