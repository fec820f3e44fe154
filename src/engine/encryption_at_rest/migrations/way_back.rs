//! The way back: what the migration changed is changed back, the last one first. Atlas may refuse it;
//! that is told with the project, and does not keep the others.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::entry::{MigrationEntry, Row, State, Step};
use super::project::{self, Left, Trouble, trouble};
use super::store::update;
use super::task::Next;
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
        if row.may_be_changed() {
            row.reach(Step::Leaving, now);
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
    let leaving = |row: &&Row| row.step == Step::Leaving;
    let Some(row) = entry.rows.iter().rev().find(leaving) else {
        let now = engine.clock.now();
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
    let outcome = project::roll_back(engine, &entry.order, &row.project).await;
    note(engine, name, &row.project, outcome).await?;
    Ok(Next::Again)
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
            (Ok(Left::Back), _) => {
                row.reach(Step::RolledBack, now);
                row.taken = false;
            }
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
        entry.next_step_time = None;
    });
    edited.await
}

fn later(now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    now.checked_add_signed(TimeDelta::from_std(PAUSE).ok()?)
}
