//! The periodic function: what the host has this node do about every minute, where it may act for the mount.
//!
//! There are no loops of our own: the host's calls come on the right node alone, begin anew after a
//! crash, and end with the mount. Each work bounds its own time, so that all fit into the 90 s that
//! the host waits; the framework's walk of the write-ahead log comes after.

use std::sync::Arc;

use super::error::EngineError;
use super::{Engine, config, credentials, encryption_at_rest, journal, static_roles, unasked};

/// Does what is due. One part's failure, or waiting for Atlas, does not keep the others.
pub(crate) async fn tick(engine: Arc<Engine>) -> Result<(), EngineError> {
    unasked::watch(&engine).await;
    let migrations = encryption_at_rest::run_migrations(&engine).await;
    let (journal, kept, root, roles, vaults) = tokio::join!(
        journal::tick(&engine),
        credentials::reconcile(&engine),
        config::run_due(&engine),
        static_roles::run_due(&engine),
        encryption_at_rest::tick(&engine)
    );
    let logged = journal::log_drain(&engine).await;
    journal
        .and(kept)
        .and(root)
        .and(roles)
        .and(vaults)
        .and(migrations)
        .and(logged)
}
