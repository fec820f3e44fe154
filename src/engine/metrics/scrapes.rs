//! What is kept from one scrape to the next.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;

use crate::engine::Engine;
use crate::engine::encryption_at_rest::{self, Counts};
use crate::engine::error::EngineError;

/// How long the counts of encrypted projects are told again: they are read from storage, entry by entry, and
/// whoever may scrape must not have all of it read as often as it asks.
const COUNTS_ARE_GOOD_FOR: Duration = Duration::from_secs(10);

/// What is kept from one scrape of a mount to the next.
#[derive(Debug, Default)]
pub(crate) struct Scrapes {
    /// The last counts, and when they were read; monotonic. Locked while they are read, so that scrapes at
    /// the same time read them once.
    encryption: Mutex<Option<(Duration, Counts)>>,
    /// Whether the log was told that something is missing.
    is_missing_told: AtomicBool,
}

impl Scrapes {
    /// How the projects are whose key vaults are looked after.
    pub(super) async fn encryption_counts(&self, engine: &Engine) -> Result<Counts, EngineError> {
        let mut kept = self.encryption.lock().await;
        let now = engine.clock.monotonic();
        if let Some((read_at, counts)) = *kept
            && now.saturating_sub(read_at) < COUNTS_ARE_GOOD_FOR
        {
            return Ok(counts);
        }
        let counts = encryption_at_rest::counts(engine).await?;
        *kept = Some((now, counts));
        Ok(counts)
    }

    /// Says that a part is missing; once, until nothing is.
    pub(super) fn log_missing(&self, part: &str, error: &str) {
        if !self.is_missing_told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                part,
                error,
                "some metrics are left out, see mongodbatlas_scrape_complete"
            );
        }
    }

    /// Nothing is missing any more.
    pub(super) fn log_complete(&self) {
        self.is_missing_told.store(false, Ordering::Relaxed);
    }
}
