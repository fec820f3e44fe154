//! The minute's round: goes on with what is half done, and looks at what is due, a few at a time.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::entry::{AzureEntry, LookFailure, State, later};
use super::paths::{load, store};
use super::watch::{LONGEST_PAUSE, look, note_failure};
use super::{apply, census, expiry, register, rollback, rotate};
use crate::atlas::{Atlas, Priority, ProjectId, RequestBudget};
use crate::engine::error::EngineError;
use crate::engine::process::ServerHold;
use crate::engine::unasked::held;
use crate::engine::{Engine, backoff, keys};
use crate::vault::failure::chain;

/// Projects worked on at the same time.
const AT_ONCE: usize = 8;
/// Nothing is begun later in a periodic run than this: a change may take Atlas a minute.
const ROUND: Duration = Duration::from_secs(20);
/// How long one project may take.
const BUDGET: Duration = Duration::from_secs(62);
/// Somebody else at work on the project is waited for as long.
const LOCK_BUDGET: Duration = Duration::from_secs(1);
/// A project is looked at so often, as often as Atlas does; less a part of the minute between runs.
const LOOK_EVERY: TimeDelta = TimeDelta::seconds(15 * 60 - 20);
/// The same while a change is watched: at every run.
const LOOK_OFTEN: TimeDelta = TimeDelta::seconds(40);
/// The same, where the last one failed.
const LONGEST_WATCH_PAUSE: Duration = Duration::from_mins(2);
/// So long after its order a change that failed is looked for as often.
const MAY_COME: TimeDelta = TimeDelta::minutes(10);
/// Nothing that failed rests longer.
const LONGEST_REST: TimeDelta = TimeDelta::hours(1);

impl AzureEntry {
    /// When something is to be done about it without being asked for.
    fn due(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let is_believed = |time: &DateTime<Utc>| *time <= now + LONGEST_REST;
        let seen = self.seen.as_ref().map(|seen| seen.at);
        let seen = seen.filter(|seen| *seen <= now);
        let every = |pause| seen.map_or(DateTime::UNIX_EPOCH, |seen| seen + pause);
        if is_half_done(self.state) {
            // It never rests longer, whatever a clock that was set back says.
            let end = later(now, LONGEST_PAUSE);
            let is_near = |time: &DateTime<Utc>| end.is_none_or(|end| *time <= end);
            let next = self.next_retry_time.filter(is_near);
            return next.unwrap_or(DateTime::UNIX_EPOCH);
        }
        let pause = if self.observe_until.is_some() || self.may_come_late(now) {
            LOOK_OFTEN
        } else {
            LOOK_EVERY
        };
        let failure = self.look_failure.as_ref();
        let next = failure.map(|failure| failure.next_retry_time);
        next.filter(is_believed).unwrap_or(every(pause))
    }

    /// Whether Atlas may still be at work on a change that was called off or failed.
    fn may_come_late(&self, now: DateTime<Utc>) -> bool {
        let ordered = self.ordered_at.filter(|_| self.state == State::Failed);
        ordered.is_some_and(|at| now - at < MAY_COME)
    }
}

/// Does what is due. One project's failure does not keep the others from their turn; it is noted with
/// the project.
pub(crate) async fn tick(engine: &Arc<Engine>) -> Result<(), EngineError> {
    if engine.process.hold == ServerHold::All {
        return Ok(());
    }
    let now = engine.clock.now();
    let mut due = Vec::new();
    let all = census::entries_given(engine).await?;
    for (project, entry) in all.read {
        if let Err(error) = expiry::tell(engine, &project, &entry).await {
            log_missed(project.as_str(), &error);
        }
        if entry.due(now) <= now {
            // Those that Atlas lets wait for an answer must not keep the others waiting.
            let order = (entry.look_failure.is_some(), entry.due(now));
            due.push((order, project));
        }
    }
    for (name, error) in all.unreadable {
        if let Ok(project) = name.parse::<ProjectId>() {
            tracing::error!(%project, error, "skipping an unreadable entry of encryption at rest");
        }
    }
    for (project, error) in &all.missed {
        log_missed(project, error);
    }
    due.sort_by_key(|(order, _)| *order);
    round(engine, due.into_iter().map(|(_, project)| project)).await;
    Ok(())
}

/// One project misses a run, and the others do not.
fn log_missed(project: &str, error: &EngineError) {
    tracing::warn!(
        project,
        error = chain(error),
        "storage failed for one project's encryption at rest; trying again in a minute"
    );
}

async fn round(engine: &Arc<Engine>, due: impl Iterator<Item = ProjectId>) {
    let end = Instant::now() + ROUND;
    let mut working = JoinSet::new();
    for project in due {
        if working.len() >= AT_ONCE {
            log_outcome(working.join_next().await);
        }
        if Instant::now() >= end || engine.closing.is_cancelled() {
            break;
        }
        let work = work(Arc::clone(engine), project);
        working.spawn(work.in_current_span());
    }
    while let Some(outcome) = working.join_next().await {
        log_outcome(Some(outcome));
    }
}

/// Failures of Atlas are noted with the project; what is left are those of storage.
fn log_outcome(outcome: Option<Result<Result<(), EngineError>, tokio::task::JoinError>>) {
    match outcome {
        Some(Ok(Err(error))) => tracing::debug!(%error, "encryption at rest task failed"),
        // The error's own text holds the words of a panic, which may hold anything.
        Some(Err(error)) => {
            let panicked = error.is_panic();
            tracing::error!(panicked, "encryption at rest task panicked");
        }
        Some(Ok(Ok(()))) | None => {}
    }
}

/// Does what is due for one project.
async fn work(engine: Arc<Engine>, project: ProjectId) -> Result<(), EngineError> {
    let soon = Instant::now() + LOCK_BUDGET;
    let Some(_lock) = engine.project_locks.wait_first(&project, soon).await else {
        return Ok(());
    };
    let Some(mut entry) = load(&engine, &project).await? else {
        return Ok(());
    };
    let now = engine.clock.now();
    if entry.due(now) > now {
        return Ok(());
    }
    // What belongs to another address is not asked for at this one.
    let linked = match engine.connection.linked_to(&entry.origin).await {
        Ok(linked) => linked,
        Err(error @ EngineError::OtherOrigin { .. }) => {
            return failed(&engine, &project, &error).await;
        }
        Err(error) => return Err(error),
    };
    let budget = RequestBudget::within(BUDGET, Priority::Rotate);
    let outcome = attend(&engine, &linked.atlas, &project, &mut entry, budget).await;
    let work = format!("{}{project}", keys::AZURE_KEY_VAULTS);
    let waits = engine.rate_waits.note(&work, &outcome, now);
    match outcome {
        Err(error) if !waits && !matches!(error, EngineError::Storage(_)) => {
            failed(&engine, &project, &error).await
        }
        outcome => outcome,
    }
}

/// What is half done goes on, unless an operator holds what nobody asks for; the rest is looked at.
async fn attend(
    engine: &Engine,
    atlas: &Atlas,
    project: &ProjectId,
    entry: &mut AzureEntry,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    if is_half_done(entry.state) && held(engine).await?.is_none() {
        return match entry.state {
            State::Registering => register::resume(engine, atlas, project, entry, budget).await,
            State::RollingBack => rollback::resume(engine, atlas, project, entry, budget).await,
            State::Rotating => rotate::resume(engine, atlas, project, entry, budget).await,
            _ => apply::resume(engine, atlas, project, entry, budget).await,
        };
    }
    look(engine, atlas, project, entry, budget).await
}

fn is_half_done(state: State) -> bool {
    matches!(
        state,
        State::Registering
            | State::Applying
            | State::Waiting
            | State::Rotating
            | State::RollingBack
    )
}

/// Notes a failure with the project as it is stored.
async fn failed(
    engine: &Engine,
    project: &ProjectId,
    error: &EngineError,
) -> Result<(), EngineError> {
    let Some(mut entry) = load(engine, project).await? else {
        return Ok(());
    };
    // Where nobody was asked nothing was tried.
    let is_elsewhere = matches!(error, EngineError::OtherOrigin { .. });
    if is_half_done(entry.state) && !is_elsewhere {
        return note_failure(engine, project, &mut entry, error).await;
    }
    let now = engine.clock.now();
    let error = chain(error);
    let before = entry.look_failure.as_ref();
    if before.is_none() {
        tracing::warn!(
            %project, error,
            "could not look at a project's encryption at rest; retrying"
        );
    }
    let since = before.map_or(now, |failure| failure.since);
    let failures = before.map_or(1, |failure| failure.failures.saturating_add(1));
    let mut pause = backoff::pause(failures, &*engine.entropy);
    if entry.observe_until.is_some() {
        pause = pause.min(LONGEST_WATCH_PAUSE);
    }
    entry.look_failure = Some(LookFailure {
        error,
        since,
        failures,
        next_retry_time: later(now, pause).unwrap_or(now),
    });
    store(engine, project, &entry).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::origin::BoundTo;

    #[test]
    fn a_look_that_failed_waits_while_a_change_is_watched_too() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(1);
        let mut entry = AzureEntry::new(BoundTo::default());
        entry.observe_until = Some(now + TimeDelta::minutes(20));
        assert!(entry.due(now) <= now);
        let next_retry_time = now + TimeDelta::minutes(2);
        entry.look_failure = Some(LookFailure {
            error: "no answer".to_owned(),
            since: now,
            failures: 1,
            next_retry_time,
        });
        assert_eq!(entry.due(now), next_retry_time);
    }
}
