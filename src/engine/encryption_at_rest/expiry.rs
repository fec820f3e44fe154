//! The end of a static secret: Atlas stops the project's clusters when it comes. Nobody but this engine
//! knows when that is, so it is told in time, and each distance once.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::entry::{AzureEntry, Mode};
use super::paths;
use crate::atlas::ProjectId;
use crate::base::Rfc3339;
use crate::engine::Engine;
use crate::engine::error::EngineError;

/// Distances from the end at which the log tells of it, with their names.
const STEPS: [(TimeDelta, &str); 6] = [
    (TimeDelta::days(30), "30 days"),
    (TimeDelta::days(14), "14 days"),
    (TimeDelta::days(7), "7 days"),
    (TimeDelta::days(3), "3 days"),
    (TimeDelta::days(1), "a day"),
    (TimeDelta::zero(), "no time"),
];

/// Of which end, and at which distance, the log has told. It is stored with the entry, so that neither
/// a restart nor another leader tells the same again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Warned {
    /// The end.
    expires_at: DateTime<Utc>,
    /// How many distances were passed.
    step: usize,
}

/// The end of the secret that Atlas signs in with, as far as it is known: the earlier one, where it may be
/// either.
pub(super) fn end(entry: &AzureEntry) -> Option<DateTime<Utc>> {
    let is_used = entry
        .seen
        .as_ref()
        .is_none_or(|seen| seen.mode == Mode::Static);
    let held = entry.held.as_ref().and_then(|held| held.expires_at);
    let pending = entry.pending.iter().chain(&entry.pending_before);
    let ends = pending.filter_map(|pending| pending.expires_at).chain(held);
    ends.min().filter(|_| is_used)
}

/// The closest distance that was passed; [`None`] while the end is far, or not known.
fn passed(entry: &AzureEntry, now: DateTime<Utc>) -> Option<Warned> {
    let expires_at = end(entry)?;
    let left = expires_at - now;
    let step = STEPS.iter().rposition(|(distance, _)| left <= *distance)?;
    Some(Warned { expires_at, step })
}

/// Whether the secret that Atlas signs in with ends soon, or has ended.
pub(super) fn is_near(entry: &AzureEntry, now: DateTime<Utc>) -> bool {
    passed(entry, now).is_some()
}

/// Whether it has ended.
pub(super) fn is_over(entry: &AzureEntry, now: DateTime<Utc>) -> bool {
    end(entry).is_some_and(|end| end <= now)
}

/// What whoever reads has to know about the end of the secret in keeping.
pub(super) fn warnings(entry: &AzureEntry, now: DateTime<Utc>) -> Vec<String> {
    let Some(Warned { expires_at, .. }) = passed(entry, now) else {
        return way_back_ended(entry, now).into_iter().collect();
    };
    let at = Rfc3339(expires_at);
    let remedy = "change over to the role with apply, or give another secret with rotate";
    vec![if expires_at <= now {
        format!(
            "the static secret with which Atlas signs in to the key vault expired at {at}: Atlas stops \
             the project's clusters at its next check, within 15 minutes; {remedy} now"
        )
    } else {
        format!(
            "the static secret with which Atlas signs in to the key vault expires at {at}, and then \
             Atlas stops the project's clusters: {remedy} before"
        )
    }]
}

/// A secret that is only kept for the way back is over.
fn way_back_ended(entry: &AzureEntry, now: DateTime<Utc>) -> Option<String> {
    let end = entry.held.as_ref()?.expires_at?;
    let is_only_kept = entry
        .seen
        .as_ref()
        .is_some_and(|seen| seen.mode == Mode::Role);
    (is_only_kept && end <= now).then(|| {
        format!(
            "the static secret in keeping expired at {}: there is no way back with it",
            Rfc3339(end)
        )
    })
}

/// Logs that another distance was passed, and notes it in the entry, which then has to be stored.
fn log_passed(project: &ProjectId, entry: &mut AzureEntry, now: DateTime<Utc>) -> bool {
    let Some(warned) = news(entry, now) else {
        return false;
    };
    let at = Rfc3339(warned.expires_at);
    let left = STEPS.get(warned.step).map_or("", |(_, name)| *name);
    if warned.expires_at <= now {
        tracing::warn!(
            %project, expires_at = %at,
            "the static secret of a key vault has expired; Atlas stops the project's clusters at its \
             next check"
        );
    } else {
        tracing::warn!(
            %project, expires_at = %at,
            "the static secret of a key vault expires within {left}; Atlas stops the project's clusters \
             once it has expired"
        );
    }
    entry.warned = Some(warned);
    true
}

/// A distance of which the log has not told. One further away than what it told last means that the clock
/// was set back: that one was told by mistake, and all that follow are told in their time.
fn news(entry: &AzureEntry, now: DateTime<Utc>) -> Option<Warned> {
    let passed = passed(entry, now)?;
    let is_known =
        |warned: &Warned| warned.expires_at == passed.expires_at && warned.step == passed.step;
    (!entry.warned.as_ref().is_some_and(is_known)).then_some(passed)
}

/// Tells the log, at a periodic run, that a secret comes to its end. `entry` is as it was read for that.
pub(super) async fn tell(
    engine: &Engine,
    project: &ProjectId,
    entry: &AzureEntry,
) -> Result<(), EngineError> {
    let now = engine.clock.now();
    if news(entry, now).is_none() {
        return Ok(());
    }
    // Whoever works on it may replace the secret; a minute later is early enough.
    let Some(_lock) = engine.project_locks.at_once(project) else {
        return Ok(());
    };
    let Some(mut entry) = paths::load(engine, project).await? else {
        return Ok(());
    };
    if log_passed(project, &mut entry, now) {
        paths::store(engine, project, &entry).await?;
    }
    Ok(())
}
