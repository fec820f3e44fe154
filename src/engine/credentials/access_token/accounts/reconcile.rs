//! The periodic maintenance of managed accounts: new secrets in time, and old ones deleted.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

use super::drain::drain;
use super::end::{delete_all_of_mount, remove_account, retire_if_left};
use super::entry::{ManagedAccounts, Reach};
use super::refresh::{delete, rotate_secret};
use crate::atlas::{Priority, RequestBudget};
use crate::engine::credentials::Grant;
use crate::engine::entries::CredentialType;
use crate::engine::error::EngineError;
use crate::engine::names::RoleName;
use crate::engine::origin::BoundTo;
use crate::engine::unasked::held;
use crate::engine::{Engine, keys};

/// A request that began before an account or secret was taken out of use may still mint with it; none
/// lasts longer than this.
const STILL_MINTING: TimeDelta = TimeDelta::minutes(3);

/// How long it may take of a periodic run. The host waits about 90 s for all of it.
const TICK_BUDGET: Duration = Duration::from_secs(30);
/// A request at work on an account is waited for as long, and those behind it are not.
const LOCK_BUDGET: Duration = Duration::from_millis(500);

/// Tends the accounts of every role. One failure does not keep the others from their turn.
///
/// A hold holds this as well: after a restore, what is stored of an account may be untrue.
/// Not so where the mount is being disabled or drained, which an operator orders.
pub(crate) async fn reconcile(engine: &Engine) -> Result<(), EngineError> {
    if engine.system.tainted().await? {
        return delete_all_of_mount(engine, RequestBudget::within(TICK_BUDGET, Priority::Revoke))
            .await;
    }
    if let Some(at_work) = engine.drain_at_work().await? {
        let budget = RequestBudget::within(TICK_BUDGET, Priority::Revoke);
        return drain(engine, &at_work, budget).await;
    }
    if held(engine).await?.is_some() {
        return Ok(());
    }
    let making = RequestBudget::within(TICK_BUDGET, Priority::Rotate);
    let removing = RequestBudget {
        priority: Priority::Revoke,
        ..making
    };
    let mut first_failure = None;
    for name in engine.storage.list(keys::MANAGED_ACCOUNTS).await? {
        if engine.closing.is_cancelled() {
            break;
        }
        let role = RoleName::new(&name);
        let outcome = tend_role(engine, &role, making, removing).await;
        let now = engine.clock.now();
        let waits = engine.rate_waits.note(&keys::role(&role), &outcome, now);
        if let Err(error) = outcome
            && !waits
        {
            tracing::warn!(
                role = name,
                error = %crate::vault::failure::chain(&error),
                "could not maintain the service account managed for a role's access tokens"
            );
            first_failure.get_or_insert(error);
        }
    }
    first_failure.map_or(Ok(()), Err)
}

async fn tend_role(
    engine: &Engine,
    name: &RoleName,
    making: RequestBudget,
    removing: RequestBudget,
) -> Result<(), EngineError> {
    // A request works on it: the next periodic run comes in a minute.
    let soon = Instant::now() + LOCK_BUDGET;
    let Some(_lock) = engine.role_locks.wait_first(name, soon).await else {
        return Ok(());
    };
    let mut accounts = ManagedAccounts::load(engine, name).await?;
    retire_if_left(engine, name, &mut accounts).await?;
    let now = engine.clock.now();
    let wanted = wanted(engine, name).await?;
    if let Some(current) = &accounts.current {
        if wanted.as_ref() != Some(&current.reach) {
            accounts.retire(now);
            accounts.save(engine, name).await?;
        } else if !is_elsewhere(engine, &current.origin).await? {
            if current.is_due(now) {
                rotate_secret(engine, name, &mut accounts, &engine.closing, making).await?;
            }
            drop_old_secrets(engine, name, &mut accounts, removing, now).await?;
        }
    }
    drop_retired(engine, name, &mut accounts, removing, now).await
}

/// Whether something waits until the configuration leads there again, or it is moved. A configuration
/// that cannot be used is told where it is needed.
async fn is_elsewhere(engine: &Engine, bound: &BoundTo) -> Result<bool, EngineError> {
    match engine.connection.linked_to(bound).await {
        Ok(_) | Err(EngineError::NotConfigured) => Ok(false),
        Err(EngineError::OtherOrigin { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}

/// The reach of the role as it is now; [`None`] if it needs no account.
async fn wanted(engine: &Engine, name: &RoleName) -> Result<Option<Reach>, EngineError> {
    let role = engine.role(name).await?;
    let role = role.filter(|role| role.credential_type == CredentialType::AccessToken);
    let grant = role.and_then(|role| Grant::of_stored(&role).ok());
    Ok(grant.as_ref().map(Reach::of))
}

/// Deletes superseded secrets of which no token lives: with the secret they would die.
async fn drop_old_secrets(
    engine: &Engine,
    name: &RoleName,
    accounts: &mut ManagedAccounts,
    budget: RequestBudget,
    now: DateTime<Utc>,
) -> Result<(), EngineError> {
    let Some(current) = &mut accounts.current else {
        return Ok(());
    };
    let tokens = engine.journal.tokens_of(&current.client_id, now).await?;
    let old = current.secrets.iter().find(|secret| {
        secret
            .superseded_at
            .is_some_and(|since| now - since > STILL_MINTING)
            && tokens.iter().all(|token| token.secret_id != secret.id)
    });
    let Some(id) = old.map(|secret| secret.id.clone()) else {
        return Ok(());
    };
    let linked = engine.connection.linked_to(&current.origin).await?;
    let Ok(permit) = engine.may_delete_unasked().await? else {
        return Ok(());
    };
    delete(&linked.atlas, current, &id, permit, budget).await?;
    current.secrets.retain(|secret| secret.id != id);
    accounts.save(engine, name).await
}

/// Deletes retired accounts of which no token lives.
async fn drop_retired(
    engine: &Engine,
    name: &RoleName,
    accounts: &mut ManagedAccounts,
    budget: RequestBudget,
    now: DateTime<Utc>,
) -> Result<(), EngineError> {
    let mut place = 0;
    while let Some(retired) = accounts.retired.get(place) {
        let client_id = &retired.account.client_id;
        let in_use = !engine.journal.tokens_of(client_id, now).await?.is_empty();
        let waits = in_use || now - retired.since <= STILL_MINTING;
        if waits || is_elsewhere(engine, &retired.account.origin).await? {
            place += 1;
            continue;
        }
        let origin = &retired.account.origin;
        engine.connection.linked_to(origin).await?;
        let Ok(permit) = engine.may_delete_unasked().await? else {
            return Ok(());
        };
        remove_account(engine, &retired.account, permit, budget).await?;
        accounts.retired.remove(place);
        accounts.save(engine, name).await?;
    }
    Ok(())
}
