//! How a drain goes. What is left is told by the journal; the rest is known in memory alone, so that a
//! restart counts anew.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::base::Rfc3339;
use crate::engine::Engine;
use crate::engine::config::Draining;
use crate::engine::error::EngineError;
use crate::vault::failure::chain;
use crate::vault::system_view::may_act;

/// What this process did for the drain at work.
#[derive(Debug, Default)]
pub(crate) struct DrainProgress {
    changes: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Of which drain this is.
    since: Option<DateTime<Utc>>,
    ended: u64,
    last_error: Option<(DateTime<Utc>, String)>,
    /// The last failure keeps everything from its end, not one credential alone: it counts for none.
    is_blocked: bool,
    told: Told,
}

/// What the log has been told.
#[derive(Debug, Default, PartialEq, Eq)]
enum Told {
    #[default]
    Nothing,
    /// That something cannot be ended yet.
    Failing,
    /// That nothing is left.
    Done,
}

impl DrainProgress {
    /// How many orders came to this process, or were called off: who compares two of these knows whether
    /// one came between.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    /// An order was, or may have been, stored or called off. Called before anything that is left is
    /// counted.
    pub(crate) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }

    /// Of this drain; what is known of an earlier one is forgotten.
    fn of(&self, draining: &Draining) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.since != Some(draining.since) {
            *state = State {
                since: Some(draining.since),
                ..State::default()
            };
        }
        state
    }

    /// So many credentials were ended.
    pub(crate) fn ended(&self, draining: &Draining, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        let mut state = self.of(draining);
        state.ended = state.ended.saturating_add(count);
        state.is_blocked &= count == 0;
    }

    /// An attempt has failed, and with it perhaps all that are still to come: Atlas refuses the credential,
    /// or storage fails. Texts of errors hold no secret.
    pub(crate) fn failed(
        &self,
        draining: &Draining,
        now: DateTime<Utc>,
        error: &EngineError,
        is_blocked: bool,
    ) {
        let mut state = self.of(draining);
        state.last_error = Some((now, chain(error)));
        state.is_blocked = is_blocked;
    }
}

/// The drain, for the mount's status; null if there is none. What is left is known on the active node.
pub(crate) async fn status(engine: &Engine) -> Result<Value, EngineError> {
    let Some(draining) = engine.draining().await? else {
        return Ok(Value::Null);
    };
    let mut shown = draining.shown();
    shown.insert("held".to_owned(), json!(held(engine)));
    if may_act(&*engine.system).await? {
        let left = engine.journal.left().await?;
        let state = engine.drain.of(&draining);
        let error = state.last_error.as_ref();
        shown.extend(
            [
                ("remaining", json!(left.total())),
                ("remaining_by_state", left.by_stage()),
                ("remaining_by_type", left.by_type()),
                ("ended", json!(state.ended)),
                ("failing", json!(left.failing)),
                ("blocked", json!(state.is_blocked && left.total() > 0)),
                ("last_error", json!(error.map(|(_, text)| text))),
                ("last_error_time", json!(error.map(|(at, _)| Rfc3339(*at)))),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
    }
    Ok(json!(shown))
}

/// What rests: all of it by the environment of the server's process, or by the clocks what is half-made.
fn held(engine: &Engine) -> Option<String> {
    if let Some(warning) = engine.process.hold.warning() {
        return Some(warning.to_owned());
    }
    let hold = engine.clock_watch.hold()?;
    Some(format!(
        "{}: half-made credentials wait, see hold.clock",
        hold.doubt
    ))
}

/// Tells the log, once each, that something cannot be ended yet, and that nothing is left.
pub(crate) async fn tell(engine: &Engine) -> Result<(), EngineError> {
    let Some(drain) = engine.drain_at_work().await? else {
        return Ok(());
    };
    let left = engine.journal.left().await?;
    let mut state = engine.drain.of(&drain.draining);
    let news = match (left.total(), left.failing) {
        (0, _) => Told::Done,
        (_, 0) if !state.is_blocked => Told::Nothing,
        _ => Told::Failing,
    };
    if state.told == news {
        return Ok(());
    }
    match news {
        Told::Done => tracing::info!(
            ended = state.ended,
            "drain of this mount complete: nothing that it issued remains"
        ),
        Told::Failing => {
            let error = state.last_error.as_ref();
            tracing::warn!(
                failing = left.failing,
                blocked = state.is_blocked,
                error = error.map(|(_, text)| text.as_str()),
                "drain of this mount cannot end everything yet; it continues, see draining in \
                 status"
            );
        }
        Told::Nothing => {}
    }
    state.told = news;
    Ok(())
}
