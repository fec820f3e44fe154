//! Faults to inject: which requests they hit, and what happens to those.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::errors::reason;
use crate::http::Incoming;

/// Faults waiting at most.
const MAX_FAULTS: usize = 1_000;

/// One fault as it is asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    /// Operation id, `oauthToken` and `oauthRevoke` among them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) operation: Option<String>,
    /// HTTP method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) method: Option<String>,
    /// Beginning of the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) path_prefix: Option<String>,
    /// Matching requests let pass first.
    #[serde(default)]
    pub(crate) skip: u64,
    /// Requests hit; 0 for every one.
    #[serde(default = "one")]
    pub(crate) count: u64,
    /// Also hit requests without `Authorization`, which are only after a challenge.
    #[serde(default)]
    pub(crate) unauthenticated: bool,
    pub(crate) action: Action,
}

fn one() -> u64 {
    1
}

/// What a fault does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Action {
    /// Answers this without doing anything; with `after_effect` the effect has come about.
    Answer {
        status: u16,
        #[serde(default)]
        after_effect: bool,
        /// Makes a body in Atlas's form.
        #[serde(default)]
        code: Option<String>,
        /// A JSON body instead.
        #[serde(default)]
        body: Option<Value>,
        /// A body that may be anything instead.
        #[serde(default)]
        text: Option<String>,
        #[serde(default)]
        headers: BTreeMap<String, String>,
    },
    /// Waits, then goes on as usual; with `after_effect` the effect comes first.
    Delay {
        seconds: f64,
        #[serde(default)]
        after_effect: bool,
    },
    /// Never answers; with `after_effect` the effect has come about.
    Hang {
        #[serde(default)]
        after_effect: bool,
    },
    /// Closes the connection before any effect.
    Close,
    /// Does what was asked, then closes the connection without an answer.
    LoseAnswer,
    /// Does what was asked, answers with JSON that is broken.
    MalformedJson,
    /// Does what was asked, announces the whole body, sends half of it and closes.
    CutJson,
    /// Does what was asked, answers with HTML.
    NotJson,
    /// Somebody else changes the encryption at rest of the project that the path names, then what was
    /// asked is done; with `after_effect` the other way round.
    OtherWriter {
        /// What the other one sends to `updateEncryptionAtRest`.
        body: Value,
        #[serde(default)]
        after_effect: bool,
    },
    /// Does what was asked, leaves a part of the answer out.
    Withhold {
        /// JSON pointer to the part, such as `/results/0`.
        pointer: String,
    },
}

/// A fault and how often it met a request.
#[derive(Debug, Clone)]
struct Entry {
    id: u64,
    fault: Fault,
    matched: u64,
    applied: u64,
}

/// The faults in force, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    entries: Vec<Entry>,
    last_id: u64,
}

impl Faults {
    /// Adds a fault and gives its id.
    pub(crate) fn add(&mut self, fault: Fault) -> Result<u64, String> {
        if self.entries.len() >= MAX_FAULTS {
            return Err(format!(
                "there are {MAX_FAULTS} faults; DELETE /faults first"
            ));
        }
        if let Action::Delay { seconds, .. } = fault.action
            && !(0.0..=86_400.0).contains(&seconds)
        {
            return Err("action.seconds must be between 0 and 86400".to_owned());
        }
        if let Action::Answer { status, .. } = fault.action
            && !(200..=599).contains(&status)
        {
            return Err("action.status must be between 200 and 599".to_owned());
        }
        self.last_id += 1;
        self.entries.push(Entry {
            id: self.last_id,
            fault,
            matched: 0,
            applied: 0,
        });
        Ok(self.last_id)
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }

    /// The fault that hits this request, if any; the first one that matches counts.
    pub(crate) fn take(
        &mut self,
        incoming: &Incoming,
        operation: Option<&str>,
    ) -> Option<(u64, Action)> {
        if self.entries.is_empty() {
            return None;
        }
        for entry in &mut self.entries {
            if !entry.fault.matches(incoming, operation) {
                continue;
            }
            entry.matched += 1;
            let spent = entry.fault.count != 0 && entry.applied >= entry.fault.count;
            if entry.matched > entry.fault.skip && !spent {
                entry.applied += 1;
                return Some((entry.id, entry.fault.action.clone()));
            }
        }
        None
    }

    /// All faults, with their counts.
    pub(crate) fn describe(&self) -> Value {
        let entries = self.entries.iter().map(|entry| {
            json!({
                "id": entry.id, "fault": entry.fault,
                "matched": entry.matched, "applied": entry.applied,
            })
        });
        json!({"faults": entries.collect::<Vec<Value>>()})
    }
}

impl Fault {
    fn matches(&self, incoming: &Incoming, operation: Option<&str>) -> bool {
        let operation = self
            .operation
            .as_deref()
            .is_none_or(|wanted| Some(wanted) == operation);
        let method = self
            .method
            .as_deref()
            .is_none_or(|wanted| wanted.eq_ignore_ascii_case(incoming.method.as_str()));
        let path = self
            .path_prefix
            .as_deref()
            .is_none_or(|prefix| incoming.path().starts_with(prefix));
        let signed = self.unauthenticated || incoming.headers.contains_key("authorization");
        operation && method && path && signed
    }
}

/// Body in Atlas's form for a fault that names only status and code.
pub(crate) fn error_body(status: u16, code: &str) -> Value {
    json!({
        "error": status, "errorCode": code, "reason": reason(status),
        "detail": "A fault was injected.", "parameters": [],
    })
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use axum::body::Bytes;
    use axum::http::{HeaderMap, HeaderValue, Method};

    use super::*;

    fn request(signed: bool) -> Incoming {
        let mut headers = HeaderMap::new();
        if signed {
            headers.insert("authorization", HeaderValue::from_static("Bearer x"));
        }
        Incoming {
            method: Method::POST,
            target: "/api/atlas/v2/orgs?x=1".to_owned(),
            headers,
            body: Bytes::new(),
            socket: IpAddr::V4(Ipv4Addr::LOCALHOST),
        }
    }

    fn faults(text: &str) -> Faults {
        let mut faults = Faults::default();
        faults.add(serde_json::from_str(text).unwrap()).unwrap();
        faults
    }

    #[test]
    fn the_nth_matching_request_is_hit() {
        let mut faults =
            faults(r#"{"operation":"createOrg","skip":1,"count":1,"action":{"kind":"close"}}"#);
        let mut hit = |operation| faults.take(&request(true), Some(operation)).is_some();
        assert!(!hit("listOrgs"));
        assert!(!hit("createOrg"));
        assert!(hit("createOrg"));
        assert!(!hit("createOrg"));
    }

    #[test]
    fn unauthenticated_requests_pass_unless_asked_for() {
        let mut signed = faults(r#"{"path_prefix":"/api","count":0,"action":{"kind":"hang"}}"#);
        assert!(signed.take(&request(false), None).is_none());
        assert!(signed.take(&request(true), None).is_some());
        let mut all =
            faults(r#"{"method":"post","unauthenticated":true,"action":{"kind":"hang"}}"#);
        assert!(all.take(&request(false), None).is_some());
    }

    #[test]
    fn unknown_words_are_refused() {
        assert!(serde_json::from_str::<Fault>(r#"{"action":{"kind":"explode"}}"#).is_err());
        assert!(serde_json::from_str::<Fault>(r#"{"when":1,"action":{"kind":"close"}}"#).is_err());
    }
}
