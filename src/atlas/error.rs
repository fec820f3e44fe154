//! What a call to Atlas can end in, and what follows from it for the caller.
//!
//! Decisions are taken from Atlas's error codes and the kind of failure, never from a text. No error
//! holds a request body, a credential or more of an answer than its code and detail.

use std::time::Duration;

use crate::base::Counted;

use super::access_list::AccessEntry;
use super::oauth::MINT_TOKEN;
use super::rights::{self, Lack};

/// Where an answer comes from that is not of Atlas's shape.
pub(super) const NOT_FROM_ATLAS: &str = "a proxy or gateway in between may have given it";

/// A cause of any kind.
pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How a call to Atlas failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AtlasError {
    /// Atlas answered that it does not do this. Nothing was changed.
    #[error("Atlas refused {operation} (HTTP {status}){}", said(code, detail))]
    Refused {
        /// The API's name of the operation.
        operation: &'static str,
        /// The HTTP status, 4xx and never 429.
        status: u16,
        /// Atlas's error code, never empty.
        code: String,
        /// Atlas's explanation, cut and on one line; may be empty.
        detail: String,
    },
    /// The credential the call signed in with is unknown, expired or wrong.
    #[error("Atlas rejected the credential at {operation}{}", said(code, detail))]
    Unauthenticated {
        /// The API's name of the operation.
        operation: &'static str,
        /// Atlas's error code; may be empty.
        code: String,
        /// Atlas's explanation; may be empty.
        detail: String,
    },
    /// Too many requests, and the caller does not wait as long as is needed. Nothing was changed.
    #[error(
        "Atlas rate limit reached; retry {operation} in {} s",
        retry_after.as_secs().saturating_add(1)
    )]
    RateLimited {
        /// The API's name of the operation.
        operation: &'static str,
        /// When to come back.
        retry_after: Duration,
        /// Atlas answered so. Else this client knows it, and nothing was sent.
        answered: bool,
    },
    /// Atlas failed on its own side. Whether it changed anything is unknown.
    #[error(
        "Atlas failed at {operation} (HTTP {status}, {}){}",
        Counted(*attempts, "attempt"),
        said(code, detail)
    )]
    ServerFault {
        /// The API's name of the operation.
        operation: &'static str,
        /// The HTTP status, 500 or more.
        status: u16,
        /// Atlas's error code; often empty.
        code: String,
        /// Atlas's explanation; often empty.
        detail: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// No whole answer came. `source` tells whether Atlas may have seen the request.
    #[error(
        "no answer from Atlas to {operation} in {}",
        Counted(*attempts, "attempt")
    )]
    NoAnswer {
        /// The API's name of the operation.
        operation: &'static str,
        /// How often it was tried.
        attempts: u32,
        /// Why the last attempt failed.
        source: TransportFault,
    },
    /// The answer is none that Atlas's description names for the operation, or an error that is not of
    /// Atlas's shape. Whether Atlas was asked at all, and what it did, is unknown.
    #[error("the answer to {operation} (HTTP {status}) is not of Atlas's shape: {NOT_FROM_ATLAS}")]
    UnexpectedAnswer {
        /// The API's name of the operation.
        operation: &'static str,
        /// The HTTP status, neither 429 nor 5xx.
        status: u16,
        /// What is wrong with it.
        source: AnswerFault,
    },
    /// Atlas did it, but its answer cannot be read, or does not show what was asked for.
    #[error("Atlas's answer to {operation} cannot be used")]
    MalformedAnswer {
        /// The API's name of the operation.
        operation: &'static str,
        /// What is wrong with it.
        source: AnswerFault,
    },
}

/// Why no whole answer came.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransportFault {
    /// The caller's deadline had passed before anything was sent.
    #[error("no time was left to send the request")]
    NoTimeLeft,
    /// Nobody waited any more before anything was sent.
    #[error("the request was not sent: its caller went away, or the mount is ending; try again")]
    GivenUp,
    /// No connection could be made: name, network, TLS. Nothing was sent.
    #[error("cannot connect")]
    Connect(#[source] BoxError),
    /// The time for the request was over.
    #[error("timed out without a complete answer after {} s", after.as_secs_f32())]
    Timeout {
        /// How long was waited.
        after: Duration,
    },
    /// The connection broke after the request was (perhaps in part) sent.
    #[error("the connection broke")]
    Broken(#[source] BoxError),
    /// The answer is longer than any that Atlas gives.
    #[error("the answer is longer than {max_bytes} bytes")]
    TooLong {
        /// The limit.
        max_bytes: usize,
    },
}

/// Why a complete answer cannot be used. The values in it are not repeated: they may be secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AnswerFault {
    /// A 2xx status that the operation does not have.
    #[error("this HTTP status does not mean success for this operation")]
    Status,
    /// Not in the media type that Atlas names.
    #[error("its body is not in Atlas's media type")]
    MediaType,
    /// A body where Atlas sends none.
    #[error("it has a body where Atlas sends none")]
    NotEmpty,
    /// A refusal without Atlas's `error` and `errorCode`.
    #[error("it has no error and errorCode fields as Atlas's errors have")]
    NoErrorCode,
    /// A redirect; none is followed.
    #[error("a redirect, which is not followed; check base_url")]
    Redirect,
    /// The answer is about something else than what was asked for.
    #[error("it is about something else than what was asked for")]
    Mismatch,
    /// A role that was asked for is not shown.
    #[error("it does not show the role {role}")]
    RoleMissing {
        /// The role.
        role: String,
    },
    /// An entry of an access list that was asked for is not shown.
    #[error("the access list in it lacks {entry}")]
    EntryMissing {
        /// The entry.
        entry: AccessEntry,
    },
    /// An AI model API key that may be used elsewhere than was asked for.
    #[error(
        "the key in it is for cloud {cloud} and geography {geography}, which was not asked for"
    )]
    OtherScope {
        /// As Atlas shows it.
        cloud: String,
        /// As Atlas shows it.
        geography: String,
    },
    /// Not JSON, or not of the documented shape.
    #[error("not the JSON that was expected, at line {line}, column {column}")]
    Json {
        /// Where reading stopped.
        line: usize,
        /// Where reading stopped.
        column: usize,
    },
    /// A part is missing without which the answer is of no use.
    #[error("{field} is missing")]
    Missing {
        /// The API's name of the part.
        field: &'static str,
    },
    /// A page without anything on it that links another one: whether the list is complete is not known.
    #[error("an empty page that links a next one")]
    EmptyPage,
    /// A list that does not end.
    #[error("more than {max_pages} pages")]
    Endless {
        /// The limit.
        max_pages: u32,
    },
    /// A sign-in challenge of a kind this client does not know.
    #[error("no Digest challenge with MD5 and qop=auth")]
    Challenge,
}

impl From<serde_json::Error> for AnswerFault {
    fn from(error: serde_json::Error) -> Self {
        Self::Json {
            line: error.line(),
            column: error.column(),
        }
    }
}

fn said(code: &str, detail: &str) -> String {
    match (code, detail) {
        ("", "") => String::new(),
        ("", text) | (text, "") => format!(": {text}"),
        (code, detail) => format!(": {code}: {detail}"),
    }
}

impl TransportFault {
    /// Whether Atlas may have seen the request.
    #[must_use]
    pub(crate) fn maybe_sent(&self) -> bool {
        !matches!(self, Self::NoTimeLeft | Self::GivenUp | Self::Connect(_))
    }
}

impl AtlasError {
    /// What the credential lacks, where Atlas says that it is refused for its rights or its address.
    #[must_use]
    pub(crate) fn lack(&self) -> Option<Lack> {
        match self {
            Self::Refused {
                operation,
                status: 401 | 403,
                code,
                ..
            } => rights::lack(operation, code),
            _ => None,
        }
    }

    /// Whether a write may have taken effect all the same. Whoever made it must look.
    ///
    /// A failure to get an access token comes before the write and leaves nothing behind.
    #[must_use]
    pub(crate) fn outcome_unknown(&self) -> bool {
        self.operation() != MINT_TOKEN && self.may_have_taken_effect()
    }

    /// Whether Atlas may have done what this error's operation asks, be it minting a token.
    #[must_use]
    pub(crate) fn may_have_taken_effect(&self) -> bool {
        match self {
            Self::NoAnswer { source, .. } => source.maybe_sent(),
            Self::MalformedAnswer { source, .. } => !matches!(source, AnswerFault::Challenge),
            Self::ServerFault { .. } | Self::UnexpectedAnswer { .. } => true,
            Self::Refused { .. } | Self::Unauthenticated { .. } | Self::RateLimited { .. } => false,
        }
    }

    /// Whether this is what came of sending `operation`, and not of waiting for it, connecting or
    /// signing in.
    pub(super) fn is_answer_to(&self, operation: &str) -> bool {
        let refused = matches!(self, Self::Refused { .. } | Self::Unauthenticated { .. });
        self.operation() == operation && (refused || self.may_have_taken_effect())
    }

    /// The API's name of the operation.
    pub(super) fn operation(&self) -> &'static str {
        match self {
            Self::Refused { operation, .. }
            | Self::Unauthenticated { operation, .. }
            | Self::RateLimited { operation, .. }
            | Self::ServerFault { operation, .. }
            | Self::NoAnswer { operation, .. }
            | Self::UnexpectedAnswer { operation, .. }
            | Self::MalformedAnswer { operation, .. } => operation,
        }
    }

    /// Whether the credential itself was refused: unknown, expired, wrong, or not known yet.
    #[must_use]
    pub(crate) fn is_unauthenticated(&self) -> bool {
        matches!(self, Self::Unauthenticated { .. })
    }

    /// Atlas's error code, if it gave one.
    #[must_use]
    pub(crate) fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. }
            | Self::Unauthenticated { code, .. }
            | Self::ServerFault { code, .. } => Some(code.as_str()).filter(|code| !code.is_empty()),
            Self::RateLimited { .. }
            | Self::NoAnswer { .. }
            | Self::UnexpectedAnswer { .. }
            | Self::MalformedAnswer { .. } => None,
        }
    }

    /// Whether Atlas says that the API key does not exist.
    ///
    /// Told by the code `API_KEY_NOT_FOUND` alone, which Atlas sends with status 400 as well as 404.
    /// A bare 404 may as well be a wrong path or an unknown organization.
    #[must_use]
    pub(crate) fn says_api_key_is_gone(&self) -> bool {
        matches!(self, Self::Refused { status: 400 | 404, code, .. } if code == "API_KEY_NOT_FOUND")
    }

    /// Whether Atlas refused because somebody else changes the same account right now. Nothing was
    /// changed.
    #[must_use]
    pub(crate) fn says_changed_meanwhile(&self) -> bool {
        matches!(self, Self::Refused { status: 409, code, .. } if code == "DATA_CONCURRENCY_ERROR")
    }

    /// Whether Atlas refused a create because of its name. Nothing was made.
    ///
    /// Source: Atlas API, `createDatabaseUser`, which declares 409 and no code; Atlas documentation, "Atlas
    /// Administration API Error Codes".
    #[must_use]
    pub(crate) fn says_name_taken(&self) -> bool {
        matches!(self, Self::Refused { status: 409, code, .. }
            if code.contains("ALREADY_EXISTS") || code.contains("DUPLICATE"))
    }

    /// Whether the project has as many database users as it may have; it is no missing right, though the
    /// status is that of one. Source: Atlas documentation, "Atlas Administration API Error Codes".
    #[must_use]
    pub(crate) fn says_too_many_users(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if code == "GROUP_USERS_LIMIT_EXCEEDED")
    }

    /// Whether Atlas says that the project does not exist.
    #[must_use]
    pub(crate) fn says_project_is_gone(&self) -> bool {
        matches!(self, Self::Refused { code, .. }
            if matches!(code.as_str(), "GROUP_NOT_FOUND" | "INVALID_GROUP_ID"))
    }

    /// Whether Atlas refused because of the address the call came from. A new credential's access
    /// list may take effect a little later than the credential itself.
    #[must_use]
    pub(crate) fn says_address_is_not_listed(&self) -> bool {
        matches!(self, Self::Refused { status: 403, code, .. }
            if code.contains("ACCESS_LIST") || code.contains("WHITELIST"))
    }

    /// Whether the credential may not do what was asked for.
    #[must_use]
    pub(crate) fn says_forbidden(&self) -> bool {
        matches!(
            self,
            Self::Refused {
                status: 401 | 403,
                ..
            }
        )
    }

    /// Whether Atlas may mean that it does not know what was asked for, where no code is documented: a 404 or,
    /// as is recorded of API keys, a 400, unless it says that of the project. It proves nothing, and leads
    /// to a look at what is there.
    #[must_use]
    pub(crate) fn may_say_unknown(&self) -> bool {
        matches!(
            self,
            Self::Refused {
                status: 400 | 404,
                ..
            }
        ) && !self.says_project_is_gone()
    }

    /// Whether Atlas says that it does not know what was asked for: a 404 with a code of Atlas, unless
    /// the code names the organization or the project (group).
    ///
    /// The codes for an unknown service account and an unknown secret are not documented, so this
    /// alone does not prove that one is gone: see [`Presence`](super::Presence).
    #[must_use]
    pub(crate) fn says_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: 404, code, .. }
            if !code.split('_').any(|word| matches!(word, "ORG" | "GROUP")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, code: &str) -> AtlasError {
        AtlasError::Refused {
            operation: "deleteOrgApiKey",
            status,
            code: code.to_owned(),
            detail: String::new(),
        }
    }

    #[test]
    fn an_api_key_is_gone_only_by_its_own_code() {
        assert!(refused(400, "API_KEY_NOT_FOUND").says_api_key_is_gone());
        assert!(refused(404, "API_KEY_NOT_FOUND").says_api_key_is_gone());
        assert!(!refused(403, "API_KEY_NOT_FOUND").says_api_key_is_gone());
        for other in ["ORG_NOT_FOUND", "RESOURCE_NOT_FOUND"] {
            assert!(!refused(404, other).says_api_key_is_gone(), "{other}");
        }
        assert!(!refused(400, "BAD_REQUEST").says_api_key_is_gone());
    }

    #[test]
    fn an_account_is_not_found_unless_the_code_names_its_parent() {
        assert!(refused(404, "RESOURCE_NOT_FOUND").says_not_found());
        assert!(refused(404, "SERVICE_ACCOUNT_NOT_FOUND").says_not_found());
        for parent in [
            "ORG_NOT_FOUND",
            "INVALID_ORG_ID",
            "GROUP_NOT_FOUND",
            "INVALID_GROUP_ID",
        ] {
            assert!(!refused(404, parent).says_not_found(), "{parent}");
        }
        assert!(!refused(400, "RESOURCE_NOT_FOUND").says_not_found());
    }

    #[test]
    fn only_what_may_have_reached_atlas_leaves_the_outcome_open() {
        let no_answer = |source| AtlasError::NoAnswer {
            operation: "createOrgApiKey",
            attempts: 1,
            source,
        };
        let after = Duration::from_secs(30);
        assert!(no_answer(TransportFault::Timeout { after }).outcome_unknown());
        assert!(!no_answer(TransportFault::Connect("refused".into())).outcome_unknown());
        assert!(!no_answer(TransportFault::NoTimeLeft).outcome_unknown());
        assert!(!refused(409, "DATA_CONCURRENCY_ERROR").outcome_unknown());
        let minting = AtlasError::NoAnswer {
            operation: MINT_TOKEN,
            attempts: 1,
            source: TransportFault::Timeout { after },
        };
        assert!(!minting.outcome_unknown());
        let cut = AtlasError::MalformedAnswer {
            operation: "createOrgApiKey",
            source: AnswerFault::Json { line: 1, column: 9 },
        };
        assert!(cut.outcome_unknown());
    }

    #[test]
    fn the_text_names_operation_status_code_and_detail() {
        let error = AtlasError::Refused {
            operation: "createOrgApiKey",
            status: 400,
            code: "MAX_API_KEYS_PER_ORG_EXCEEDED".to_owned(),
            detail: "No more than 500.".to_owned(),
        };
        assert_eq!(
            error.to_string(),
            "Atlas refused createOrgApiKey (HTTP 400): MAX_API_KEYS_PER_ORG_EXCEEDED: No more \
             than 500."
        );
        let foreign = AtlasError::UnexpectedAnswer {
            operation: "deleteOrgApiKey",
            status: 404,
            source: AnswerFault::NoErrorCode,
        };
        assert!(foreign.outcome_unknown());
        assert_eq!(foreign.code(), None);
        assert_eq!(
            foreign.to_string(),
            "the answer to deleteOrgApiKey (HTTP 404) is not of Atlas's shape: a proxy or gateway in \
             between may have given it"
        );
    }
}
