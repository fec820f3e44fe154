//! Earlier names in stored JSON, and what they are called today.
//!
//! Each function takes the object of one kind of entry, and says whether it changed something: what is
//! of today stays as it is.

use serde_json::{Map, Value};

/// Renames what is in the object of an entry. Answers whether anything changed.
pub(super) type Rename = fn(&mut Map<String, Value>) -> bool;

/// An entry that is made of a part of another, with its key.
pub(super) type Resource = (String, Map<String, Value>);

/// An entry's text with today's names; [`None`]: it has them, or it is no JSON object.
pub(super) fn in_text(text: &[u8], rename: Rename) -> Option<Vec<u8>> {
    let mut object: Map<String, Value> = serde_json::from_slice(text).ok()?;
    rename(&mut object)
        .then(|| serde_json::to_vec(&object).ok())
        .flatten()
}

/// What is made of an entry's text; nothing of what is no JSON object.
pub(super) fn made_of(
    text: &[u8],
    make: fn(&Map<String, Value>) -> Vec<Resource>,
) -> Vec<Resource> {
    let object: Result<Map<String, Value>, _> = serde_json::from_slice(text);
    object.map(|object| make(&object)).unwrap_or_default()
}

/// Whether an entry's text is a JSON object, as all are.
pub(super) fn is_object(text: &[u8]) -> bool {
    serde_json::from_slice::<Map<String, Value>>(text).is_ok()
}

/// Of an entry that only gets another key.
pub(super) fn nothing(_: &mut Map<String, Value>) -> bool {
    false
}

/// `issued/<id>`.
pub(super) fn journal_entry(entry: &mut Map<String, Value>) -> bool {
    let stage = key(entry, "stage", "state");
    if stage && let Some(Value::String(state)) = entry.get_mut("state") {
        let today = match state.as_str() {
            "making" => "pending",
            "live" => "active",
            "kept" => "managed",
            other => other,
        };
        *state = today.to_owned();
    }
    // Its owner could be told from its stage alone.
    if stage && entry.get("state") == Some(&Value::from("managed")) {
        entry.insert("owner".to_owned(), "managed_account".into());
    }
    let end = key(entry, "dies_by", "max_expire_time");
    let secret = entry
        .get_mut("part")
        .and_then(|part| part.get_mut("secret"));
    let candidates = secret
        .and_then(Value::as_object_mut)
        .is_some_and(|secret| key(secret, "candidates", "candidate_secret_ids"));
    stage | end | candidates
}

/// `static-roles/<name>`.
pub(super) fn static_role(entry: &mut Map<String, Value>) -> bool {
    key(entry, "lost", "lost_since") | rotation(entry)
}

/// `config`.
pub(super) fn config(entry: &mut Map<String, Value>) -> bool {
    let hold = key(entry, "hold_deletions", "hold");
    let Some(state) = entry.get_mut("rotation").and_then(Value::as_object_mut) else {
        return hold;
    };
    // Its entries are written.
    let removals = state.remove("removals").is_some();
    hold | rotation(state) | removals
}

/// What everything that rotates stores.
fn rotation(entry: &mut Map<String, Value>) -> bool {
    let own = failure(entry)
        | key(entry, "missed_window", "last_missed_rotation")
        | key(entry, "renewal", "other_secrets");
    let others = entry.get_mut("other_secrets");
    own | others
        .and_then(Value::as_object_mut)
        .is_some_and(other_secrets)
}

fn other_secrets(others: &mut Map<String, Value>) -> bool {
    let pending = others.get_mut("pending").and_then(Value::as_object_mut);
    let pending = pending.is_some_and(|pending| {
        key(pending, "known", "known_secret_ids") | key(pending, "made", "new_secret")
    });
    pending
        | each(others, "retiring", |retiring| {
            key(retiring, "look_at", "next_check_time")
        })
}

fn failure(entry: &mut Map<String, Value>) -> bool {
    let own = key(entry, "trouble", "failure");
    let failure = entry.get_mut("failure").and_then(Value::as_object_mut);
    own | failure.is_some_and(|failure| key(failure, "next_try", "next_retry_time"))
}

/// Renames in each object of a list.
fn each(entry: &mut Map<String, Value>, list: &str, rename: Rename) -> bool {
    let Some(list) = entry.get_mut(list).and_then(Value::as_array_mut) else {
        return false;
    };
    let objects = list.iter_mut().filter_map(Value::as_object_mut);
    objects.fold(false, |changed, object| rename(object) | changed)
}

/// Renames one key. Where both are there, today's is the newer one.
fn key(object: &mut Map<String, Value>, earlier: &str, today: &str) -> bool {
    let Some(value) = object.remove(earlier) else {
        return false;
    };
    object.entry(today).or_insert(value);
    true
}
