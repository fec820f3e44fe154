//! The server's log.
//!
//! The server logs what the plugin says once it has read it, which may be after it answered the
//! request: what has to be there is waited for, and only what must never be there is looked for once.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What a server logs when a mount has had its tick, once a minute.
pub(crate) const TICK: &str = "path=\"\" status=finished";

/// A few ticks and elections of a busy machine.
const BUDGET: Duration = Duration::from_mins(6);

/// The file that one server logs to.
pub(crate) struct Log(PathBuf);

impl Log {
    pub(crate) fn in_file(file: PathBuf) -> Self {
        Self(file)
    }

    pub(crate) fn file(&self) -> &Path {
        &self.0
    }

    /// What is logged by now.
    pub(crate) fn text(&self) -> String {
        std::fs::read_to_string(&self.0).unwrap_or_default()
    }

    /// The log once it is as `is` wants it; `what` is said where that does not come.
    pub(crate) async fn once(&self, what: &str, is: impl Fn(&str) -> bool) -> String {
        let give_up = Instant::now() + BUDGET;
        loop {
            let text = self.text();
            if is(&text) {
                return text;
            }
            assert!(Instant::now() < give_up, "not logged: {what}\n{text}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until this is logged.
    pub(crate) async fn tells(&self, text: &str) {
        self.once(text, |log| log.contains(text)).await;
    }

    /// Waits for so many further ticks.
    pub(crate) async fn ticks(&self, more: usize) {
        let ticks = |log: &str| log.matches(TICK).count();
        let enough = ticks(&self.text()) + more;
        self.once("a tick", |log| ticks(log) >= enough).await;
    }
}
