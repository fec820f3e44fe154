//! The mount's storage as the host offers it.

use async_trait::async_trait;

/// One stored value. The key is relative to the mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StorageEntry {
    /// Relative to the mount, no leading `/`.
    pub key: String,
    /// By convention JSON.
    pub value: Vec<u8>,
    /// Asks for a second encryption where the host's seal supports it.
    pub seal_wrap: bool,
}

/// Why storage did not do as asked.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum StorageError {
    /// Storage said no; the text is the host's own and must reach the host unchanged.
    #[error("{0}")]
    Refused(String),
    /// The host could not be asked, or did not answer in time.
    #[error("no answer from the server's storage to {operation} of {key:?}: {reason}")]
    NoAnswer {
        /// What was asked.
        operation: &'static str,
        /// The key or prefix in question.
        key: String,
        /// What went wrong.
        reason: String,
    },
}

impl StorageError {
    /// What a node says that may not write: the host then sends the request to one that may.
    #[must_use]
    pub(crate) fn read_only() -> Self {
        Self::Refused(super::failure::READ_ONLY_TEXT.to_owned())
    }
}

/// Storage of one mount. There is no compare-and-set, no lock across nodes and, on Vault, no
/// transaction: order single writes so that each prefix of them is a consistent state.
#[async_trait]
pub(crate) trait Storage: Send + Sync {
    /// The value of a key; [`None`] if there is none.
    async fn get(&self, key: &str) -> Result<Option<StorageEntry>, StorageError>;
    /// Writes a value.
    async fn put(&self, entry: StorageEntry) -> Result<(), StorageError>;
    /// Removes a key; one that is not there is fine.
    async fn delete(&self, key: &str) -> Result<(), StorageError>;
    /// The immediate children of a prefix that ends in `/` or is empty, sorted; folders end in `/`.
    async fn list(&self, prefix: &str) -> Result<Vec<String>, StorageError>;
    /// At most `limit` children that sort after `after`, which need not exist.
    async fn list_page(
        &self,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<String>, StorageError>;
}

/// A page of a whole listing, for hosts that cannot page.
#[must_use]
pub(crate) fn page_of(mut keys: Vec<String>, after: &str, limit: usize) -> Vec<String> {
    keys.sort_unstable();
    keys.retain(|key| key.as_str() > after);
    keys.truncate(limit);
    keys
}
