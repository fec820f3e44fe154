//! A request to a mount and its answer, in our own types.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The JSON object of a request's or an answer's data.
pub(crate) type Data = Map<String, Value>;

/// What is asked of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Operation {
    /// Write of an object that the existence check did not find.
    Create,
    /// Write of an object that is there, or of a path without existence check.
    Update,
    /// Read.
    Read,
    /// List of the immediate children; the path ends in `/`.
    List,
    /// Delete.
    Delete,
    /// JSON merge patch (RFC 7396).
    Patch,
    /// Help text and OpenAPI part.
    Help,
    /// Extension of a lease.
    Renew,
    /// End of a lease.
    Revoke,
    /// The periodic function: write-ahead log and periodic work.
    Rollback,
    /// `OpenBao` only: which canonical path access control shall judge.
    ResolvePath,
    /// A word this engine does not serve (`scan`, `header`, `alias-lookahead`, …).
    Unsupported,
}

impl Operation {
    /// The operation of the protocol's word; words we do not serve are [`Operation::Unsupported`].
    #[must_use]
    pub(crate) fn from_word(word: &str) -> Self {
        match word {
            "create" => Self::Create,
            "update" => Self::Update,
            "read" => Self::Read,
            "list" => Self::List,
            "delete" => Self::Delete,
            "patch" => Self::Patch,
            "help" => Self::Help,
            "renew" => Self::Renew,
            "revoke" => Self::Revoke,
            "rollback" => Self::Rollback,
            "resolve-path" => Self::ResolvePath,
            _ => Self::Unsupported,
        }
    }

    /// The protocol's word.
    #[must_use]
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Read => "read",
            Self::List => "list",
            Self::Delete => "delete",
            Self::Patch => "patch",
            Self::Help => "help",
            Self::Renew => "renew",
            Self::Revoke => "revoke",
            Self::Rollback => "rollback",
            Self::ResolvePath => "resolve-path",
            Self::Unsupported => "unsupported",
        }
    }
}

/// One request to one mount.
///
/// `Debug` shows neither `data` nor `secret`: both may hold what must not be logged.
#[derive(Clone)]
pub(crate) struct Request {
    /// What is asked.
    pub operation: Operation,
    /// Relative to the mount, no leading `/`; empty for the mount itself.
    pub path: String,
    /// Body or query parameters; `null` and nothing arrive as an empty object.
    pub data: Data,
    /// The lease in question, on renew and revoke.
    pub secret: Option<Secret>,
    /// Where the mount is, with a trailing `/`.
    pub mount_point: String,
    /// How the caller's token is shown to people, such as `token` or `approle`.
    pub display_name: String,
    /// The caller's identity entity; empty for tokens without one.
    pub entity_id: String,
    /// The other end of the caller's connection, as the host saw it; empty if it did not.
    pub remote_address: String,
    /// Who waits for the answer, and until when.
    pub caller: Caller,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("operation", &self.operation)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// The one who waits for an answer.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// After this moment nobody waits any more.
    pub deadline: Instant,
    /// Cancelled when the caller gave up before the answer was ready.
    pub gone: CancellationToken,
}

impl Caller {
    /// A caller who waits for `budget` from now.
    #[cfg(test)]
    pub(crate) fn waiting(budget: Duration) -> Self {
        Self {
            deadline: Instant::now() + budget,
            gone: CancellationToken::new(),
        }
    }
}

/// An answer. [`None`] in its place is Vault's "nothing": 404 on read and list, 204 on a write.
#[derive(Clone, Default)]
pub(crate) struct Response {
    /// The answer's data; [`None`] goes out as `null`.
    pub data: Option<Data>,
    /// Makes the answer a lease.
    pub secret: Option<Secret>,
    /// Shown to the user beside the data.
    pub warnings: Vec<String>,
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("warnings", &self.warnings)
            .finish_non_exhaustive()
    }
}

impl Response {
    /// An answer of data alone.
    #[must_use]
    pub(crate) fn data(data: Data) -> Self {
        Self {
            data: Some(data),
            ..Self::default()
        }
    }
}

/// A lease as the host keeps it: what renew and revoke need, and how long it runs.
#[derive(Clone, Default)]
pub(crate) struct Secret {
    /// Never shown to users; everything that renew and revoke need.
    pub internal_data: Data,
    /// The lease's length from now; zero means the mount's default.
    pub ttl: Duration,
    /// The most that renewals may add up to, from the first issue; zero means the mount's maximum.
    pub max_ttl: Duration,
    /// Whether the host may ask for renewal.
    pub renewable: bool,
    /// On renew: the extension the user asked for; zero if none.
    pub increment: Duration,
    /// On renew and revoke: when the lease was first issued.
    pub issue_time: Option<DateTime<Utc>>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret")
            .field("ttl", &self.ttl)
            .field("max_ttl", &self.max_ttl)
            .field("renewable", &self.renewable)
            .finish_non_exhaustive()
    }
}
