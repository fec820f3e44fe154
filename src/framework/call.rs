//! What handlers are given, and how handlers of any shape of error are kept.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::field::Fields;
use crate::vault::{Caller, Failure, Operation, Response, Secret};

/// A request to a path, its fields decoded.
///
/// `Debug` shows no value of a field.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// What is asked; one of the operations that the handler is registered for.
    pub operation: Operation,
    /// The path as it was asked, relative to the mount.
    pub path: String,
    /// The fields given by body and path.
    pub fields: Fields,
    /// Who waits for the answer, and until when.
    pub caller: Caller,
    /// Where the mount is, with a trailing `/`.
    pub mount_point: String,
    /// Display name of the caller's token.
    pub display_name: String,
    /// The caller's identity entity; empty for tokens without one.
    pub entity_id: String,
    /// The other end of the caller's connection, as the host saw it; empty if it did not.
    pub remote_address: String,
}

/// A lease to be renewed or revoked.
///
/// `Debug` does not show the internal data.
#[derive(Clone)]
pub(crate) struct LeaseCall {
    /// The lease; its `internal_data` is all that may be relied on.
    pub secret: Secret,
    /// The path that made the lease.
    pub path: String,
    /// Who waits for the answer, and until when.
    pub caller: Caller,
}

impl fmt::Debug for LeaseCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeaseCall")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl LeaseCall {
    /// The text under a key of the internal data.
    #[must_use]
    pub(crate) fn internal_text(&self, key: &str) -> Option<&str> {
        self.secret.internal_data.get(key)?.as_str()
    }

    /// The answer that extends the lease: `ttl` from now, if the user asked for no other length,
    /// and at most `max_ttl` from the first issue. Zero means the mount's.
    ///
    /// Without data: the host would show it, secrets included, to whoever may renew the lease. The
    /// internal data goes back as it came, as the host replaces what it holds by the answer: from
    /// then on its stored data is empty, and the internal data is all there is to revoke by.
    #[must_use]
    pub(crate) fn renewed(self, ttl: Duration, max_ttl: Duration) -> Response {
        Response {
            data: None,
            secret: Some(Secret {
                ttl,
                max_ttl,
                ..self.secret
            }),
            warnings: Vec::new(),
        }
    }
}

/// A handler as the tables keep it.
pub(super) type Handler<E, A, T> =
    Arc<dyn Fn(Arc<E>, A) -> BoxFuture<'static, Result<T, Failure>> + Send + Sync>;

/// Keeps an async function, whatever its type of error.
pub(super) fn handler<E, A, T, X, Work>(
    function: impl Fn(Arc<E>, A) -> Work + Send + Sync + 'static,
) -> Handler<E, A, T>
where
    Work: Future<Output = Result<T, X>> + Send + 'static,
    X: Into<Failure>,
{
    Arc::new(move |engine, argument| {
        let work = function(engine, argument);
        Box::pin(async move { work.await.map_err(Into::into) })
    })
}
