//! The account to mint with: the one there is, or one made now.

use tokio_util::sync::CancellationToken;

use super::end::retire_if_left;
use super::entry::{ManagedAccount, ManagedAccounts, ManagedSecret, Reach};
use super::refresh::{forget_gone, lifetime, look, rotate_secret};
use crate::atlas::RequestBudget;
use crate::engine::Engine;
use crate::engine::credentials::granted::Granted;
use crate::engine::credentials::pending::PendingCredential;
use crate::engine::credentials::service_account::{ServiceAccount, build};
use crate::engine::error::EngineError;
use crate::engine::journal::{Owner, State};
use crate::engine::names::RoleName;

/// What an operator reads beside the account in Atlas.
const ABOUT: &str = "Kept by Vault or OpenBao to mint access tokens, deleted with its role";

/// The account with which to mint, its secret fit for it. The caller holds the role's lock, so that
/// one account is made however many wait for it.
pub(in crate::engine::credentials) async fn ready(
    granted: Granted<'_>,
) -> Result<ManagedAccount, EngineError> {
    let Granted {
        engine, call, name, ..
    } = granted;
    let budget = granted.budget();
    let mut accounts = ManagedAccounts::load(engine, name).await?;
    let now = engine.clock.now();
    retire_if_left(engine, name, &mut accounts).await?;
    let reach = Reach::of(&granted.grant()?);
    // At another origin its secrets are of no use, and it is removed when that is the mount's again.
    let linked = engine.connection.linked().await?;
    let is_unfit =
        |current: &ManagedAccount| current.reach != reach || !linked.serves(&current.origin);
    if accounts.current.as_ref().is_some_and(is_unfit) {
        accounts.retire(now);
    }
    if let Some(current) = &accounts.current {
        if current.minting_secret(now).is_some() {
            return Ok(current.clone());
        }
        if let Some(account) =
            rotate_secret(engine, name, &mut accounts, &call.caller.gone, budget).await?
        {
            return Ok(account);
        }
    }
    make(granted, accounts, reach).await
}

/// Makes the role's account. Until it is stored here its journal entry is that of an incomplete
/// credential, which any failure or crash takes away again.
async fn make(
    granted: Granted<'_>,
    mut accounts: ManagedAccounts,
    reach: Reach,
) -> Result<ManagedAccount, EngineError> {
    // Its managed accounts were just deleted; nobody would delete another.
    if granted.engine.system.tainted().await? {
        return Err(EngineError::BeingDisabled);
    }
    let mut pending =
        PendingCredential::begin(&ServiceAccount, granted, Owner::ManagedAccount).await?;
    match make_and_store(&mut pending, granted.name, &mut accounts, reach).await {
        // From here on the account is kept, and where this write fails a periodic run repeats it.
        Ok(account) => pending.record(State::Managed).await.map(|()| account),
        Err(error) => Err(pending.undo(error).await),
    }
}

async fn make_and_store(
    pending: &mut PendingCredential,
    name: &RoleName,
    accounts: &mut ManagedAccounts,
    reach: Reach,
) -> Result<ManagedAccount, EngineError> {
    let org = pending.organization().await?;
    let hours = lifetime(&pending.engine, &pending.linked, &org, pending.budget);
    let hours = pending.engine.while_wanted(&pending.gone, hours).await?;
    let (created, org) = build(pending, hours, ABOUT).await?;
    pending.entry.max_expire_time = created.secret.expires_at;
    let now = pending.engine.clock.now();
    let account = ManagedAccount {
        journal_id: pending.id.clone(),
        client_id: created.client_id,
        organization_id: org,
        origin: pending.entry.origin.clone(),
        reach,
        secrets: vec![ManagedSecret::new(created.secret, now)],
        requests: Vec::new(),
    };
    accounts.current = Some(account.clone());
    accounts.save(&pending.engine, name).await?;
    Ok(account)
}

/// What became of an account whose secret Atlas refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine::credentials) enum AccountCheck {
    /// Nothing is known to be lost: the refusal stands.
    Intact,
    /// Something was lost in Atlas and is no longer minted with, so that the next look makes it anew.
    Lost,
}

/// Looks what became of an account whose secret Atlas refused.
pub(in crate::engine::credentials) async fn verify(
    engine: &Engine,
    name: &RoleName,
    refused: &ManagedAccount,
    gone: &CancellationToken,
    budget: RequestBudget,
) -> Result<AccountCheck, EngineError> {
    let mut accounts = ManagedAccounts::load(engine, name).await?;
    let Some(current) = &mut accounts.current else {
        return Ok(AccountCheck::Lost);
    };
    if current.client_id != refused.client_id {
        return Ok(AccountCheck::Lost);
    }
    let linked = engine.connection.linked_to(&current.origin).await?;
    let atlas = linked.atlas.until(gone);
    let now = engine.clock.now();
    match look(&atlas, current, budget).await? {
        None => {
            let newest = current.secrets.last();
            let (seen, monotonic) = (&engine.seen_secrets, engine.clock.monotonic());
            if newest.is_some_and(|secret| !seen.would_show(&secret.id, monotonic)) {
                return Ok(AccountCheck::Intact);
            }
            // Should it be there after all, it is deleted with those that are out of use.
            accounts.retire(now);
        }
        Some(seen) => {
            if forget_gone(engine, &atlas, current, &seen, budget).await? == 0 {
                return Ok(AccountCheck::Intact);
            }
        }
    }
    accounts.save(engine, name).await?;
    Ok(AccountCheck::Lost)
}
