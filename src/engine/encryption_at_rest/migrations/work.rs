//! The way over: all are registered, the canary is changed and watched to the end, the rest follow one by
//! one. What is next is read from the rows alone.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;

use super::super::private::Proofs;
use super::entry::{MigrationEntry, State};
use super::looks;
use super::project::{self, Changed, Trouble, trouble};
use super::row::{Row, Step, Verdict, shortened};
use super::store::update;
use super::task::Next;
use super::told::log_stop;
use crate::atlas::ProjectId;
use crate::base::doubled;
use crate::engine::Engine;
use crate::engine::error::EngineError;
use crate::vault::failure::chain;

/// Registering takes Atlas some seconds, and changes nothing about the encryption.
const REGISTERED_AT_ONCE: usize = 8;
/// So often the outcome of one step may be unknown.
const MOST_TRIES: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_mins(5);
/// So often Atlas may refuse a project for want of a grant: a new one is not known everywhere at once.
const REFUSALS: u32 = 2;

/// Does one step.
pub(super) async fn step(
    engine: &Engine,
    name: &str,
    entry: &MigrationEntry,
) -> Result<Next, EngineError> {
    let waiting = |row: &&Row| row.step == Step::Planned && row.is_candidate();
    let some: Vec<&Row> = entry.rows.iter().filter(waiting).collect();
    if !some.is_empty() {
        let some = some.into_iter().take(REGISTERED_AT_ONCE);
        return register(engine, name, entry, some.collect()).await;
    }
    let at_work = |row: &&Row| row.step.is_at_work();
    let registered = |row: &&Row| row.step == Step::Registered;
    let next = entry.rows.iter().find(at_work);
    let next = next.or_else(|| entry.rows.iter().find(registered));
    match next {
        Some(row) if row.step == Step::Watching => looks::look(engine, name, row).await,
        Some(row) => change(engine, name, entry, row).await,
        None => {
            let now = engine.clock.now();
            update(engine, name, |entry| {
                if entry.state == State::Running {
                    entry.enter(State::Done, now);
                }
            })
            .await?;
            let (changed, failed) = (entry.count(&[Step::Changed]), entry.count(&[Step::Failed]));
            tracing::info!(
                name,
                changed,
                failed,
                "migration of encryption at rest ended"
            );
            Ok(Next::Again)
        }
    }
}

async fn register(
    engine: &Engine,
    name: &str,
    entry: &MigrationEntry,
    rows: Vec<&Row>,
) -> Result<Next, EngineError> {
    let (order, origin) = (&entry.order, &entry.origin);
    let registered = rows.into_iter().map(|row| async {
        let registered = project::register(engine, order, origin, &row.project).await;
        (row.project.clone(), registered.map_err(Failure::from))
    });
    let outcomes = join_all(registered).await;
    note(engine, name, outcomes, |row, (), now| {
        row.reach(Step::Registered, now);
    })
    .await?;
    Ok(Next::Again)
}

async fn change(
    engine: &Engine,
    name: &str,
    entry: &MigrationEntry,
    row: &Row,
) -> Result<Next, EngineError> {
    let is_consented = row.consented;
    let proofs = if row.private && !is_consented {
        Some(Proofs::read(engine).await?)
    } else {
        None
    };
    if let Some(proofs) = proofs.as_ref().filter(|_| row.step == Step::Registered) {
        match project::is_proved(engine, &entry.order, &row.project, proofs).await {
            Ok(true) => {}
            Ok(false) => {
                return leave_out(engine, name, &row.project, Verdict::NeedsConsent).await;
            }
            Err(error @ EngineError::Unreadable { .. }) => {
                let failed = vec![(row.project.clone(), Err::<(), _>(error.into()))];
                note(engine, name, failed, |_, (), _| {}).await?;
                return Ok(Next::Again);
            }
            Err(error) => return Err(error),
        }
    }
    if row.step != Step::Changing {
        // Before anything is sent, so that a crash leaves no change that nobody knows of.
        let now = engine.clock.now();
        let mut is_running = false;
        update(engine, name, |entry| {
            is_running = entry.state == State::Running;
            if let Some(row) = entry.row_mut(&row.project).filter(|_| is_running) {
                row.reach(Step::Changing, now);
                row.looks = 0;
            }
        })
        .await?;
        if !is_running {
            return Ok(Next::Again);
        }
    }
    let begun = row.since.filter(|_| row.step == Step::Changing);
    let changed = project::change(engine, name, row, is_consented, begun, proofs).await;
    let changed = match changed {
        Ok(Changed::Over(seen)) => Ok(seen),
        Ok(Changed::Not) => {
            if begun.is_none() {
                project::put_back(engine, name, &row.project).await?;
            }
            return Ok(Next::Again);
        }
        Ok(Changed::Before) => {
            return leave_out(engine, name, &row.project, Verdict::AlreadyOnRole).await;
        }
        Err(error) => Err(Failure {
            in_doubt: project::is_in_doubt(engine, &row.project).await?,
            error,
        }),
    };
    let changed = vec![(row.project.clone(), changed)];
    note(engine, name, changed, |row, seen, now| {
        row.taken = true;
        row.reach(Step::Watching, now);
        row.looks = u32::from(looks::is_valid(&seen));
    })
    .await?;
    Ok(Next::Again)
}

/// Leaves a project out that was to be changed. Without its canary nothing goes on.
async fn leave_out(
    engine: &Engine,
    name: &str,
    project: &ProjectId,
    verdict: Verdict,
) -> Result<Next, EngineError> {
    let now = engine.clock.now();
    let mut stopped = None;
    update(engine, name, |entry| {
        let is_canary = entry.canary.as_ref() == Some(project);
        let is_running = entry.state == State::Running;
        let Some(row) = forward(entry, project) else {
            return;
        };
        // Where all wait to be proved by others, the first of them is no canary that anybody counts on.
        let is_counted_on = is_canary && row.verdict != Some(Verdict::NeedsConsent);
        let reason = format!("the canary, project {project}, is {verdict}");
        row.reach(Step::Skipped, now);
        row.verdict = Some(verdict);
        entry.next_step_time = None;
        entry.tries = 0;
        if is_counted_on && is_running {
            entry.stop(&reason, now);
            stopped = Some(reason);
        }
    })
    .await?;
    log_stop(name, stopped);
    Ok(Next::Again)
}

/// Why a step failed.
pub(super) struct Failure {
    error: EngineError,
    /// Whether what was sent may take effect all the same.
    in_doubt: bool,
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        Self {
            error,
            in_doubt: false,
        }
    }
}

/// Notes what became of a step of some projects.
pub(super) async fn note<T>(
    engine: &Engine,
    name: &str,
    outcomes: Vec<(ProjectId, Result<T, Failure>)>,
    done: impl Fn(&mut Row, T, DateTime<Utc>),
) -> Result<(), EngineError> {
    let now = engine.clock.now();
    let mut interrupted = Ok(());
    let mut stopped = None;
    update(engine, name, |entry| {
        let mut progress = Progress::default();
        for (project, outcome) in outcomes {
            match outcome {
                Ok(outcome) => {
                    if let Some(row) = forward(entry, &project) {
                        done(row, outcome, now);
                        progress.watching |= row.step == Step::Watching;
                    }
                }
                Err(failure) if trouble(&failure.error) == Trouble::Interrupted => {
                    interrupted = Err(failure.error);
                }
                Err(failure) => {
                    let why = note_failure(entry, &project, &failure, &mut progress, now);
                    stopped = stopped.take().or(why);
                }
            }
        }
        progress.note(entry, now);
    })
    .await?;
    log_stop(name, stopped);
    interrupted
}

/// The row of a project that nobody has changed back meanwhile.
fn forward<'a>(entry: &'a mut MigrationEntry, project: &ProjectId) -> Option<&'a mut Row> {
    let row = entry.row_mut(project)?;
    let forward = matches!(
        row.step,
        Step::Planned | Step::Registered | Step::Changing | Step::Watching
    );
    forward.then_some(row)
}

/// When the next step comes.
#[derive(Default)]
struct Progress {
    /// A look, an interval later.
    watching: bool,
    /// The same again, once Atlas takes requests.
    limited: bool,
    /// The same again, as it may end otherwise.
    again: Option<Again>,
}

/// Why something is tried again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Again {
    /// The outcome is unknown.
    Unclear,
    /// A grant may not be known yet, and is an interval later.
    Refused,
}

impl Progress {
    fn note(&self, entry: &mut MigrationEntry, now: DateTime<Utc>) {
        if !entry.state.is_at_work() {
            return;
        }
        let is_again = self.again.is_some();
        entry.tries = if is_again { entry.tries + 1 } else { 0 };
        let pause = if self.again == Some(Again::Unclear) || self.limited {
            doubled(entry.tries.max(1), FIRST_PAUSE, LONGEST_PAUSE)
        } else {
            entry.order.interval
        };
        let waits = self.watching || self.limited || is_again;
        let due = now.checked_add_signed(delta(pause));
        entry.next_step_time = due.filter(|_| waits);
    }
}

/// Notes that a step failed; the answer is why the migration stops, if it does.
fn note_failure(
    entry: &mut MigrationEntry,
    project: &ProjectId,
    failure: &Failure,
    progress: &mut Progress,
    now: DateTime<Utc>,
) -> Option<String> {
    let (is_running, tries) = (entry.state == State::Running, entry.tries);
    let may_try_again = tries < MOST_TRIES;
    let is_refusal = project::is_for_want_of_a_grant(&failure.error);
    let row = forward(entry, project)?;
    let text = chain(&failure.error);
    match trouble(&failure.error) {
        Trouble::Limited => progress.limited = true,
        Trouble::Mount if is_running => {
            entry.stop(&text, now);
            return Some(text);
        }
        Trouble::Mount => {}
        Trouble::Unclear if may_try_again => progress.again = Some(Again::Unclear),
        Trouble::Project if row.step == Step::Changing && is_refusal && tries < REFUSALS => {
            row.error = Some(shortened(&text));
            progress.again = Some(Again::Refused);
        }
        Trouble::Unclear | Trouble::Project | Trouble::Interrupted => {
            row.end(Step::Failed, &text, now);
            row.taken |= failure.in_doubt;
            return failed(entry, project, now);
        }
    }
    None
}

/// Stops the migration, if this failure is one too many; why is the answer.
pub(super) fn failed(
    entry: &mut MigrationEntry,
    project: &ProjectId,
    now: DateTime<Utc>,
) -> Option<String> {
    if entry.state != State::Running {
        return None;
    }
    let failures = entry.count(&[Step::Failed]);
    let is_canary = entry.canary.as_ref() == Some(project);
    let most = usize::try_from(entry.order.max_failures).unwrap_or(usize::MAX);
    if failures < most && !is_canary {
        return None;
    }
    let error = entry.row_mut(project).and_then(|row| row.error.clone());
    let who = if is_canary {
        "the canary, project"
    } else {
        "project"
    };
    let error = error.unwrap_or_default();
    let reason = format!("{failures} failed, the last {who} {project}: {error}");
    entry.stop(&reason, now);
    Some(reason)
}

pub(super) fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}
