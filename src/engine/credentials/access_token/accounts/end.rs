//! The end of managed accounts: after their role, or all at once with the mount.

use futures_util::{StreamExt as _, stream};
use tokio::time::Instant;

use super::entry::{ManagedAccount, ManagedAccounts};
use crate::atlas::RequestBudget;
use crate::engine::error::EngineError;
use crate::engine::keyed_mutex::KeyedGuard;
use crate::engine::names::RoleName;
use crate::engine::resource::{Resource, remove};
use crate::engine::unasked::Permit;
use crate::engine::{Engine, keys};
use crate::vault::failure::chain;

/// Roles whose accounts are deleted at the same time when the mount ends.
pub(super) const AT_ONCE: usize = 8;

/// Deletes an account, and with it what is left of its tokens.
pub(super) async fn remove_account(
    engine: &Engine,
    account: &ManagedAccount,
    permit: Permit,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let linked = engine.connection.linked_to(&account.origin).await?;
    let (org, id) = (account.organization_id.clone(), account.client_id.clone());
    remove(&linked, &Resource::ServiceAccount(org, id), permit, budget).await?;
    engine.journal.remove(&account.journal_id).await
}

async fn lock_role(
    engine: &Engine,
    name: &RoleName,
    deadline: Instant,
) -> Result<KeyedGuard, EngineError> {
    let guard = engine.role_locks.wait_first(name, deadline).await;
    guard.ok_or_else(|| EngineError::Busy {
        what: format!("role {name}"),
    })
}

/// Takes the account of a role that was just deleted out of use: it ends with its last token, also
/// where a role of the same name comes after. Where a request has the account in hand, whoever works
/// on it next does so: a deletion waits for nothing that waits for Atlas.
pub(crate) async fn retire_account(engine: &Engine, name: &RoleName) -> Result<(), EngineError> {
    engine.role_uses.retire_account_later(name);
    let Some(_lock) = engine.role_locks.at_once(name) else {
        return Ok(());
    };
    let mut accounts = ManagedAccounts::load(engine, name).await?;
    retire_if_left(engine, name, &mut accounts).await
}

/// Takes the account out of use that a deleted role of this name has left. The caller holds the lock.
pub(super) async fn retire_if_left(
    engine: &Engine,
    name: &RoleName,
    accounts: &mut ManagedAccounts,
) -> Result<(), EngineError> {
    if !engine.role_uses.is_account_to_retire(name) {
        return Ok(());
    }
    if accounts.current.is_some() {
        accounts.retire(engine.clock.now());
        accounts.save(engine, name).await?;
    }
    engine.role_uses.account_is_retired(name);
    Ok(())
}

/// Deletes all accounts of a role, live tokens or not; answers how many. The mount is being disabled or
/// drained: what is still there when its storage goes is lost sight of. Whoever does so has ordered that,
/// so it is not held.
pub(in crate::engine::credentials) async fn delete_all(
    engine: &Engine,
    name: &RoleName,
    budget: RequestBudget,
) -> Result<usize, EngineError> {
    let _lock = lock_role(engine, name, budget.deadline).await?;
    let mut accounts = ManagedAccounts::load(engine, name).await?;
    accounts.retire(engine.clock.now());
    let (mut place, mut deleted, mut elsewhere) = (0, 0, None);
    while let Some(retired) = accounts.retired.get(place) {
        match remove_account(engine, &retired.account, Permit::ORDERED, budget).await {
            // It does not keep those that can be removed.
            Err(error @ EngineError::OtherOrigin { .. }) => {
                place += 1;
                elsewhere.get_or_insert(error);
            }
            outcome => {
                outcome?;
                accounts.retired.remove(place);
                accounts.save(engine, name).await?;
                deleted += 1;
            }
        }
    }
    elsewhere.map_or(Ok(deleted), Err)
}

/// The same for every role. One failure does not keep the others from their turn.
pub(super) async fn delete_all_of_mount(
    engine: &Engine,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let names = engine.storage.list(keys::MANAGED_ACCOUNTS).await?;
    let outcomes = stream::iter(names).map(async |name| {
        let outcome = delete_all(engine, &RoleName::new(&name), budget).await;
        outcome.inspect_err(|error| {
            tracing::error!(
                role = name,
                error = %chain(error),
                "the mount is being disabled, but the service account managed for a role still \
                 exists in Atlas"
            );
        })
    });
    let outcomes: Vec<_> = outcomes.buffer_unordered(AT_ONCE).collect().await;
    outcomes
        .into_iter()
        .try_for_each(|outcome| outcome.map(drop))
}
