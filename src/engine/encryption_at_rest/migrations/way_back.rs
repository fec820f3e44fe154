//! The way back: what the migration changed is changed back, the last one first. Atlas may refuse it;
//! that is told with the project, and does not keep the others. A private project, where Atlas takes any
//! secret unseen, is watched to the end before the next one is changed back.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::super::entry::{AzureEntry, Mode, later as later_by};
use super::super::note::APART;
use super::super::watch::believes_clock;
use super::entry::{MigrationEntry, State};
use super::looks;
use super::project::{self, Left, Trouble, trouble};
use super::row::{Row, Step};
use super::store::update;
use super::task::Next;
use super::told::log_stop;
use crate::atlas::ProjectId;
use crate::engine::Engine;
use crate::engine::error::EngineError;
use crate::vault::failure::chain;

const MOST_TRIES: u32 = 6;
const PAUSE: Duration = Duration::from_secs(30);

/// Orders it; tells whether there is anything to change back.
pub(super) fn begin(entry: &mut MigrationEntry, now: DateTime<Utc>) -> bool {
    let mut any = false;
    for row in &mut entry.rows {
        if row.step == Step::Leaving && !row.taken {
            // It was changed back, and is watched.
            any = true;
        } else if row.may_be_changed() {
            row.reach(Step::Leaving, now);
            // Until it is known to be back.
            row.taken = true;
            any = true;
        }
    }
    if any {
        entry.enter(State::RollingBack, now);
        entry.then = super::entry::Then::Rest;
    }
    any
}

/// Does one step.
pub(super) async fn step(
    engine: &Engine,
    name: &str,
    entry: &MigrationEntry,
) -> Result<Next, EngineError> {
    let now = engine.clock.now();
    let Some(row) = next(entry, now) else {
        update(engine, name, |entry| {
            if entry.state == State::RollingBack {
                entry.enter(State::RolledBack, now);
            }
        })
        .await?;
        let (back, kept) = (entry.count(&[Step::RolledBack]), entry.count(&[Step::Kept]));
        tracing::info!(
            name,
            back,
            kept,
            "migration of encryption at rest rolled back"
        );
        return Ok(Next::Again);
    };
    if row.taken {
        let outcome = project::roll_back(engine, name, row).await;
        note(engine, name, &row.project, outcome).await?;
    } else {
        let outcome = project::look(engine, &row.project).await;
        let is_sure = believes_clock(engine).await;
        note_look(engine, name, &row.project, outcome, is_sure).await?;
    }
    Ok(Next::Again)
}

/// The project whose turn it is: one that is watched, before all others; one that Atlas already shows as
/// it was is asked for again later.
fn next(entry: &MigrationEntry, now: DateTime<Utc>) -> Option<&Row> {
    let leaving = || {
        entry
            .rows
            .iter()
            .rev()
            .filter(|row| row.step == Step::Leaving)
    };
    let is_due = |row: &&Row| second_look(row).is_none_or(|due| due <= now);
    let watched = leaving().find(|row| !row.taken);
    watched
        .or_else(|| leaving().find(is_due))
        .or_else(|| leaving().next())
}

/// When one that Atlas showed as it was is looked at again.
fn second_look(row: &Row) -> Option<DateTime<Utc>> {
    later_by(row.off_role_since?, APART)
}

/// When the next step of the way back comes; [`None`]: now.
fn next_step(entry: &MigrationEntry) -> Option<DateTime<Utc>> {
    let leaving = entry.rows.iter().filter(|row| row.step == Step::Leaving);
    let due: Option<Vec<DateTime<Utc>>> = leaving.map(second_look).collect();
    due?.into_iter().min()
}

/// Notes how a private project stands that was changed back. Atlas took its secret unseen: if that does
/// not work, no other project gets one.
async fn note_look(
    engine: &Engine,
    name: &str,
    project: &ProjectId,
    outcome: Result<AzureEntry, EngineError>,
    is_sure: bool,
) -> Result<(), EngineError> {
    let now = engine.clock.now();
    if outcome.as_ref().err().map(trouble) == Some(Trouble::Interrupted) {
        return outcome.map(drop);
    }
    let mut stopped = None;
    update(engine, name, |entry| {
        stopped = looked(entry, project, outcome, is_sure, now);
    })
    .await?;
    log_stop(name, stopped);
    Ok(())
}

/// The answer is why the way back stops, if it does. Unless `is_sure`, the clock may be wrong, and data nodes
/// have not tried what it says that they have.
fn looked(
    entry: &mut MigrationEntry,
    project: &ProjectId,
    outcome: Result<AzureEntry, EngineError>,
    is_sure: bool,
    now: DateTime<Utc>,
) -> Option<String> {
    let interval = entry.order.interval;
    let may_try_again = entry.tries < MOST_TRIES;
    let rows = &mut entry.rows;
    let row = rows.iter_mut().find(|row| row.project == *project)?;
    if row.step != Step::Leaving || row.taken {
        return None;
    }
    let bad = match outcome {
        Ok(seen) => {
            entry.tries = 0;
            let valid = seen.seen.as_ref().filter(|seen| seen.mode == Mode::Static);
            let valid = valid.and_then(|seen| seen.valid);
            let watched = seen.watched_for(true);
            let patience = watched + looks::settle(&seen) + 3 * interval + looks::MARGIN;
            let is_late = row.since.is_some_and(|since| now - since > delta(patience)) && is_sure;
            // What `valid` says before the data nodes' verdict is of the credentials of before.
            let end = seen.changed_at.and_then(|at| later_by(at, watched));
            let is_tried = end.is_some_and(|end| end <= now) && is_sure;
            row.looks = match valid {
                Some(true) => row.looks.saturating_add(1),
                _ => 0,
            };
            if row.looks >= looks::LOOKS && is_tried {
                row.reach(Step::RolledBack, now);
                entry.next_step_time = None;
                return None;
            }
            if seen.invalid_since.is_some() {
                "Atlas cannot use the key with the static secret".to_owned()
            } else if is_late {
                "Atlas did not show in time that the key is valid with the static secret".to_owned()
            } else {
                entry.next_step_time = now.checked_add_signed(delta(interval));
                return None;
            }
        }
        Err(error) => match trouble(&error) {
            // It is looked at again after the pause.
            Trouble::Mount if entry.state == State::RollingBack => {
                let reason = chain(&error);
                entry.stop(&reason, now);
                return Some(reason);
            }
            Trouble::Mount => return None,
            Trouble::Limited => {
                entry.next_step_time = later(now);
                return None;
            }
            Trouble::Unclear if may_try_again => {
                entry.tries += 1;
                entry.next_step_time = later(now);
                return None;
            }
            _ => chain(&error),
        },
    };
    row.end(Step::RolledBack, &bad, now);
    if entry.state != State::RollingBack {
        return None;
    }
    let reason = format!("project {project}: {bad}");
    entry.stop(&reason, now);
    Some(reason)
}

async fn note(
    engine: &Engine,
    name: &str,
    project: &ProjectId,
    outcome: Result<Left, EngineError>,
) -> Result<(), EngineError> {
    let now = engine.clock.now();
    let trouble = outcome.as_ref().err().map(trouble);
    if trouble == Some(Trouble::Interrupted) {
        return outcome.map(drop);
    }
    let edited = update(engine, name, |entry| {
        let may_try_again = entry.tries < MOST_TRIES;
        let Some(row) = entry.row_mut(project) else {
            return;
        };
        match (outcome, trouble) {
            (Ok(Left::Back { private: true }), _) => {
                row.reach(Step::Leaving, now);
                (row.taken, row.looks) = (false, 0);
            }
            (Ok(Left::OffRole), _) if !row.is_off_role_twice(now) => {
                entry.tries = 0;
                entry.next_step_time = next_step(entry);
                return;
            }
            (Ok(Left::Back { .. } | Left::OffRole), _) => {
                row.reach(Step::RolledBack, now);
                row.taken = false;
            }
            (Ok(Left::Not), _) => return,
            (Ok(Left::Kept(why)), _) => row.end(Step::Kept, why, now),
            (Err(error), Some(Trouble::Mount)) => {
                // A pause that came meanwhile says why it does not go on.
                if entry.state == State::RollingBack {
                    entry.stop(&chain(&error), now);
                }
                return;
            }
            (Err(_), Some(Trouble::Limited)) => {
                entry.next_step_time = later(now);
                return;
            }
            (Err(_), Some(Trouble::Unclear)) if may_try_again => {
                entry.tries += 1;
                entry.next_step_time = later(now);
                return;
            }
            (Err(error), _) => row.end(Step::Kept, &chain(&error), now),
        }
        entry.tries = 0;
        entry.next_step_time = next_step(entry);
    });
    edited.await
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

fn later(now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    now.checked_add_signed(TimeDelta::from_std(PAUSE).ok()?)
}
