//! What the host tells about itself and the mount.

use std::time::Duration;

use async_trait::async_trait;

use crate::base::Sensitive;

/// Why the host did not tell.
#[derive(Debug, Clone, thiserror::Error)]
#[error("no answer from the server to {question}: {reason}")]
pub(crate) struct SystemViewError {
    /// What was asked.
    pub question: &'static str,
    /// What went wrong.
    pub reason: String,
    /// Whether the host answered that it cannot tell; else no answer came.
    pub refused: bool,
}

/// The node's place in replication. May change in a mount's life: ask at each decision.
/// Source: `consts.ReplicationState` of Vault's SDK.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Replication(pub i32);

impl Replication {
    const PERFORMANCE_SECONDARY: i32 = 64;
    const DR_SECONDARY: i32 = 512;
    const PERFORMANCE_STANDBY: i32 = 16_384;

    /// A standby that answers reads and forwards writes.
    #[must_use]
    pub(crate) fn is_standby(self) -> bool {
        self.0 & Self::PERFORMANCE_STANDBY != 0
    }

    /// A secondary cluster, whose replicated mounts are written on the primary.
    #[must_use]
    pub(crate) fn is_secondary(self) -> bool {
        self.0 & (Self::PERFORMANCE_SECONDARY | Self::DR_SECONDARY) != 0
    }
}

/// Questions to the host; each a call over a local socket, cheap but not free.
#[async_trait]
pub(crate) trait SystemView: Send + Sync {
    /// The lease length of this mount when nothing else is said.
    async fn default_lease_ttl(&self) -> Result<Duration, SystemViewError>;
    /// The longest a lease of this mount may live.
    async fn max_lease_ttl(&self) -> Result<Duration, SystemViewError>;
    /// Whether the mount is being disabled.
    async fn tainted(&self) -> Result<bool, SystemViewError>;
    /// The node's place in replication.
    async fn replication(&self) -> Result<Replication, SystemViewError>;
    /// Whether the mount is local to its cluster, that is, not replicated.
    async fn local_mount(&self) -> Result<bool, SystemViewError>;
    /// The server's version without `v`; empty if the host does not tell.
    async fn server_version(&self) -> Result<String, SystemViewError>;
    /// A new password as the policy of this name has it, at `sys/policies/password/`.
    async fn password_of(&self, policy: &str) -> Result<Sensitive, SystemViewError>;
}

/// Whether this node may write this mount's storage and act for it outside.
pub(crate) async fn may_act(system: &dyn SystemView) -> Result<bool, SystemViewError> {
    let replication = system.replication().await?;
    if replication.is_standby() {
        return Ok(false);
    }
    Ok(!replication.is_secondary() || system.local_mount().await?)
}
