//! From JSON to a field's value: lists and maps.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::decode::{Reason, text};
use super::kind::Kind;
use crate::vault::Data;

/// More elements than any list of sense has: a long text of commas alone is not taken apart.
const MOST_ELEMENTS: usize = 10_000;
/// The longest JSON text that is read where an object could have been given.
const LONGEST_JSON: usize = 1 << 20;

/// An object; an array of objects is merged, later ones win.
pub(super) fn map(raw: Value) -> Result<Data, Reason> {
    const REASON: &str = "must be a JSON object";
    match raw {
        Value::Object(map) => Ok(map),
        Value::Null => Ok(Map::new()),
        Value::Array(parts) => parts.into_iter().try_fold(Map::new(), |mut merged, part| {
            let Value::Object(part) = part else {
                return Err(REASON.into());
            };
            merged.extend(part);
            Ok(merged)
        }),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => Err(REASON.into()),
    }
}

/// A list of text without splitting.
pub(super) fn texts(raw: Value) -> Result<Vec<String>, Reason> {
    match raw {
        Value::Null => Ok(Vec::new()),
        Value::String(text) if text.is_empty() => Ok(Vec::new()),
        Value::Array(items) => elements(items),
        Value::Object(_) => Err("must be a list of text".into()),
        single => elements(vec![single]),
    }
}

fn too_many() -> Reason {
    format!("must not have more than {MOST_ELEMENTS} elements").into()
}

fn elements(items: Vec<Value>) -> Result<Vec<String>, Reason> {
    if items.len() > MOST_ELEMENTS {
        return Err(too_many());
    }
    let each = items.into_iter().enumerate().map(|(index, item)| {
        let text = text(item).map_err(|reason| format!("element {}: {reason}", index + 1))?;
        Ok(text.trim().to_owned())
    });
    each.collect()
}

/// A list of text; one text is split at commas. Empty elements stay.
pub(super) fn comma_texts(raw: Value) -> Result<Vec<String>, Reason> {
    match raw {
        Value::String(text) if text.match_indices(',').nth(MOST_ELEMENTS - 1).is_some() => {
            Err(too_many())
        }
        Value::String(text) if !text.is_empty() => {
            Ok(text.split(',').map(|part| part.trim().to_owned()).collect())
        }
        Value::Bool(_) => Err("must be a list of text".into()),
        other => texts(other),
    }
}

/// A list of text and objects, or its JSON text, or one object; an object becomes its JSON text. Anything else
/// is read as a list of text.
pub(super) fn texts_or_objects(raw: Value) -> Result<Vec<String>, Reason> {
    const REASON: &str = "must be a list of text or JSON objects";
    let raw = match raw {
        Value::String(text) if text.trim_start().starts_with(['[', '{']) => {
            if text.len() > LONGEST_JSON {
                return Err(REASON.into());
            }
            serde_json::from_str(&text).map_err(|_| REASON)?
        }
        other => other,
    };
    match raw {
        Value::Object(_) => Ok(vec![raw.to_string()]),
        Value::Array(items) => {
            let opened = items.into_iter().map(|item| match item {
                Value::Object(_) => Value::String(item.to_string()),
                other => other,
            });
            elements(opened.collect())
        }
        other => comma_texts(other),
    }
}

/// A list of objects, each as its JSON text.
pub(super) fn objects(raw: Value) -> Result<Vec<String>, Reason> {
    match raw {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) if items.len() > MOST_ELEMENTS => Err(too_many()),
        Value::Array(items) if items.iter().all(Value::is_object) => {
            Ok(items.iter().map(Value::to_string).collect())
        }
        _ => Err("must be a list of JSON objects".into()),
    }
}

/// The object whose JSON text is given, as a command line gives it, where the kind takes such a text;
/// anything else as it came.
pub(super) fn opened(kind: Kind, raw: Value) -> Value {
    match raw {
        Value::String(text) if kind == Kind::MapOfLists && text.len() <= LONGEST_JSON => {
            serde_json::from_str(&text).map_or(Value::String(text), Value::Object)
        }
        other => other,
    }
}

/// An object of lists of text, or the JSON text of one. An entry that is `null` is not there.
pub(super) fn map_of_lists(raw: Value) -> Result<BTreeMap<String, Vec<String>>, Reason> {
    const REASON: &str = "must be a JSON object of lists of text";
    let map = match opened(Kind::MapOfLists, raw) {
        Value::Null => return Ok(BTreeMap::new()),
        Value::String(text) if text.is_empty() => return Ok(BTreeMap::new()),
        Value::Object(map) => map,
        _ => return Err(REASON.into()),
    };
    map.into_iter()
        .filter(|(_, list)| !list.is_null())
        .map(|(key, list)| Ok((key, comma_texts(list).map_err(|_| REASON)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::framework::field::Kind;
    use crate::framework::field::decode::decode;
    use crate::framework::field::value::FieldValue;

    fn read(kind: Kind, raw: Value) -> Result<Value, Reason> {
        Ok(decode(kind, raw)?.map_or(Value::Null, FieldValue::into_json))
    }

    fn takes(kind: Kind, rows: &[(Value, Value)]) {
        for (raw, want) in rows {
            assert_eq!(read(kind, raw.clone()), Ok(want.clone()), "{kind:?} {raw}");
        }
    }

    fn refuses(kind: Kind, rows: &[Value]) {
        for raw in rows {
            let read = read(kind, raw.clone());
            assert!(read.is_err(), "{kind:?} {raw} became {read:?}");
        }
    }

    #[test]
    fn lists_of_objects_are_kept_as_their_texts() {
        let object = json!({"roleName": "read", "databaseName": "a,b"});
        let text = object.to_string();
        let rows = [
            (json!([object, " read@app "]), json!([text, "read@app"])),
            (json!(json!([object]).to_string()), json!([text])),
            (object, json!([text])),
            (json!(text), json!([text])),
            (json!("read@a, read@b"), json!(["read@a", "read@b"])),
            (json!(""), json!([])),
            (json!(null), json!([])),
        ];
        takes(Kind::TextsOrObjects, &rows);
        let wrong = [json!("[1"), json!("{x}"), json!([[1]]), json!(true)];
        refuses(Kind::TextsOrObjects, &wrong);
    }

    #[test]
    fn lists_of_objects_have_nothing_else_in_them() {
        let object = json!({"region": "US_EAST", "status": "ACTIVE"});
        let rows = [
            (json!([object]), json!([object.to_string()])),
            (json!([]), json!([])),
            (json!(null), json!([])),
        ];
        takes(Kind::Objects, &rows);
        refuses(
            Kind::Objects,
            &[
                json!([1]),
                json!(["{}"]),
                json!({}),
                json!("[{}]"),
                json!(1),
            ],
        );
    }

    #[test]
    fn maps_are_objects() {
        let rows = [
            (json!({"a": [1]}), json!({"a": [1]})),
            (json!(null), json!({})),
            (json!([]), json!({})),
            (json!([{"a": 1, "b": 1}, {"b": 2}]), json!({"a": 1, "b": 2})),
        ];
        takes(Kind::Map, &rows);
        refuses(
            Kind::Map,
            &[json!("a"), json!(""), json!(1), json!(true), json!([1])],
        );
    }

    #[test]
    fn lists_have_a_bounded_length() {
        for kind in [Kind::Texts, Kind::CommaTexts] {
            let list = |count| json!(vec!["a"; count]);
            assert!(read(kind, list(MOST_ELEMENTS)).is_ok());
            let told = read(kind, list(MOST_ELEMENTS + 1)).unwrap_err();
            assert_eq!(told, too_many(), "{kind:?}");
        }
        let commas = |count| json!(",".repeat(count));
        assert!(read(Kind::CommaTexts, commas(MOST_ELEMENTS - 1)).is_ok());
        let told = read(Kind::CommaTexts, commas(MOST_ELEMENTS)).unwrap_err();
        assert_eq!(told, too_many());
        let long = format!("{{{}}}", " ".repeat(LONGEST_JSON));
        refuses(
            Kind::MapOfLists,
            &[json!(long), json!({ "a": commas(MOST_ELEMENTS) })],
        );
    }

    #[test]
    fn lists_of_text_are_trimmed_and_not_split() {
        let rows = [
            (json!([" a ", 5, true, null]), json!(["a", "5", "1", ""])),
            (json!("a,b"), json!(["a,b"])),
            (json!(5), json!(["5"])),
            (json!(true), json!(["1"])),
            (json!(""), json!([])),
            (json!(null), json!([])),
        ];
        takes(Kind::Texts, &rows);
        refuses(
            Kind::Texts,
            &[json!([[]]), json!([{}]), json!({"a": 1}), json!({})],
        );
    }

    #[test]
    fn commas_split_one_text_but_no_elements() {
        let rows = [
            (json!("a, b ,,c"), json!(["a", "b", "", "c"])),
            (json!(["a,b", " c"]), json!(["a,b", "c"])),
            (json!(5), json!(["5"])),
            (json!(""), json!([])),
            (json!(null), json!([])),
        ];
        takes(Kind::CommaTexts, &rows);
        refuses(Kind::CommaTexts, &[json!(true), json!({}), json!([["a"]])]);
    }

    #[test]
    fn a_wrong_element_is_reported_by_its_place() {
        assert_eq!(
            read(Kind::CommaTexts, json!(["a", {}])),
            Err("element 2: must be text".into())
        );
    }

    #[test]
    fn maps_of_lists_take_their_own_text() {
        let rows = [
            (
                json!({"p": ["a", "b"], "q": "c,d", "r": null}),
                json!({"p": ["a", "b"], "q": ["c", "d"]}),
            ),
            (json!("{\"p\": [\"a\"]}"), json!({"p": ["a"]})),
            (json!(""), json!({})),
            (json!(null), json!({})),
        ];
        takes(Kind::MapOfLists, &rows);
        refuses(
            Kind::MapOfLists,
            &[
                json!("a"),
                json!([]),
                json!({"p": [[]]}),
                json!({"p": true}),
            ],
        );
    }
}
