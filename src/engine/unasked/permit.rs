//! The one answer to "may the engine delete now what nobody ordered it to delete?"

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::error::EngineError;
use super::super::{Engine, keys, stored};
use super::clock_watch::{Change, Doubt, Reading, compare};
use super::hold::{HeldBy, held};
use crate::atlas::{Priority, RequestBudget};
use crate::base::Rfc3339;
use crate::engine::entries::ConfigEntry;

/// The question for Atlas's time is waited for no longer than this.
const ASK_BUDGET: Duration = Duration::from_secs(10);

/// Proof that something may be deleted in Atlas now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Permit(());

impl Permit {
    /// A lease ended, a person ordered it, or the mount ends.
    pub(crate) const ORDERED: Self = Self(());
    /// The request that deletes it has just made it itself.
    pub(crate) const UNDO: Self = Self(());
}

/// Why nothing is deleted unasked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// An operator holds it.
    ByOperator(HeldBy),
    /// The clocks are not believed.
    ByClock(Doubt),
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByOperator(by) => by.fmt(f),
            Self::ByClock(doubt) => write!(f, "{doubt}; see hold in status"),
        }
    }
}

/// On whose behalf work is done that may come to deletions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mandate {
    /// A person asked for it.
    Ordered,
    /// A person ordered the end of all that was issued, and whether nobody uses this is told by a
    /// clock. The hold of the configuration, which was on before, does not hold it.
    Drain,
    /// Nobody did: the periodic run, or a request that wants something else.
    Unasked,
}

impl Mandate {
    /// The permit for a deletion now, or why there is none.
    pub(crate) async fn permit(self, engine: &Engine) -> Result<Result<Permit, Held>, EngineError> {
        match self {
            Self::Ordered => Ok(Ok(Permit::ORDERED)),
            Self::Drain => match engine.held_with(false) {
                Some(by) => Ok(Err(Held::ByOperator(by))),
                None => engine.may_believe_clock().await,
            },
            Self::Unasked => engine.may_delete_unasked().await,
        }
    }
}

impl Engine {
    /// May the engine delete now what nobody ordered it to delete?
    ///
    /// Not while an operator holds it, and not by a clock that was set lately or that Atlas's does not
    /// confirm. Asks Atlas for its time if no answer has told it lately: one request that reads.
    pub(crate) async fn may_delete_unasked(&self) -> Result<Result<Permit, Held>, EngineError> {
        if let Some(by) = held(self).await? {
            return Ok(Err(Held::ByOperator(by)));
        }
        self.may_believe_clock().await
    }

    /// May what nothing but the wall clock tells be acted on? To be asked for what a person ordered too,
    /// where that rests on how old something is. Asks Atlas for its time if no answer has told it lately.
    pub(crate) async fn may_believe_clock(&self) -> Result<Result<Permit, Held>, EngineError> {
        let judged = judge(self).await?;
        Ok(judged.map(|()| Permit(())).map_err(Held::ByClock))
    }

    /// Whether the wall clock is known to be wrong: it was set lately, or is far from Atlas's. Asks
    /// nobody.
    pub(crate) async fn doubts_clock(&self) -> bool {
        if !self.clock_watch.is_steady(self.reading()) {
            return true;
        }
        let Ok(linked) = self.connection.linked().await else {
            return false;
        };
        let compared = compare(self.reading(), linked.atlas.atlas_time());
        matches!(compared, Err(Doubt::Apart(_)))
    }

    /// Whether the wall clock went steadily and Atlas's, told lately, agrees with it. Asks nobody: where
    /// Atlas has not told, as after a start, the answer is no.
    pub(crate) async fn clock_is_confirmed(&self) -> bool {
        if !self.clock_watch.is_steady(self.reading()) {
            return false;
        }
        let Ok(linked) = self.connection.linked().await else {
            return false;
        };
        compare(self.reading(), linked.atlas.atlas_time()).is_ok()
    }

    fn reading(&self) -> Reading {
        Reading {
            wall: self.clock.now(),
            monotonic: self.clock.monotonic(),
        }
    }
}

async fn judge(engine: &Engine) -> Result<Result<(), Doubt>, EngineError> {
    let linked = engine.connection.linked().await?;
    let watch = &engine.clock_watch;
    let agrees = || compare(engine.reading(), linked.atlas.atlas_time()).is_ok();
    // While it is held for a step, what Atlas tells changes nothing.
    if watch.is_steady(engine.reading()) && !agrees() && !engine.closing.is_cancelled() {
        let _asking = watch.asking.lock().await;
        if !agrees() && watch.may_ask(engine.clock.monotonic()) {
            let budget = RequestBudget::within(ASK_BUDGET, Priority::Revoke);
            // The date of a refusal is as good; without any the answer is no.
            if let Err(error) = linked.atlas.who_am_i(budget).await {
                tracing::debug!(%error, "asked Atlas for its time");
            }
        }
    }
    let (outcome, change) = watch.judge(engine.reading(), linked.atlas.atlas_time());
    match change {
        Change::Begun(hold) => tracing::warn!(
            reason = %hold.doubt,
            "automatic deletions suspended until the clocks agree; revocations continue"
        ),
        Change::Ended => tracing::info!("clocks agree again; automatic deletions resume"),
        Change::None => {}
    }
    Ok(outcome)
}

/// Looks at the clocks at a periodic run. While they are not believed, looks whether they can be
/// again.
pub(crate) async fn watch(engine: &Engine) {
    let watch = &engine.clock_watch;
    watch.tick(engine.reading());
    if watch.hold().is_none() && watch.is_steady(engine.reading()) {
        return;
    }
    if let Err(error) = judge(engine).await {
        tracing::debug!(%error, "could not compare the clocks with Atlas's");
    }
}

/// What is held, for the mount's status.
pub(crate) async fn status(engine: &Engine) -> Result<Value, EngineError> {
    let entry: Option<ConfigEntry> = stored::load(&*engine.storage, keys::CONFIG).await?;
    let clock = engine.clock_watch.hold().map(|hold| {
        json!({
            "since": Rfc3339(hold.since),
            "reason": hold.doubt.to_string(),
            "until": hold.until.map(Rfc3339),
        })
    });
    Ok(json!({
        "configuration": entry.is_some_and(|entry| entry.hold),
        "environment": engine.process.hold.name(),
        "clock": clock,
    }))
}
