//! From JSON to a field's value: lists, maps, pairs and headers.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value};

use super::decode::{Reason, int, text};
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

/// An object of lists of text, or the JSON text of one, as a command line gives it. An entry that
/// is `null` is not there.
pub(super) fn map_of_lists(raw: Value) -> Result<BTreeMap<String, Vec<String>>, Reason> {
    const REASON: &str = "must be a JSON object of lists of text";
    let raw = match raw {
        Value::Null => return Ok(BTreeMap::new()),
        Value::String(text) if text.is_empty() => return Ok(BTreeMap::new()),
        Value::String(text) => serde_json::from_str(&text).map_err(|_| REASON)?,
        other => other,
    };
    let Value::Object(map) = raw else {
        return Err(REASON.into());
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
