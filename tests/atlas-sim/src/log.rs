//! The log of requests, bounded, and the file of whole exchanges for the description's check.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use md5::{Digest as _, Md5};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::http::{Incoming, Reply};
use crate::ids::hex;

/// Requests kept; older ones are dropped.
const MAX_REQUESTS: usize = 100_000;
/// Bytes of a request body kept.
const MAX_BODY: usize = 2_048;
/// Fields of requests that hold the caller's own secrets.
const SECRETS: [&str; 4] = ["password", "secret", "secretAccessKey", "serviceAccountKey"];

/// One request and its outcome.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Entry {
    pub(crate) number: u64,
    pub(crate) at: String,
    pub(crate) method: String,
    /// Path with query.
    pub(crate) path: String,
    pub(crate) operation_id: Option<&'static str>,
    /// `none`, `digest`, `bearer`, `basic` or `other`.
    pub(crate) auth: &'static str,
    /// Id of the key or account, once signed in.
    pub(crate) principal: Option<String>,
    /// The status answered; `null` when no answer was sent.
    pub(crate) status: Option<u16>,
    pub(crate) error_code: Option<String>,
    /// A 401 with a challenge to a request that did not sign in.
    pub(crate) challenge: bool,
    /// The request had its effect, whatever was answered.
    pub(crate) handled: bool,
    /// Id of the fault that hit it.
    pub(crate) fault: Option<u64>,
    pub(crate) body: Value,
}

/// The latest requests.
#[derive(Debug, Default)]
pub(crate) struct RequestLog {
    entries: VecDeque<Entry>,
    /// Requests in all, those dropped or deleted included.
    last_number: u64,
}

impl RequestLog {
    /// Adds an entry and numbers it.
    pub(crate) fn add(&mut self, mut entry: Entry) -> u64 {
        self.last_number += 1;
        entry.number = self.last_number;
        if self.entries.len() >= MAX_REQUESTS {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
        self.last_number
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }

    /// The entries numbered after `since`, and counts of them.
    pub(crate) fn describe(&self, since: u64) -> Value {
        let shown: Vec<&Entry> = self
            .entries
            .iter()
            .filter(|entry| entry.number > since)
            .collect();
        let mut operations = BTreeMap::<&str, u64>::new();
        let mut statuses = BTreeMap::<String, u64>::new();
        for entry in shown.iter().filter(|entry| !entry.challenge) {
            *operations
                .entry(entry.operation_id.unwrap_or("unknown"))
                .or_default() += 1;
            let status = entry
                .status
                .map_or_else(|| "none".to_owned(), |status| status.to_string());
            *statuses.entry(status).or_default() += 1;
        }
        json!({
            "last": self.last_number, "count": shown.len(),
            "challenges": shown.iter().filter(|entry| entry.challenge).count(),
            "operations": operations, "statuses": statuses, "requests": shown,
        })
    }
}

/// The body of a request as the log keeps it; a form of the token endpoints is not kept, since it
/// holds a token.
pub(crate) fn kept_body(incoming: &Incoming, is_form: bool) -> Value {
    if incoming.body.is_empty() {
        return Value::Null;
    }
    if is_form {
        return json!("(form)");
    }
    if incoming.body.len() > MAX_BODY {
        return json!(format!("({} bytes)", incoming.body.len()));
    }
    let mut body = serde_json::from_slice(&incoming.body)
        .unwrap_or_else(|_| json!(String::from_utf8_lossy(&incoming.body)));
    redact(&mut body);
    body
}

/// What stands for a secret wherever it could be seen: enough to compare, and not the secret.
pub(crate) fn digest(secret: &str) -> String {
    format!("md5:{}", hex(&Md5::digest(secret.as_bytes())))
}

/// Puts digests in the place of secrets that a caller sent.
pub(crate) fn redact(body: &mut Value) {
    match body {
        Value::Array(items) => items.iter_mut().for_each(redact),
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str() {
                    Some(secret) if SECRETS.contains(&name.as_str()) => {
                        *value = json!(digest(secret));
                    }
                    _ => redact(value),
                }
            }
        }
        _ => {}
    }
}

/// The body of a request as the file of exchanges has it, without secrets.
fn written_body(incoming: &Incoming) -> String {
    match serde_json::from_slice(&incoming.body) {
        Ok(mut body) => {
            redact(&mut body);
            body.to_string()
        }
        // Such as a form, or what is no JSON.
        Err(_) => String::from_utf8_lossy(&incoming.body).into_owned(),
    }
}

/// Writes each exchange as one line of JSON.
#[derive(Debug)]
pub(crate) struct Exchanges(Mutex<File>);

impl Exchanges {
    /// Appends to the file, making it if needed.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self(Mutex::new(file)))
    }

    /// Appends one exchange. A failing disk loses the line, not the answer.
    pub(crate) fn write(&self, incoming: &Incoming, reply: &Reply, base: &str, entry: &Entry) {
        let headers = |pairs: Vec<(&str, &str)>| {
            let object = pairs
                .into_iter()
                .map(|(name, value)| (name.to_ascii_lowercase(), json!(value)));
            Value::Object(object.collect::<Map<_, _>>())
        };
        let asked = incoming.headers.iter().map(|(name, value)| {
            let hidden = name.as_str() == "authorization";
            let value = if hidden {
                entry.auth
            } else {
                value.to_str().unwrap_or_default()
            };
            (name.as_str(), value)
        });
        let answered = reply
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let line = json!({
            "method": entry.method, "url": format!("{base}{}", incoming.target),
            "request_headers": headers(asked.collect()),
            "request_body": written_body(incoming),
            "status": entry.status, "response_headers": headers(answered.collect()),
            "response_body": String::from_utf8_lossy(&reply.body),
            "operation_id": entry.operation_id, "fault": entry.fault.is_some(),
            "challenge": entry.challenge,
        });
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = file.write_all(format!("{line}\n").as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_bounded_and_numbers_go_on() {
        let mut log = RequestLog::default();
        for _ in 0..=MAX_REQUESTS {
            log.add(Entry::default());
        }
        assert_eq!(log.entries.len(), MAX_REQUESTS);
        log.clear();
        assert_eq!(log.add(Entry::default()), MAX_REQUESTS as u64 + 2);
        assert_eq!(log.describe(MAX_REQUESTS as u64 + 1)["count"], 1);
        assert_eq!(log.describe(MAX_REQUESTS as u64 + 2)["count"], 0);
    }
}
