//! Vault's kinds of error. The only code that knows their numbers is `wire`, next door.

use super::storage::StorageError;
use super::system_view::SystemViewError;

/// Why a request failed, in the kinds that the host tells apart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// The user's input or the mount's state is at fault: HTTP 400 with exactly this text.
    #[error("{0}")]
    BadRequest(String),
    /// An HTTP status of our choice.
    #[error("{text}")]
    Coded {
        /// The HTTP status.
        status: u16,
        /// What went wrong and what to do.
        text: String,
    },
    /// Something here or behind us failed: HTTP 500.
    #[error("{0}")]
    Internal(String),
    /// The host's own words, handed on unchanged: it matches some of them, such as the read-only
    /// text that makes a standby forward the request.
    #[error("{0}")]
    HostText(String),
    /// The path does not serve this operation: HTTP 405.
    #[error("unsupported operation")]
    UnsupportedOperation,
    /// No such path: HTTP 404.
    #[error("unsupported path")]
    UnsupportedPath,
}

/// The text by which a standby or secondary knows that the active node must answer.
/// Source: `logical.ErrReadOnly` of Vault's SDK.
pub(crate) const READ_ONLY_TEXT: &str = "cannot write to readonly storage";

impl Failure {
    /// The answer that makes a standby or secondary forward the whole request.
    #[must_use]
    pub(crate) fn read_only() -> Self {
        Self::HostText(READ_ONLY_TEXT.to_owned())
    }

    /// HTTP 400 with the error's own text and its causes.
    pub(crate) fn bad_request(error: &(dyn std::error::Error + 'static)) -> Self {
        Self::BadRequest(chain(error))
    }

    /// HTTP 500 with the error's own text and its causes.
    pub(crate) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        Self::Internal(chain(error))
    }

    /// The HTTP status of our choice with the error's own text and its causes.
    pub(crate) fn coded(status: u16, error: &(dyn std::error::Error + 'static)) -> Self {
        Self::Coded {
            status,
            text: chain(error),
        }
    }
}

/// An error and its causes in one line, each told once.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let told = error.to_string();
        if !text.contains(&told) {
            text.push_str(": ");
            text.push_str(&told);
        }
        cause = error.source();
    }
    text
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Refused(text) => Self::HostText(text),
            StorageError::NoAnswer { .. } => Self::internal(&error),
        }
    }
}

impl From<SystemViewError> for Failure {
    fn from(error: SystemViewError) -> Self {
        Self::internal(&error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("inner")]
    struct Inner;

    #[test]
    fn causes_are_joined_once() {
        assert_eq!(
            Failure::internal(&Outer(Inner)),
            Failure::Internal("outer: inner".to_owned())
        );
    }

    #[test]
    fn storage_texts_are_handed_on_unchanged() {
        let failure = Failure::from(StorageError::Refused(READ_ONLY_TEXT.to_owned()));
        assert_eq!(failure, Failure::read_only());
    }
}
