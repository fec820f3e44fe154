//! The end of kept accounts: after their role, or all at once with the mount.

use futures_util::{StreamExt as _, stream};
use tokio::time::Instant;

use super::entry::{KeptAccount, TokenAccounts};
use crate::atlas::Patience;
use crate::engine::creds::remove;
use crate::engine::error::EngineError;
use crate::engine::journal::Made;
use crate::engine::roles::RoleName;
use crate::engine::turns::Turn;
use crate::engine::{Engine, keys};
use crate::vault::failure::chain;

/// Roles whose accounts are deleted at the same time when the mount ends.
const AT_ONCE: usize = 8;

/// Deletes an account, and with it what is left of its tokens.
pub(super) async fn remove_account(
    engine: &Engine,
    account: &KeptAccount,
    patience: Patience,
) -> Result<(), EngineError> {
    let linked = engine.connection.linked_to(&account.origin).await?;
    let (org, id) = (account.organization_id.clone(), account.client_id.clone());
    remove(&linked, &Made::ServiceAccount(org, id), patience).await?;
    engine.journal.remove(&account.journal_id).await
}

async fn turn(engine: &Engine, name: &RoleName, deadline: Instant) -> Result<Turn, EngineError> {
    let turn = engine.role_turns.wait(name, deadline).await;
    turn.ok_or_else(|| EngineError::Busy {
        what: format!("role {name}"),
    })
}

/// Takes a role's account out of use, before the role is deleted: it ends with its last token, also
/// where a role of the same name comes after.
pub(crate) async fn retire_account(
    engine: &Engine,
    name: &RoleName,
    deadline: Instant,
) -> Result<(), EngineError> {
    let _turn = turn(engine, name, deadline).await?;
    let mut accounts = TokenAccounts::load(engine, name).await?;
    if accounts.current.is_none() {
        return Ok(());
    }
    accounts.retire(engine.clock.now());
    accounts.save(engine, name).await
}

/// Deletes all accounts of a role, live tokens or not. The mount is being disabled: what is still
/// there when its storage goes is lost sight of.
pub(in crate::engine::creds) async fn dissolve(
    engine: &Engine,
    name: &RoleName,
    patience: Patience,
) -> Result<(), EngineError> {
    let _turn = turn(engine, name, patience.deadline).await?;
    let mut accounts = TokenAccounts::load(engine, name).await?;
    accounts.retire(engine.clock.now());
    while let Some(retired) = accounts.retired.last() {
        remove_account(engine, &retired.account, patience).await?;
        accounts.retired.pop();
        accounts.save(engine, name).await?;
    }
    Ok(())
}

/// The same for every role. One failure does not keep the others from their turn.
pub(super) async fn dissolve_all(engine: &Engine, patience: Patience) -> Result<(), EngineError> {
    let names = engine.storage.list(keys::TOKEN_ACCOUNTS).await?;
    let outcomes = stream::iter(names).map(async |name| {
        let outcome = dissolve(engine, &RoleName::new(&name), patience).await;
        outcome.inspect_err(|error| {
            tracing::error!(
                role = name,
                error = %chain(error),
                "the mount is being disabled and the service account kept for a role is still in \
                 Atlas"
            );
        })
    });
    let outcomes: Vec<_> = outcomes.buffer_unordered(AT_ONCE).collect().await;
    outcomes.into_iter().collect()
}
