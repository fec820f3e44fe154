//! New secrets for managed accounts, before the old ones end.

use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::entry::{ManagedAccount, ManagedAccounts, ManagedSecret};
use crate::atlas::{
    Atlas, AtlasError, ClientId, CreatedSecret, Hours, MOST_SECRETS, OrgId, Presence,
    RequestBudget, SecretId, ServiceAccount,
};
use crate::engine::connection::ConfiguredClient;
use crate::engine::error::EngineError;
use crate::engine::lost_secret::{self, Lost, SecretRequest};
use crate::engine::names::RoleName;
use crate::engine::rotation::{Requests, WantedSecret};
use crate::engine::unasked::Permit;
use crate::engine::{Engine, keys};

/// How long a secret lives that never leaves the server: short, and no shorter than the week to which
/// Atlas cuts it when the next one is made.
const WANTED: Hours = Hours::new(7 * 24);

/// The lifetime to ask for: the organization may allow less than is wanted.
pub(super) async fn lifetime(
    engine: &Engine,
    linked: &ConfiguredClient,
    org: &OrgId,
    budget: RequestBudget,
) -> Hours {
    let lifetime = engine.secret_lifetime(&linked.atlas, org, WANTED, budget);
    Box::pin(lifetime).await
}

/// The account as Atlas holds it; [`None`] once it is proved to be gone.
pub(super) async fn look(
    atlas: &Atlas,
    account: &ManagedAccount,
    budget: RequestBudget,
) -> Result<Option<ServiceAccount>, EngineError> {
    let (org, id) = (&account.organization_id, &account.client_id);
    let found = atlas.find_service_account(org, id, budget).await;
    found.map_err(|error| failed("reading", id, error))
}

/// Forgets the secrets that are proved to be gone, and counts them. With a secret the tokens of it are
/// taken for revoked, so that one that merely was not listed stays.
pub(super) async fn forget_gone(
    engine: &Engine,
    atlas: &Atlas,
    account: &mut ManagedAccount,
    seen: &ServiceAccount,
    budget: RequestBudget,
) -> Result<usize, EngineError> {
    let is_listed = |kept: &ManagedSecret| seen.secrets.iter().any(|secret| secret.id == kept.id);
    let unlisted = account.secrets.iter().filter(|kept| !is_listed(kept));
    let mut gone = Vec::new();
    let now = engine.clock.monotonic();
    for kept in unlisted.filter(|kept| engine.seen_secrets.would_show(&kept.id, now)) {
        let (level, id) = (account.level(), &account.client_id);
        let presence = atlas
            .secret_presence(&level, id, &kept.id, budget)
            .await
            .map_err(|error| failed("reading", id, error))?;
        if presence == Presence::Gone {
            gone.push(kept.id.clone());
        }
    }
    account.secrets.retain(|kept| !gone.contains(&kept.id));
    Ok(gone.len())
}

fn failed(doing: &str, account: &ClientId, error: AtlasError) -> EngineError {
    EngineError::atlas(
        &format!("{doing} the role's service account {account}"),
        error,
    )
}

/// Gives the current account another secret. The old one stays until its tokens have ended. [`None`]:
/// the account is gone in Atlas, and no longer the current one.
///
/// The account is ours alone; a secret that is not stored here is one whose answer was lost, if it was
/// made when one was asked for. Once `gone` is cancelled, nothing more is sent.
pub(super) async fn rotate_secret(
    engine: &Engine,
    name: &RoleName,
    accounts: &mut ManagedAccounts,
    gone: &CancellationToken,
    budget: RequestBudget,
) -> Result<Option<ManagedAccount>, EngineError> {
    let Some(mut account) = accounts.current.clone() else {
        return Ok(None);
    };
    let linked = engine.connection.linked_to(&account.origin).await?;
    let atlas = linked.atlas.until(gone);
    let Some(seen) = look(&atlas, &account, budget).await? else {
        // Should it be there after all, it is deleted with those that are out of use.
        accounts.retire(engine.clock.now());
        accounts.save(engine, name).await?;
        return Ok(None);
    };
    forget_gone(engine, &atlas, &mut account, &seen, budget).await?;
    delete_lost(engine, &atlas, name, &account, &seen, budget).await?;
    make_room(engine, &atlas, &mut account, budget).await?;
    let hours = lifetime(engine, &linked, &account.organization_id, budget);
    let hours = engine.while_wanted(gone, hours).await?;
    let created = ask(engine, &atlas, name, accounts, &mut account, hours, budget).await?;
    let (id, now) = (created.id.clone(), engine.clock.now());
    for older in &mut account.secrets {
        older.superseded_at.get_or_insert(now);
    }
    let journal = &engine.journal;
    journal
        .extend(&account.journal_id, created.expires_at, Duration::ZERO)
        .await?;
    account.secrets.push(ManagedSecret::new(created, now));
    account.requests.clear();
    accounts.current = Some(account.clone());
    if let Err(error) = accounts.save(engine, name).await {
        // Nobody will ever know its value; where this fails, the next look finds it.
        let _ = delete(&linked.atlas, &account, &id, Permit::UNDO, budget).await;
        return Err(error);
    }
    Ok(Some(account))
}

/// Deletes secrets whose answers were lost. What else is not stored here, a person has made: it is left
/// alone, and where it takes the last place, that is told.
async fn delete_lost(
    engine: &Engine,
    atlas: &Atlas,
    name: &RoleName,
    account: &ManagedAccount,
    seen: &ServiceAccount,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let unexpected = seen.has_no_list().filter(|_| !account.requests.is_empty());
    if let Some(unexpected) = unexpected {
        return Err(failed("reading", &account.client_id, unexpected));
    }
    let known: Vec<_> = account.secrets.iter().map(|kept| kept.id.clone()).collect();
    let found = lost_secret::find(&account.requests, &known, &seen.secrets);
    let key = keys::managed_accounts(name);
    engine.ambiguous.note(&key, &account.client_id, &found);
    let mut left = seen.secrets.len();
    if let Lost::Ours(ids) = found {
        for id in &ids {
            let permit = unasked(engine, account).await?;
            delete(atlas, account, id, permit, budget).await?;
            left -= 1;
        }
    }
    // Of its own secrets the older makes room; a stranger's does not.
    if left > known.len() && left >= MOST_SECRETS {
        return Err(EngineError::NoFreeSlot {
            client_id: account.client_id.clone(),
            taken: left,
            frees_at: None,
        });
    }
    Ok(())
}

/// Asks for another secret; that is stored first, so that one whose answer is lost is known.
async fn ask(
    engine: &Engine,
    atlas: &Atlas,
    name: &RoleName,
    accounts: &mut ManagedAccounts,
    account: &mut ManagedAccount,
    hours: Hours,
    budget: RequestBudget,
) -> Result<CreatedSecret, EngineError> {
    let before = account.requests.clone();
    let wanted = WantedSecret {
        engine,
        atlas,
        level: account.level(),
        client_id: account.client_id.clone(),
        lifetime: hours,
        budget,
    };
    let mut requests = InAccounts {
        engine,
        name,
        accounts,
        account,
    };
    let error = match wanted.ask(&mut requests).await? {
        Ok(created) => return Ok(created),
        Err(error) => error,
    };
    if !error.outcome_unknown() {
        account.requests = before;
    }
    accounts.current = Some(account.clone());
    // Should this fail, its end is taken for later than it was.
    if let Err(failure) = accounts.save(engine, name).await {
        tracing::debug!(
            role = %name,
            error = %failure,
            "could not store the outcome of a request for a secret"
        );
    }
    Err(failed("making a new secret for", &account.client_id, error))
}

/// Requests for a secret, written down with the role's accounts.
struct InAccounts<'a> {
    engine: &'a Engine,
    name: &'a RoleName,
    accounts: &'a mut ManagedAccounts,
    account: &'a mut ManagedAccount,
}

#[async_trait]
impl Requests for InAccounts<'_> {
    async fn store(&mut self, request: SecretRequest) -> Result<(), EngineError> {
        lost_secret::add(&mut self.account.requests, request);
        self.accounts.current = Some(self.account.clone());
        self.accounts.save(self.engine, self.name).await
    }

    fn sent(&mut self) -> Option<&mut SecretRequest> {
        self.account.requests.last_mut()
    }
}

/// Deletes the older of two secrets, if nobody holds a token of it.
async fn make_room(
    engine: &Engine,
    atlas: &Atlas,
    account: &mut ManagedAccount,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    if account.secrets.len() < MOST_SECRETS {
        return Ok(());
    }
    let now = engine.clock.now();
    let tokens = engine.journal.tokens_of(&account.client_id, now).await?;
    let oldest = account.secrets.remove(0);
    let in_use = tokens.iter().any(|token| token.secret_id == oldest.id);
    if in_use && oldest.expires_at > now {
        return Err(EngineError::Busy {
            what: format!(
                "the secrets of service account {}, both of which have active tokens",
                account.client_id
            ),
        });
    }
    let permit = unasked(engine, account).await?;
    delete(atlas, account, &oldest.id, permit, budget).await
}

/// The permit for a deletion that comes before another secret can be made.
async fn unasked(engine: &Engine, account: &ManagedAccount) -> Result<Permit, EngineError> {
    let permit = engine.may_delete_unasked().await?;
    permit.map_err(|held| EngineError::Held {
        what: format!("service account {}", account.client_id),
        held: held.to_string(),
    })
}

/// Deletes one secret of a managed account.
pub(super) async fn delete(
    atlas: &Atlas,
    account: &ManagedAccount,
    secret: &SecretId,
    _: Permit,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    atlas
        .delete_secret(&account.level(), &account.client_id, secret, budget)
        .await
        .map(drop)
        .map_err(|error| failed("deleting an old secret of", &account.client_id, error))
}
