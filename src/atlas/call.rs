//! One call to Atlas before it is sent: what is asked, how it is counted, how long it may take.

use std::time::Duration;

use http::{HeaderValue, Method};
use serde_json::Value;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::endpoints::{BucketKey, EndpointSet, Scope};
use super::hidden::Hidden;
use super::limiter::Priority;
use super::retry::Repeat;
use super::success::Success;

/// How long a caller waits, and how urgent it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestBudget {
    /// When the caller gives up: waiting, retries and answers all end by then.
    pub deadline: Instant,
    /// Who goes first when requests have to wait.
    pub priority: Priority,
}

impl RequestBudget {
    /// Waits for `duration` from now.
    #[must_use]
    pub(crate) fn within(duration: Duration, priority: Priority) -> Self {
        let now = Instant::now();
        // A duration that leaves the calendar counts as a day.
        let deadline = now.checked_add(duration);
        let deadline = deadline.unwrap_or_else(|| now + Duration::from_hours(24));
        Self { deadline, priority }
    }

    /// The time left.
    pub(super) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// The media types of a call and how it signs in.
#[derive(Debug, Clone)]
pub(super) enum Manner {
    /// JSON in Atlas's versioned media type, signed with the client's credential.
    Resource,
    /// A form sent to the token endpoint with this `Authorization`.
    Token(HeaderValue),
}

/// A call that can be sent any number of times.
#[derive(Debug)]
pub(super) struct Call {
    /// The API's name of the operation.
    pub(super) operation: &'static str,
    pub(super) method: Method,
    /// Path and query, percent-encoded.
    pub(super) target: String,
    /// Wiped when dropped: it may hold a token.
    pub(super) content: Option<Zeroizing<Vec<u8>>>,
    /// What it carries that no error may tell.
    pub(super) hidden: Hidden,
    pub(super) bucket: BucketKey,
    pub(super) repeat: Repeat,
    pub(super) manner: Manner,
    /// Which answers mean that it was done.
    pub(super) success: Success,
    /// How long one request may take at the least, whatever is set for requests in general.
    pub(super) patience: Duration,
    /// How long it may wait for its turn; [`None`]: as long as its caller.
    pub(super) longest_wait: Option<Duration>,
}

const RESOURCES: &str = "/api/atlas/v2";

impl Call {
    fn new(
        operation: &'static str,
        method: Method,
        path: &str,
        set: EndpointSet,
        scope: Scope,
        success: Success,
    ) -> Self {
        Self {
            operation,
            method,
            target: format!("{RESOURCES}{path}"),
            content: None,
            hidden: Hidden::NOTHING,
            bucket: BucketKey { set, scope },
            repeat: Repeat::Safe,
            manner: Manner::Resource,
            success,
            patience: Duration::ZERO,
            longest_wait: None,
        }
    }

    /// Reads.
    pub(super) fn get(
        operation: &'static str,
        path: &str,
        set: EndpointSet,
        scope: impl Into<Scope>,
    ) -> Self {
        Self::new(operation, Method::GET, path, set, scope.into(), Success::OK)
    }

    /// Removes; removing what is gone does no harm.
    pub(super) fn delete(
        operation: &'static str,
        path: &str,
        set: EndpointSet,
        scope: impl Into<Scope>,
    ) -> Self {
        let scope = scope.into();
        let success = Success::REMOVED;
        Self::new(operation, Method::DELETE, path, set, scope, success)
    }

    /// Sends something new; a second one would make a second thing. Success is 201 unless
    /// [`Call::answered`] says otherwise.
    pub(super) fn create(
        operation: &'static str,
        path: &str,
        set: EndpointSet,
        scope: impl Into<Scope>,
        content: &Value,
    ) -> Self {
        let content = Zeroizing::new(content.to_string().into_bytes());
        Self::create_of(operation, path, set, scope, content, Hidden::NOTHING)
    }

    /// The same of content that is JSON already, and may hold a secret: `hidden` names it.
    pub(super) fn create_of(
        operation: &'static str,
        path: &str,
        set: EndpointSet,
        scope: impl Into<Scope>,
        content: Zeroizing<Vec<u8>>,
        hidden: Hidden,
    ) -> Self {
        Self {
            content: Some(content),
            hidden,
            repeat: Repeat::Unsafe,
            ..Self::new(
                operation,
                Method::POST,
                path,
                set,
                scope.into(),
                Success::CREATED,
            )
        }
    }

    /// Sets values; setting them twice does no harm.
    pub(super) fn patch(
        operation: &'static str,
        path: &str,
        set: EndpointSet,
        scope: impl Into<Scope>,
        content: &Value,
    ) -> Self {
        let method = Method::PATCH;
        Self {
            method,
            ..Self::create(operation, path, set, scope, content)
                .answered(Success::OK)
                .repeatable()
        }
    }

    /// Sets values, but not again unless the first request certainly had no effect. `content` is JSON, and
    /// may hold what `hidden` names.
    pub(super) fn patch_once(
        operation: &'static str,
        path: &str,
        set: EndpointSet,
        scope: impl Into<Scope>,
        content: Zeroizing<Vec<u8>>,
        hidden: Hidden,
    ) -> Self {
        let method = Method::PATCH;
        Self {
            content: Some(content),
            hidden,
            repeat: Repeat::Unsafe,
            ..Self::new(operation, method, path, set, scope.into(), Success::OK)
        }
    }

    /// Lets one request take this long at the least.
    pub(super) fn patient(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Lets it wait no longer than this for its turn.
    pub(super) fn waiting(self, longest_wait: Duration) -> Self {
        let longest_wait = Some(longest_wait);
        Self {
            longest_wait,
            ..self
        }
    }

    /// Names the answers that mean success.
    pub(super) fn answered(self, success: Success) -> Self {
        Self { success, ..self }
    }

    /// Declares that sending it twice has the effect of sending it once.
    pub(super) fn repeatable(self) -> Self {
        Self {
            repeat: Repeat::Safe,
            ..self
        }
    }

    /// A form for the token endpoint and what no error may tell of the request; neither minting nor revoking
    /// harms when done twice.
    pub(super) fn token(
        operation: &'static str,
        target: &str,
        bucket: BucketKey,
        authorization: HeaderValue,
        (form, hidden): (Zeroizing<Vec<u8>>, Hidden),
        success: Success,
    ) -> Self {
        Self {
            target: target.to_owned(),
            content: Some(form),
            hidden,
            manner: Manner::Token(authorization),
            ..Self::new(
                operation,
                Method::POST,
                "",
                bucket.set,
                bucket.scope,
                success,
            )
        }
    }
}
