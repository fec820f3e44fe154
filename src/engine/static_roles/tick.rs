//! The minute's round: which roles are due, a few at a time, and whose secrets are about to end.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::index::Brief;
use super::work::{clean_up_left, work};
use crate::atlas::ClientId;
use crate::engine::Engine;
use crate::engine::error::EngineError;
use crate::engine::journal::Owner;
use crate::engine::rotation_state::warn_if_crossed;
use crate::engine::unasked::held;

/// Roles worked on at the same time. Atlas's limits, not ours, decide how fast it goes.
const AT_ONCE: usize = 8;
/// Nothing is begun later in a periodic run than this: the next periodic run comes in a minute.
const ROUND: Duration = Duration::from_secs(45);

/// Does what is due. One role's failure does not keep the others from their turn; it is noted with
/// the role.
pub(crate) async fn run_due(engine: &Arc<Engine>) -> Result<(), EngineError> {
    let now = engine.clock.now();
    let briefs = engine.static_roles.briefs(&*engine.storage, now).await?;
    let held = held(engine).await?.is_some();
    for (client_id, brief) in &briefs {
        let what = format!("the secret of static role {:?}", brief.name);
        let expiry = brief.expiry.with_held(held);
        let crossed = warn_if_crossed(&expiry, &what, brief.warned, now);
        if crossed != brief.warned {
            engine.static_roles.note_warned(client_id, crossed);
        }
    }
    // A rotation deletes what it replaces, so it waits as well.
    if held {
        return Ok(());
    }
    let is_ours = |owner: &Owner| matches!(owner, Owner::StaticRole { .. });
    let is_rotated = |client_id: &ClientId| briefs.contains_key(client_id);
    let left = engine.due_left_secrets(is_ours, is_rotated).await?;
    let left = left
        .into_iter()
        .map(|(at, client_id)| (at, client_id, Due::Left));
    let roles = briefs.into_iter().filter_map(|(client_id, brief)| {
        let at = brief.wake.map_or(brief.look, |wake| wake.min(brief.look));
        (at <= now).then_some((at, client_id, Due::Role(brief)))
    });
    let mut due: Vec<_> = left.chain(roles).collect();
    due.sort_by_key(|(at, _, _)| *at);
    round(engine, due).await;
    Ok(())
}

/// What is due for an account.
enum Due {
    Role(Brief),
    /// A deleted role has left secrets.
    Left,
}

async fn work_on(engine: Arc<Engine>, client_id: ClientId, due: Due) -> Result<(), EngineError> {
    match due {
        Due::Role(brief) => work(engine, client_id, brief).await,
        Due::Left => clean_up_left(engine, client_id).await,
    }
}

async fn round(engine: &Arc<Engine>, due: Vec<(DateTime<Utc>, ClientId, Due)>) {
    let end = Instant::now() + ROUND;
    let mut working = JoinSet::new();
    for (_, client_id, due) in due {
        if Instant::now() >= end || engine.closing.is_cancelled() {
            break;
        }
        if working.len() >= AT_ONCE {
            log_outcome(working.join_next().await);
        }
        let work = work_on(Arc::clone(engine), client_id, due);
        working.spawn(work.in_current_span());
    }
    while let Some(outcome) = working.join_next().await {
        log_outcome(Some(outcome));
    }
}

/// Failures of Atlas are noted with the role; what is left are those of storage.
pub(super) fn log_outcome(
    outcome: Option<Result<Result<(), EngineError>, tokio::task::JoinError>>,
) {
    match outcome {
        Some(Ok(Err(error))) => tracing::debug!(%error, "static role task failed"),
        // The error's own text holds the words of a panic, which may hold anything.
        Some(Err(error)) => {
            let panicked = error.is_panic();
            tracing::error!(panicked, "static role task panicked");
        }
        Some(Ok(Ok(()))) | None => {}
    }
}
