//! From JSON to a field's value: lists, maps, pairs and headers.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value};

use super::decode::{Reason, int, text};
use super::kind::Kind;
use crate::vault::Data;

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

/// An object of text, or a list of `key=value`.
pub(super) fn pairs(raw: Value) -> Result<BTreeMap<String, String>, Reason> {
    const REASON: &str = "invalid key pair; give an object of text, or a list of key=value";
    let items = match raw {
        Value::Null => return Ok(BTreeMap::new()),
        Value::Object(map) => {
            return map
                .into_iter()
                .map(|(key, value)| Ok((key, text(value).map_err(|_| REASON)?)))
                .collect();
        }
        Value::Array(items) => items,
        single => vec![single],
    };
    items
        .into_iter()
        .map(|item| match text(item)?.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
            _ => Err(REASON.into()),
        })
        .collect()
}

/// Anything; what is no array becomes an array of one.
pub(super) fn list(raw: Value) -> Vec<Value> {
    match raw {
        Value::Array(values) => values,
        Value::Null => Vec::new(),
        Value::Object(map) if map.is_empty() => Vec::new(),
        single => vec![single],
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

fn elements(items: Vec<Value>) -> Result<Vec<String>, Reason> {
    let each = items.into_iter().enumerate().map(|(index, item)| {
        let text = text(item).map_err(|reason| format!("element {}: {reason}", index + 1))?;
        Ok(text.trim().to_owned())
    });
    each.collect()
}

/// A list of text; one text is split at commas. Empty elements stay.
pub(super) fn comma_texts(raw: Value) -> Result<Vec<String>, Reason> {
    match raw {
        Value::String(text) if !text.is_empty() => {
            Ok(text.split(',').map(|part| part.trim().to_owned()).collect())
        }
        Value::Bool(_) => Err("must be a list of text".into()),
        other => texts(other),
    }
}

/// A list of integers; a text is split at commas.
pub(super) fn comma_ints(raw: Value) -> Result<Vec<i64>, Reason> {
    const REASON: &str = "must be a list of integers";
    let items = match raw {
        Value::Null => return Ok(Vec::new()),
        Value::String(text) if text.is_empty() => return Ok(Vec::new()),
        Value::String(text) => text.split(',').map(|part| part.trim().into()).collect(),
        Value::Array(items) => items,
        single @ Value::Number(_) => vec![single],
        Value::Bool(_) | Value::Object(_) => return Err(REASON.into()),
    };
    let each = items.into_iter().enumerate().map(|(index, item)| {
        let wrong = || Reason::from(format!("element {}: must be an integer", index + 1));
        match &item {
            Value::Number(_) => int(&item).map_err(|_| wrong()),
            Value::String(text) if !text.is_empty() => int(&item).map_err(|_| wrong()),
            _ => Err(wrong()),
        }
    });
    each.collect()
}

/// The object whose JSON text is given, as a command line gives it, where the kind takes such a text;
/// anything else as it came.
pub(super) fn opened(kind: Kind, raw: Value) -> Value {
    match raw {
        Value::String(text) if kind == Kind::MapOfLists => {
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

const HEADER_REASON: &str =
    "must be HTTP headers: an object of text or lists of text, its JSON, or a list of name:value";

/// HTTP headers: an object, its JSON text or the base64 of it, or a list of `name:value`.
pub(super) fn header(raw: Value) -> Result<BTreeMap<String, Vec<String>>, Reason> {
    match raw {
        Value::Null => Ok(BTreeMap::new()),
        Value::Object(map) => header_map(map),
        Value::String(text) => {
            let json = BASE64_STANDARD
                .decode(&text)
                .unwrap_or_else(|_| text.into_bytes());
            header_map(serde_json::from_slice(&json).map_err(|_| HEADER_REASON)?)
        }
        Value::Array(lines) => header_lines(&lines),
        Value::Bool(_) | Value::Number(_) => Err(HEADER_REASON.into()),
    }
}

fn header_map(map: Data) -> Result<BTreeMap<String, Vec<String>>, Reason> {
    let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, values) in map {
        let values = match values {
            Value::Array(values) => values,
            single => vec![single],
        };
        for value in values {
            let Value::String(value) = value else {
                return Err(HEADER_REASON.into());
            };
            headers.entry(canonical(&name)).or_default().push(value);
        }
    }
    Ok(headers)
}

fn header_lines(lines: &[Value]) -> Result<BTreeMap<String, Vec<String>>, Reason> {
    let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in lines {
        match line.as_str().and_then(|line| line.split_once(':')) {
            Some((name, value)) if !name.is_empty() => headers
                .entry(canonical(name))
                .or_default()
                .push(value.to_owned()),
            _ => return Err(HEADER_REASON.into()),
        }
    }
    Ok(headers)
}

/// A header's name as Go writes it, such as `Content-Type`: names differ not by case.
fn canonical(name: &str) -> String {
    let mut starts_word = true;
    let each = name.chars().map(|character| {
        let cased = if starts_word {
            character.to_ascii_uppercase()
        } else {
            character.to_ascii_lowercase()
        };
        starts_word = character == '-';
        cased
    });
    each.collect()
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
    fn pairs_are_objects_of_text_or_lines() {
        let rows = [
            (
                json!({"a": 1, "b": true, "c": null}),
                json!({"a": "1", "b": "1", "c": ""}),
            ),
            (json!(["a=b=c", "d="]), json!({"a": "b=c", "d": ""})),
            (json!("a=b,c=d"), json!({"a": "b,c=d"})),
            (json!(null), json!({})),
            (json!([]), json!({})),
        ];
        takes(Kind::Pairs, &rows);
        refuses(
            Kind::Pairs,
            &[
                json!(""),
                json!("a"),
                json!(["=b"]),
                json!({"a": []}),
                json!(5),
            ],
        );
    }

    #[test]
    fn lists_take_anything() {
        let rows = [
            (json!([1, "a", {}]), json!([1, "a", {}])),
            (json!(""), json!([""])),
            (json!(5), json!([5])),
            (json!({"a": 1}), json!([{"a": 1}])),
            (json!({}), json!([])),
            (json!(null), json!([])),
        ];
        takes(Kind::List, &rows);
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
    fn a_wrong_element_is_told_by_its_place() {
        assert_eq!(
            read(Kind::CommaTexts, json!(["a", {}])),
            Err("element 2: must be text".into())
        );
    }

    #[test]
    fn lists_of_integers_are_split() {
        let rows = [
            (json!([1, "2", "0x3"]), json!([1, 2, 3])),
            (json!("1, 2"), json!([1, 2])),
            (json!(7), json!([7])),
            (json!(""), json!([])),
            (json!(null), json!([])),
        ];
        takes(Kind::CommaInts, &rows);
        refuses(
            Kind::CommaInts,
            &[
                json!("1,"),
                json!(["a"]),
                json!([null]),
                json!(true),
                json!({}),
            ],
        );
    }

    #[test]
    fn headers_take_every_form() {
        let rows = [
            (
                json!({"content-type": "a", "X-B": ["c", "d"]}),
                json!({"Content-Type": ["a"], "X-B": ["c", "d"]}),
            ),
            (json!("{\"accept\": \"a\"}"), json!({"Accept": ["a"]})),
            (
                json!(BASE64_STANDARD.encode("{\"accept\": [\"a\"]}")),
                json!({"Accept": ["a"]}),
            ),
            (
                json!(["accept:a", "Accept:b:c"]),
                json!({"Accept": ["a", "b:c"]}),
            ),
            (json!(null), json!({})),
        ];
        takes(Kind::Header, &rows);
        refuses(
            Kind::Header,
            &[
                json!("a"),
                json!(["a"]),
                json!([":a"]),
                json!({"a": 5}),
                json!(5),
            ],
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
