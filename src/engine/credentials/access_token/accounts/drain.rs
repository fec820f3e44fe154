//! The end of all managed accounts, and with them of their tokens, while the mount is being
//! drained.

use std::collections::HashSet;

use futures_util::{StreamExt as _, stream};
use tokio::time::Instant;

use super::end::{AT_ONCE, delete_all};
use crate::atlas::RequestBudget;
use crate::engine::draining::DrainAtWork;
use crate::engine::error::EngineError;
use crate::engine::journal::end_what_lost_its_account;
use crate::engine::names::RoleName;
use crate::engine::{Engine, keys};

/// Deletes the accounts of every role. What fails is told by `status` and rests for a while; it does not
/// keep the others from their turn. Fails only where storage does.
pub(super) async fn drain(
    engine: &Engine,
    at_work: &DrainAtWork,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    engine.journal.fill().await?;
    let names = engine.storage.list(keys::MANAGED_ACCOUNTS).await?;
    let outcomes = stream::iter(names).map(async |name| {
        let role = RoleName::new(&name);
        end_accounts(engine, at_work, &role, budget).await
    });
    let outcomes: Vec<_> = outcomes.buffer_unordered(AT_ONCE).collect().await;
    outcomes.into_iter().collect::<Result<(), _>>()?;
    let names = engine.storage.list(keys::MANAGED_ACCOUNTS).await?;
    let roles: HashSet<_> = names
        .iter()
        .map(|name| RoleName::new(name).to_string())
        .collect();
    end_what_lost_its_account(engine, at_work, &roles, budget).await
}

/// Whether no other account would fare better.
fn keeps_all(error: &EngineError) -> bool {
    matches!(
        error,
        EngineError::NotConfigured
            | EngineError::Settings(_)
            | EngineError::CredentialRefused(_)
            | EngineError::SystemView(_)
    )
}

async fn end_accounts(
    engine: &Engine,
    at_work: &DrainAtWork,
    role: &RoleName,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let (name, monotonic) = (role.to_string(), engine.clock.monotonic());
    let draining = &at_work.draining;
    let is_late = Instant::now() >= budget.deadline || engine.closing.is_cancelled();
    if is_late || at_work.is_over(engine) || engine.journal.account_rests(&name, monotonic) {
        return Ok(());
    }
    let outcome = delete_all(engine, role, budget).await;
    let now = engine.clock.now();
    if engine.rate_waits.note(&keys::role(role), &outcome, now) {
        return Ok(());
    }
    match outcome {
        Ok(count) => {
            engine.drain.ended(draining, count);
            Ok(())
        }
        // A request works on it, or the configuration: the next periodic run comes in a minute.
        Err(EngineError::Busy { .. }) => Ok(()),
        Err(error @ EngineError::Storage(_)) => Err(error),
        Err(error) => {
            let is_blocked = keeps_all(&error);
            engine.drain.failed(draining, now, &error, is_blocked);
            engine.journal.tally().failed(now, "drain", None, &error);
            engine
                .journal
                .account_failed(&name, engine.clock.monotonic());
            Ok(())
        }
    }
}
