//! One round of a drain: a few credentials at a time, no longer than a periodic run may last, with
//! pauses after failures. What one round does not reach, the next does.

use std::collections::HashSet;
use std::future::ready;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tokio::time::Instant;

use super::super::ending::{self, Ending};
use super::super::entry::{End, EndedBy, State};
use super::super::find::find;
use super::super::sweep::{FailureScope, OUTAGE};
use crate::atlas::{Deletion, Priority, RequestBudget};
use crate::engine::Engine;
use crate::engine::connection::Search;
use crate::engine::draining::DrainAtWork;
use crate::engine::entries::Draining;
use crate::engine::error::EngineError;
use crate::engine::names::JournalId;
use crate::engine::resource::remove;
use crate::engine::unasked::Permit;

/// How long a round may take of a periodic run, beside rollback and reaper.
const ROUND: Duration = Duration::from_secs(30);
/// The longest that one credential is worked on.
const ENTRY_BUDGET: Duration = Duration::from_secs(15);
/// Credentials ended at the same time. Atlas's limits, not ours, decide how fast it goes.
const AT_ONCE: usize = 4;
/// As whose work failures are told.
const WORK: &str = "drain";

impl Draining {
    /// Who ends each credential: whoever ordered the drain.
    fn ended_by(&self) -> EndedBy {
        EndedBy {
            display_name: self.display_name.clone(),
            entity_id: self.entity_id.clone(),
        }
    }
}

/// Ends what is handed out, until `last` at the latest. One that finds that the mount is being disabled
/// makes way for the mount's last periodic run, unless it `is_last` itself. Fails only where storage or the host does; what Atlas refuses is told by
/// `status` and tried again.
pub(in super::super) async fn round(
    engine: &Engine,
    at_work: &DrainAtWork,
    is_last: bool,
    last: Instant,
) -> Result<(), EngineError> {
    let draining = &at_work.draining;
    let end = last.min(Instant::now() + ROUND);
    let by = &draining.ended_by();
    let stop = &AtomicBool::new(false);
    let due = engine.journal.index().to_drain(engine.clock.monotonic());
    let goes_on = || {
        let stopped = stop.load(Ordering::Relaxed) || engine.closing.is_cancelled();
        !stopped && !at_work.is_over(engine) && Instant::now() < end
    };
    let mut outcomes = pin!(
        stream::iter(due)
            .take_while(|_| ready(goes_on()))
            .map(async |id| {
                if !is_last && is_tainted(engine).await {
                    stop.store(true, Ordering::Relaxed);
                    return (id, Err(EngineError::BeingDisabled));
                }
                let budget = RequestBudget {
                    deadline: end.min(Instant::now() + ENTRY_BUDGET),
                    priority: Priority::Revoke,
                };
                let outcome = ending::end(engine, &id, by, budget).await;
                (id, outcome)
            })
            .buffer_unordered(AT_ONCE)
    );
    let (mut failures_in_a_row, mut fault) = (0, Ok(()));
    // What has begun is waited for, also after a failure that ends the round.
    while let Some((id, outcome)) = outcomes.next().await {
        if engine.rate_waits.note(WORK, &outcome, engine.clock.now()) {
            stop.store(true, Ordering::Relaxed);
            continue;
        }
        let Err(error) = outcome.map(|ending| count(engine, draining, &ending)) else {
            failures_in_a_row = 0;
            continue;
        };
        // Its lease has ended meanwhile, or nothing was tried.
        if matches!(
            error,
            EngineError::NoSuchCredential | EngineError::BeingDisabled
        ) {
            continue;
        }
        let scope = note(engine, draining, &id, &error);
        failures_in_a_row += usize::from(counts_as_outage(&error));
        if scope != FailureScope::Entry || failures_in_a_row >= OUTAGE {
            stop.store(true, Ordering::Relaxed);
        }
        if scope == FailureScope::Host {
            fault = Err(error);
        }
    }
    fault
}

async fn is_tainted(engine: &Engine) -> bool {
    engine.system.tainted().await.unwrap_or(false)
}

fn count(engine: &Engine, draining: &Draining, ending: &Ending) {
    match ending {
        Ending::Deleted | Ending::AlreadyGone => engine.drain.ended(draining, 1),
        Ending::Before(_) => {}
    }
}

/// Of what belongs elsewhere, or may not be ended at all, Atlas was not asked; and of what it does not know
/// it has answered.
fn counts_as_outage(error: &EngineError) -> bool {
    !matches!(
        error,
        EngineError::OtherOrigin { .. }
            | EngineError::BadInput(_)
            | EngineError::Busy { .. }
            | EngineError::NotProvedGone
    )
}

fn note(engine: &Engine, draining: &Draining, id: &JournalId, error: &EngineError) -> FailureScope {
    let now = engine.clock.now();
    let scope = FailureScope::of(error);
    let is_blocked = scope != FailureScope::Entry;
    engine.drain.failed(draining, now, error, is_blocked);
    engine.journal.tally().failed(now, WORK, Some(id), error);
    if scope == FailureScope::Entry {
        let monotonic = engine.clock.monotonic();
        engine.journal.index().failed(id, monotonic);
    }
    scope
}

/// Ends what has no account any more: managed accounts that no role's stored accounts name, which
/// are deleted, then the entries of tokens, which have died with their accounts. `roles` still have
/// some. Fails only where storage does.
pub(crate) async fn end_what_lost_its_account(
    engine: &Engine,
    at_work: &DrainAtWork,
    roles: &HashSet<String>,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let draining = &at_work.draining;
    let is_over = || Instant::now() >= budget.deadline || at_work.is_over(engine);
    let monotonic = engine.clock.monotonic();
    let kept = engine.journal.index().managed_by_nobody(roles, monotonic);
    for id in kept {
        if is_over() {
            return Ok(());
        }
        if let Err(error) = remove_kept(engine, draining, &id, budget).await
            && note(engine, draining, &id, &error) == FailureScope::Host
        {
            return Err(error);
        }
    }
    let tokens = engine.journal.index().dead_tokens(roles);
    for id in tokens {
        if is_over() {
            return Ok(());
        }
        end_token(engine, draining, &id).await?;
    }
    Ok(())
}

async fn end_token(
    engine: &Engine,
    draining: &Draining,
    id: &JournalId,
) -> Result<(), EngineError> {
    let entry = engine.journal.entry(id).await?;
    match entry.map(|entry| entry.state) {
        Some(State::Active) => {
            let end = End {
                at: engine.clock.now(),
                by: draining.ended_by(),
            };
            engine.journal.end(id, end).await?;
            engine.drain.ended(draining, 1);
            Ok(())
        }
        // Nobody was given it.
        Some(State::Pending) | None => engine.journal.remove(id).await,
        // Where the write of it failed half-way, memory does not know.
        Some(State::Managed | State::Ended) => engine.journal.relearn(id).await,
    }
}

/// Deletes an account that was kept for a role, unless a role's stored accounts name it after all.
async fn remove_kept(
    engine: &Engine,
    draining: &Draining,
    id: &JournalId,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let Some(entry) = engine.journal.entry(id).await? else {
        return engine.journal.remove(id).await;
    };
    if engine.entry_of_managed_account(id, &entry).await?.is_some() {
        return Ok(());
    }
    let linked = engine.connection.linked_to(&entry.origin).await?;
    let mut outcome = Deletion::AlreadyGone;
    for made in find(&linked, &entry, Search::of_request(), budget).await? {
        let deletion = remove(&linked, &made, Permit::ORDERED, budget).await?;
        if deletion == Deletion::Deleted {
            outcome = deletion;
        }
    }
    ending::believe(engine, id, outcome)?;
    engine.journal.remove(id).await?;
    engine.drain.ended(draining, 1);
    Ok(())
}
