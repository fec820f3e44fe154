//! How a periodic run works off entries whose credentials are to be removed: a bounded number in a
//! bounded time, each on its own, so that neither a stuck one nor an outage keeps the others for
//! long.

use std::time::Duration;

use chrono::TimeDelta;
use tokio::sync::MutexGuard;
use tokio::time::{Instant, timeout};

use super::entry::State;
use super::{drain, reaper, rollback};
use crate::atlas::{Priority, RequestBudget};
use crate::base::Rfc3339;
use crate::engine::Engine;
use crate::engine::connection::Search;
use crate::engine::error::EngineError;
use crate::engine::names::JournalId;
use crate::engine::unasked::{Mandate, held};
use crate::vault::failure::chain;

/// The most entries of one sweep for which Atlas is asked, one after the other: no more than one request
/// of a sweep is ever in front of those that somebody waits for. Those that a look at the organization's
/// list settles cost nothing, and are bounded by the sweep's time alone: a process that is killed again
/// and again leaves hundreds of entries of which Atlas made nothing.
const MAX_ENTRIES: usize = 100;
/// The longest that one entry is worked on: after that the next one follows.
const ENTRY_BUDGET: Duration = Duration::from_secs(15);
/// A request at work on the account of an entry is waited for as long, and those behind it are not.
const LOCK_BUDGET: Duration = Duration::from_millis(500);
/// The last periodic run of a mount waits so long for the one at work, which ends with what it has begun.
const LAST_LOCK_BUDGET: Duration = Duration::from_secs(40);
/// All that a periodic run does here is over by then. The host waits about 90 s for the whole.
const LONGEST_TICK: Duration = Duration::from_secs(85);
/// So many failures one after the other are an outage: the sweep ends.
pub(super) const OUTAGE: usize = 3;
/// What is overdue by this is told in the log, once.
const TOLD_AFTER: TimeDelta = TimeDelta::hours(1);
/// The most overdue entries told by one periodic run one by one.
const MAX_TOLD: usize = 25;

/// What removes a kind of entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sweep {
    /// Half-made credentials.
    RollBack,
    /// Credentials that outlived their leases.
    Reap,
}

impl Sweep {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::RollBack => "rollback",
            Self::Reap => "reaper",
        }
    }

    /// How long it may take of a periodic run. The host waits about 90 s for all of it.
    fn budget(self) -> Duration {
        match self {
            Self::RollBack => Duration::from_secs(30),
            Self::Reap => Duration::from_secs(20),
        }
    }

    /// Works on one entry; answers whether Atlas was asked on its account.
    async fn finish(
        self,
        engine: &Engine,
        id: &JournalId,
        search: Search,
        mandate: Mandate,
        budget: RequestBudget,
    ) -> Result<bool, EngineError> {
        // A request that adds a secret to the account settles such entries itself, and what it adds
        // next would look like the one that is sought here.
        let account = engine.journal.index().account_of_secret(id);
        let _lock = match account {
            None => None,
            Some(account) => {
                let soon = Instant::now() + LOCK_BUDGET;
                let guard = engine.account_locks.wait_first(&account, soon).await;
                if guard.is_none() {
                    return Ok(false);
                }
                guard
            }
        };
        match self {
            Self::RollBack => rollback::finish(engine, id, search, mandate, budget)
                .await
                .map(|rolled_back| rolled_back.asked),
            Self::Reap => reaper::finish(engine, id, search, mandate, budget)
                .await
                .map(|()| true),
        }
    }
}

/// Rolls back, ends what a drain is to end, then reaps, unless the operator holds deletions. Fails only where storage or the host
/// does; what Atlas refuses is noted for `status`, tried again, and told in the log when it gets old.
pub(crate) async fn tick(engine: &Engine) -> Result<(), EngineError> {
    // While the mount is disabled its storage is about to go, and with it all that is known. Whoever
    // disables it orders the end of all it holds, so no clock holds that.
    let urgent = engine.system.tainted().await?;
    let begun = Instant::now();
    let Some(_sweeping) = lock_sweep(engine, urgent).await else {
        return Ok(());
    };
    engine.journal.fill().await?;
    let drain_at_work = engine.drain_at_work().await?;
    if drain_at_work.is_none() && held(engine).await?.is_some() {
        return Ok(());
    }
    let mandate = match drain_at_work {
        _ if urgent => Mandate::Ordered,
        Some(_) => Mandate::Drain,
        None => Mandate::Unasked,
    };
    let last = begun + LONGEST_TICK;
    let (now, monotonic) = (engine.clock.now(), engine.clock.monotonic());
    let half_made = engine.journal.index().half_made(now, monotonic, urgent);
    let rolled_back = work_off(engine, Sweep::RollBack, half_made, mandate, last).await;
    let drained = match &drain_at_work {
        Some(at_work) => drain::round(engine, at_work, urgent, last).await,
        None => Ok(()),
    };
    let outlived = reaper::due(engine, urgent);
    let reaped = work_off(engine, Sweep::Reap, outlived, mandate, last).await;
    engine.connection.forget_lists();
    log_overdue(engine);
    rolled_back.and(drained).and(reaped)
}

/// The lock to sweep with. A periodic run that finds another at work leaves it to that one. The last one
/// of a mount waits for it: what it leaves nobody else does.
async fn lock_sweep(engine: &Engine, urgent: bool) -> Option<MutexGuard<'_, ()>> {
    let sweeping = &engine.journal.sweeping;
    if !urgent {
        return sweeping.try_lock().ok();
    }
    timeout(LAST_LOCK_BUDGET, sweeping.lock()).await.ok()
}

async fn work_off(
    engine: &Engine,
    sweep: Sweep,
    due: Vec<JournalId>,
    mandate: Mandate,
    last: Instant,
) -> Result<(), EngineError> {
    let end = last.min(Instant::now() + sweep.budget());
    // After all that is due was given up: one list of an organization serves all of its entries.
    let search = Search::of_tick();
    let (mut failures_in_a_row, mut asked) = (0, 0);
    for id in &due {
        let now = Instant::now();
        if asked >= MAX_ENTRIES
            || now >= end
            || failures_in_a_row >= OUTAGE
            || engine.closing.is_cancelled()
        {
            break;
        }
        let budget = RequestBudget {
            deadline: end.min(now + ENTRY_BUDGET),
            // What nobody may hold any more ends on time however many credentials are issued.
            priority: Priority::Revoke,
        };
        let outcome = sweep.finish(engine, id, search, mandate, budget).await;
        let now = engine.clock.now();
        if engine.rate_waits.note(sweep.name(), &outcome, now) {
            break;
        }
        let error = match outcome {
            Ok(was_asked) => {
                failures_in_a_row = 0;
                asked += usize::from(was_asked);
                continue;
            }
            // No failure: it follows once nothing holds it.
            Err(EngineError::Held { .. }) => {
                asked += 1;
                continue;
            }
            Err(error) => error,
        };
        asked += 1;
        // What belongs to another origin is no outage of this one, and asks nobody anything.
        if !matches!(error, EngineError::OtherOrigin { .. }) {
            // For this Atlas was asked once, whatever the number of such entries: it is no outage.
            if !matches!(error, EngineError::CannotRemove) {
                failures_in_a_row += 1;
            }
        }
        note(engine, sweep, id, &error);
        match FailureScope::of(&error) {
            FailureScope::Entry => engine.journal.index().failed(id, engine.clock.monotonic()),
            FailureScope::Mount => break,
            FailureScope::Host => return Err(error),
        }
    }
    Ok(())
}

fn note(engine: &Engine, sweep: Sweep, id: &JournalId, error: &EngineError) {
    tracing::debug!(
        journal_id = %id,
        during = sweep.name(),
        error = %chain(error),
        "could not delete a credential yet"
    );
    let now = engine.clock.now();
    let mut tally = engine.journal.tally();
    tally.failed(now, sweep.name(), Some(id), error);
}

/// How far a failure reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FailureScope {
    /// This entry: it rests for a while.
    Entry,
    /// Every entry of the mount: no use in trying the next.
    Mount,
    /// The host itself, which is told.
    Host,
}

impl FailureScope {
    pub(super) fn of(error: &EngineError) -> Self {
        match error {
            EngineError::NotConfigured
            | EngineError::Settings(_)
            | EngineError::CredentialRefused(_) => Self::Mount,
            EngineError::Storage(_) | EngineError::SystemView(_) => Self::Host,
            _ => Self::Entry,
        }
    }
}

/// Says once of each entry that it should have been removed long ago. `status` shows it meanwhile.
fn log_overdue(engine: &Engine) {
    let now = engine.clock.now();
    let overdue = engine.journal.index().newly_overdue(now, TOLD_AFTER);
    for each in overdue.iter().take(MAX_TOLD) {
        tracing::warn!(
            journal_id = %each.id,
            what = match each.state {
                State::Pending => "incomplete",
                State::Active | State::Managed | State::Ended => "outlived its lease",
            },
            since = %Rfc3339(each.since),
            failures = each.failures,
            "credential could not be deleted from Atlas yet; retrying, see the status path"
        );
    }
    if let Some(more) = overdue.len().checked_sub(MAX_TOLD).filter(|more| *more > 0) {
        tracing::warn!(
            more,
            "more credentials could not be deleted from Atlas yet; see the status path"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use crate::engine::testing::TestMount;

    /// A mount with credentials that outlived their leases.
    async fn with_outlived(count: usize) -> TestMount {
        let mount = TestMount::with_role(json!({ "max_ttl": "1h" })).await;
        for _ in 0..count {
            mount.issue("reader").await;
        }
        mount.advance(Duration::from_hours(3)).await;
        mount
    }

    /// A process that was killed again and again leaves many of which there is nothing in Atlas: a list
    /// settles all of them, so that they keep nobody waiting.
    #[tokio::test]
    async fn what_a_list_settles_is_not_bounded_by_the_number_of_requests() {
        const MANY: usize = 300;
        let mut mount = TestMount::with_role(json!({})).await;
        mount.issue("reader").await;
        let [key] = mount.journal_keys().try_into().expect("one entry");
        let stored = mount.storage.value(&key);
        let mut entry: Value = serde_json::from_slice(&stored).expect("JSON");
        entry["state"] = json!("pending");
        for part in ["programmatic_api_key_id", "public_key"] {
            entry.as_object_mut().expect("an object").remove(part);
        }
        for number in 0..MANY {
            let id = format!("{number:020}");
            entry["description"] = json!(format!("vault-reader-{id}"));
            let planted = entry.to_string();
            mount
                .storage
                .plant(&format!("issued/{id}"), planted.as_bytes());
        }
        mount.restart().await;
        mount.advance(Duration::from_mins(11)).await;
        mount.tick_for(2).await;
        assert_eq!(mount.journal_keys(), [key]);
        assert_eq!(mount.atlas.credentials().await.len(), 1);
    }

    /// New credentials keep the bucket nearly empty: the share kept from background work is all
    /// that is left.
    #[tokio::test]
    async fn a_removal_does_not_starve_while_credentials_are_issued_at_the_full_rate() {
        let mount = with_outlived(1).await;
        let nearly_empty = json!({
            "operation": "createOrgApiKey",
            "action": {"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN",
                "headers": {"ratelimit-remaining": "20"}},
        });
        mount.atlas.fault(nearly_empty).await;
        mount.read("creds/reader").await.expect_err("refused");
        mount.tick().await.expect("a tick");
        assert_eq!(mount.atlas.credentials().await, Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_mount_that_ends_begins_no_further_removal() {
        let mount = with_outlived(3).await;
        mount.atlas.forget_requests().await;
        mount.close().await;
        mount.tick().await.expect("a tick");
        assert_eq!(mount.atlas.operations().await, json!({}));
        assert_eq!(mount.atlas.credentials().await.len(), 3);
    }
}
