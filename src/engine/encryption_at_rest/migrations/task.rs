//! The task of a migration at work: one for each, woken by requests and by the periodic function, ended
//! with the mount. It knows nothing that is not stored.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::Notify;
use tokio::time::sleep;

use super::entry::{MigrationEntry, State};
use super::{plan, store, way_back, work};
use crate::engine::error::EngineError;
use crate::engine::keyed_mutex::KeyedMutex;
use crate::engine::unasked::held;
use crate::engine::{Engine, keys};
use crate::vault::failure::chain;
use crate::vault::system_view::may_act;

/// Clocks are looked at again after so long at the latest.
const LONGEST_SLEEP: Duration = Duration::from_mins(1);
/// Nothing is waited for longer than this beyond the interval: a step that is due later than that was
/// put off by a clock that has been set back since.
const LONGEST_WAIT: Duration = Duration::from_mins(10);

/// The migrations at work in this process.
#[derive(Default)]
pub(crate) struct Migrations {
    /// Who reads and writes which entry; never held across a call to Atlas.
    pub(super) locks: KeyedMutex<String>,
    workers: Mutex<HashMap<String, Worker>>,
    /// Told after each step.
    pub(super) stepped: Notify,
}

struct Worker {
    wake: Arc<Notify>,
    /// Somebody woke it since its last step began.
    again: bool,
}

impl Migrations {
    fn workers(&self) -> MutexGuard<'_, HashMap<String, Worker>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A step begins: whoever wakes the worker from now on wants another one.
    fn begin(&self, name: &str) {
        if let Some(worker) = self.workers().get_mut(name) {
            worker.again = false;
        }
    }

    /// Whether nobody wants another step; the worker is no more then.
    fn end(&self, name: &str) -> bool {
        let mut workers = self.workers();
        let again = workers.get(name).is_some_and(|worker| worker.again);
        if !again {
            workers.remove(name);
        }
        !again
    }
}

/// What comes after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Another one.
    Again,
    /// Another one at this moment.
    At(DateTime<Utc>),
    /// Nothing, until somebody wakes the worker.
    Rest,
}

/// Wakes the work of all migrations that have some. Does not wait for it.
pub(crate) async fn run_due(engine: &Arc<Engine>) -> Result<(), EngineError> {
    let names = engine.storage.list(keys::AZURE_MIGRATIONS).await?;
    for name in names {
        match store::load(engine, &name).await {
            Ok(Some(entry)) if entry.state.is_at_work() => wake(engine, &name),
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(name, %error, "could not read a migration");
            }
        }
    }
    Ok(())
}

/// Has a migration's work go on.
pub(super) fn wake(engine: &Arc<Engine>, name: &str) {
    let mut workers = engine.migrations.workers();
    if let Some(worker) = workers.get_mut(name) {
        worker.again = true;
        worker.wake.notify_one();
        return;
    }
    let wake = Arc::<Notify>::default();
    let worker = Worker {
        wake: Arc::clone(&wake),
        again: false,
    };
    workers.insert(name.to_owned(), worker);
    drop(workers);
    let place = Place {
        engine: Arc::clone(engine),
        name: name.to_owned(),
        wake,
    };
    engine.tasks.spawn(run(place));
}

/// A worker's place in the table, given back also where it panics or is ended.
struct Place {
    engine: Arc<Engine>,
    name: String,
    wake: Arc<Notify>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut workers = self.engine.migrations.workers();
        let is_own = |worker: &Worker| Arc::ptr_eq(&worker.wake, &self.wake);
        if workers.get(&self.name).is_some_and(is_own) {
            workers.remove(&self.name);
        }
    }
}

async fn run(place: Place) {
    let Place { engine, name, wake } = &place;
    loop {
        engine.migrations.begin(name);
        let next = step(engine, name).await;
        engine.migrations.stepped.notify_waiters();
        match next {
            Ok(Next::Again) => {}
            Ok(Next::At(due)) => {
                let woken = wait_until(engine, due, wake);
                if engine.closing.run_until_cancelled(woken).await.is_none() {
                    return;
                }
            }
            Ok(Next::Rest) => {
                if engine.migrations.end(name) {
                    return;
                }
            }
            Err(error) => {
                // Nothing is lost: the periodic function has it go on from storage.
                tracing::debug!(name, error = chain(&error), "migration interrupted");
                if engine.migrations.end(name) {
                    return;
                }
            }
        }
    }
}

async fn wait_until(engine: &Engine, due: DateTime<Utc>, wake: &Notify) {
    let left = (due - engine.clock.now()).to_std().unwrap_or_default();
    tokio::select! {
        () = sleep(left.min(LONGEST_SLEEP)) => {}
        () = wake.notified() => {}
    }
}

/// Does what the stored entry says is next.
async fn step(engine: &Engine, name: &str) -> Result<Next, EngineError> {
    if engine.closing.is_cancelled() || !may_act(&*engine.system).await? {
        return Ok(Next::Rest);
    }
    let Some(entry) = store::load(engine, name).await? else {
        return Ok(Next::Rest);
    };
    if !entry.state.is_at_work() {
        return Ok(Next::Rest);
    }
    if let Some(due) = still_to_wait(engine, &entry) {
        return Ok(Next::At(due));
    }
    if entry.state == State::Planning {
        return plan::step(engine, name, &entry).await;
    }
    // Nobody waits for it any more, so that it is held like all that goes on by itself.
    if held(engine).await?.is_some() {
        return Ok(Next::Rest);
    }
    let now = engine.clock.now();
    if entry.order.is_accepted_no_more(now) {
        store::update(engine, name, |entry| entry.accept_nothing(now)).await?;
        return Ok(Next::Again);
    }
    if entry.order.is_accepted_long_since(now) {
        store::update(engine, name, |entry| {
            if let Some(at) = &mut entry.order.accepted_at {
                *at = now;
            }
        })
        .await?;
    }
    match entry.state {
        State::Running => work::step(engine, name, &entry).await,
        _ => way_back::step(engine, name, &entry).await,
    }
}

fn still_to_wait(engine: &Engine, entry: &MigrationEntry) -> Option<DateTime<Utc>> {
    let due = entry.next_step_time?;
    let left = (due - engine.clock.now()).to_std().ok()?;
    (!left.is_zero() && left <= entry.order.interval + LONGEST_WAIT).then_some(due)
}
