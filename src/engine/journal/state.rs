//! The journal's part of `status`.

use serde_json::{Value, json};

use crate::engine::Engine;
use crate::engine::error::EngineError;

/// Figures of the entries, what the periodic runs did, and their last errors.
pub(crate) async fn state(engine: &Engine) -> Result<Value, EngineError> {
    let now = engine.clock.now();
    let counts = engine.journal.counts(now).await?;
    let tally = engine.journal.tally().clone();
    let age = counts
        .oldest_pending
        .map(|oldest| (now - oldest).num_seconds());
    Ok(json!({
        "entries": {
            "pending": counts.making,
            "active": counts.live,
            "managed": counts.kept,
            "ended": counts.ended,
            "due": counts.due,
            "past_ttl": counts.past_ttl,
            "failing": counts.failing,
            "max_failures": counts.max_failures,
            "oldest_pending_age": age,
            "unreadable": counts.unreadable,
        },
        "rollback": { "deleted": tally.rolled_back, "not_found": tally.not_found },
        "reaper": { "deleted": tally.reaped, "already_deleted": tally.already_deleted },
        "revocations": { "revoked": tally.revoked, "revocations_failed": tally.revocations_failed },
        "failures": tally.failures,
        "errors": tally.errors(),
    }))
}
