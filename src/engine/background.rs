//! What the host's tick, about every minute, makes this node do where it may act for the mount.
//!
//! There are no loops of our own: the host's tick comes on the right node alone, begins anew after a
//! crash, and ends with the mount. Each work bounds its own time, so that all fit into the 90 s that
//! the host waits; the framework's walk of the write-ahead log comes after.

use std::sync::Arc;

use super::error::EngineError;
use super::{Engine, creds, journal};

/// Does what is due; each part has its turn, whatever became of the one before.
pub(crate) async fn tick(engine: Arc<Engine>) -> Result<(), EngineError> {
    let swept = journal::tick(&engine).await;
    let tended = creds::tend(&engine).await;
    swept.and(tended)
}
