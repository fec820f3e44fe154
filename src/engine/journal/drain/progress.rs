//! How a drain goes. What is left is told by the journal; the rest is known in memory alone, so that a
//! restart counts anew.

use serde_json::{Value, json};

use crate::base::Rfc3339;
use crate::engine::Engine;
use crate::engine::draining::Told;
use crate::engine::error::EngineError;
use crate::vault::system_view::may_act;

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

/// Whether the mount is drained, and whether that cannot go on, for the metrics.
pub(crate) async fn progress(engine: &Engine) -> Result<(bool, bool), EngineError> {
    let Some(draining) = engine.draining().await? else {
        return Ok((false, false));
    };
    let left = engine.journal.left().await?;
    let is_blocked = engine.drain.of(&draining).is_blocked;
    Ok((true, is_blocked && left.total() > 0))
}

/// What rests: all of it by the environment of the server's process, or by the clocks what is
/// incomplete.
fn held(engine: &Engine) -> Option<String> {
    if let Some(warning) = engine.process.hold.warning() {
        return Some(warning.to_owned());
    }
    let hold = engine.clock_watch.hold()?;
    Some(format!(
        "{}: incomplete credentials wait, see hold.clock",
        hold.doubt
    ))
}

/// Tells the log, once each, that something cannot be ended yet, and that nothing is left.
pub(crate) async fn log_progress(engine: &Engine) -> Result<(), EngineError> {
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
