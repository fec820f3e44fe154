//! Answers of the plugin, read as strictly as a Go host does: what would make it fail or crash
//! fails the test that reads it, whatever that looks at.

use mongodbatlas::protocol::backend::pb::{HandleRequestReply, ProtoError, Response, Secret};
use serde_json::{Map, Value};

/// A kind of `ProtoError` from which on the host takes it for success.
const UNKNOWN_KINDS: u32 = 11;

/// An answer to a request.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// The data, `null` included; [`None`] without any response.
    pub(crate) data: Option<Value>,
    /// The lease.
    pub(crate) lease: Option<Lease>,
    /// What is shown beside the data.
    pub(crate) warnings: Vec<String>,
    /// What failed.
    pub(crate) failure: Option<Failure>,
}

/// A `ProtoError`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Its number.
    pub(crate) kind: u32,
    /// Its text.
    pub(crate) text: String,
    /// The HTTP status of a coded one.
    pub(crate) status: i64,
}

/// A lease as the host stores it.
#[derive(Clone)]
pub(crate) struct Lease {
    /// As it came.
    pub(crate) secret: Secret,
    /// Its internal data.
    pub(crate) internal: Map<String, Value>,
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Lease({:?})", self.internal)
    }
}

impl Lease {
    /// Nanoseconds until it ends, and until it must.
    pub(crate) fn times(&self) -> (i64, i64) {
        let options = self.secret.lease_options.as_ref();
        let options = options.expect("a lease has options");
        (options.ttl, options.max_ttl)
    }
}

/// A JSON object or `null`, or the host fails.
fn object(text: &str) -> Value {
    let value: Value = serde_json::from_str(text).expect("JSON");
    assert!(value.is_object() || value.is_null(), "{value}");
    value
}

impl Answer {
    /// Reads an answer.
    pub(crate) fn read(reply: HandleRequestReply) -> Self {
        let mut answer = Self {
            data: None,
            lease: None,
            warnings: Vec::new(),
            failure: reply.err.map(failure),
        };
        if let Some(response) = reply.response {
            answer.take(response);
        }
        answer
    }

    fn take(&mut self, response: Response) {
        assert!(response.auth.is_none(), "a host answers auth with 500");
        assert!(response.wrap_info.is_none() && response.redirect.is_empty());
        let data = object(&response.data);
        let error = data.get("error");
        assert!(
            error.is_none_or(Value::is_string),
            "a host crashes on {error:?}"
        );
        self.data = Some(data);
        self.warnings = response.warnings;
        self.lease = response.secret.map(|secret| {
            if let Some(options) = &secret.lease_options {
                assert!(options.issue_time.is_some(), "a host fails without one");
                assert!(options.ttl >= 0 && options.max_ttl >= 0);
            }
            let internal = object(&secret.internal_data).as_object().cloned();
            let internal = internal.unwrap_or_default();
            Lease { secret, internal }
        });
    }

    /// The data of a success.
    #[track_caller]
    pub(crate) fn data(&self) -> &Value {
        assert!(self.is_success(), "{self:?}");
        self.data.as_ref().expect("a response")
    }

    /// Whether it tells of neither a refusal nor a failure.
    pub(crate) fn is_success(&self) -> bool {
        let error = self.data.as_ref().and_then(|data| data.get("error"));
        self.failure.is_none() && error.is_none()
    }

    /// Whether there is no response and no failure: 404 on a read, 204 on a write.
    pub(crate) fn is_nothing(&self) -> bool {
        self.failure.is_none() && self.data.is_none()
    }

    /// The text of a refusal, HTTP 400.
    #[track_caller]
    pub(crate) fn refusal(&self) -> &str {
        assert!(self.failure.is_none(), "{self:?}");
        let data = self.data.as_ref().and_then(Value::as_object);
        let data = data.expect("a response");
        assert_eq!(data.len(), 1, "a host takes this for an ordinary answer");
        data["error"].as_str().expect("a refusal")
    }

    /// The failure.
    #[track_caller]
    pub(crate) fn failure(&self) -> &Failure {
        assert!(self.data.is_none(), "{self:?}");
        match &self.failure {
            Some(failure) => failure,
            None => panic!("no failure in {self:?}"),
        }
    }

    /// The lease of a success.
    #[track_caller]
    pub(crate) fn lease(&self) -> Lease {
        assert!(self.is_success(), "{self:?}");
        self.lease.clone().expect("a lease")
    }
}

/// Reads a `ProtoError`.
pub(crate) fn failure(error: ProtoError) -> Failure {
    assert!(error.err_type < UNKNOWN_KINDS, "the host takes it for none");
    Failure {
        kind: error.err_type,
        text: error.err_msg,
        status: error.err_code,
    }
}
