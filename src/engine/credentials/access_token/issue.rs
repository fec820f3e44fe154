//! Issuing an access token: journal entry, minting, journal again, answer.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use super::AccessToken;
use super::accounts::{AccountCheck, ManagedAccount, ManagedSecret, TOKEN_LIFE, ready, verify};
use crate::atlas::{AccessToken as MintedToken, AtlasError, Priority, RequestBudget, SHOWN_WITHIN};
use crate::base::Rfc3339;
use crate::engine::Engine;
use crate::engine::connection::ConfiguredClient;
use crate::engine::credentials::granted::Granted;
use crate::engine::credentials::issued::{Issued, description, not_completed};
use crate::engine::credentials::lease_ttl::LeaseTtl;
use crate::engine::entries::CredentialType;
use crate::engine::error::EngineError;
use crate::engine::journal::{Hold, JournalEntry, LiveToken, Part, State};
use crate::engine::keyed_mutex::KeyedGuard;
use crate::engine::names::{JournalId, RoleName};
use crate::vault::{Data, Response};

/// Most live tokens of one account. Source: Atlas documentation, "MongoDB Limits and Thresholds".
const MOST_TOKENS: usize = 100;

/// The lease ends this long before the token: the host starts to count after our answer.
const MARGIN: Duration = Duration::from_secs(5);

const MOST_ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_secs(1);

/// How long taking back a token may take. Its caller may be gone by then.
const UNDO_BUDGET: Duration = Duration::from_secs(30);

/// A place among the account's live tokens, written to the journal before the token is minted.
struct Reserved {
    id: JournalId,
    entry: JournalEntry,
    account: ManagedAccount,
    secret: ManagedSecret,
    /// Keeps the periodic run's hands off the entry until this is gone.
    _hold: Hold,
}

/// Issues an access token of a role.
pub(super) async fn issue(granted: Granted<'_>) -> Result<Response, EngineError> {
    let (engine, name) = (granted.engine, granted.name);
    let mut healed = false;
    loop {
        let reserved = Box::pin(reserve(granted)).await?;
        // The configuration may have changed while the account was made.
        let origin = &reserved.account.origin;
        let linked = engine.connection.linked_to(origin).await?;
        let error = match mint(granted, &linked, &reserved).await {
            Ok(token) => return finish(granted, &linked, reserved, token).await,
            Err(error) => error,
        };
        give_up(engine, &reserved, &error).await?;
        let refused = matches!(error, AtlasError::Unauthenticated { .. });
        if healed || !refused || check(granted, &reserved).await? == AccountCheck::Intact {
            return Err(EngineError::Atlas {
                advice: format!(
                    "minting an access token with service account {}, which is managed for role \
                     {name}; Atlas allows {MOST_TOKENS} active ones",
                    reserved.account.client_id
                ),
                source: error,
            });
        }
        healed = true;
    }
}

/// The right to work on the role's account.
async fn lock_role(granted: Granted<'_>) -> Result<KeyedGuard, EngineError> {
    let (engine, name, caller) = (granted.engine, granted.name, &granted.call.caller);
    let guard = engine.role_locks.wait(name, caller.deadline);
    let guard = engine.while_wanted(&caller.gone, guard).await?;
    guard.ok_or_else(|| EngineError::Busy {
        what: format!("the service account managed for role {name}"),
    })
}

/// Makes the account ready and takes a place, as one step for all who read the role at once.
async fn reserve(granted: Granted<'_>) -> Result<Reserved, EngineError> {
    let Granted {
        engine, call, name, ..
    } = granted;
    let _lock = lock_role(granted).await?;
    let account = ready(granted).await?;
    let now = engine.clock.now();
    let secret = account.minting_secret(now).or(account.secrets.last());
    let Some(secret) = secret.cloned() else {
        return Err(EngineError::NoSuchAccount(account.client_id));
    };
    let alive = engine.journal.tokens_of(&account.client_id, now).await?;
    check_room(name, &alive)?;
    let id = engine.journal.draw(&*engine.entropy).await?;
    let entry = JournalEntry {
        description: description(&AccessToken, name, &id),
        organization_id: Some(account.organization_id.clone()),
        part: Some(Part::Token {
            client_id: account.client_id.clone(),
            secret_id: secret.id.clone(),
        }),
        origin: account.origin.clone(),
        display_name: call.display_name.clone(),
        entity_id: call.entity_id.clone(),
        max_expire_time: now + TOKEN_LIFE,
        ..JournalEntry::begun(name.to_string(), CredentialType::AccessToken, now)
    };
    let hold = granted.enter(&id, &entry, granted.role.max_live).await?;
    Ok(Reserved {
        id,
        entry,
        account,
        secret,
        _hold: hold,
    })
}

fn check_room(name: &RoleName, alive: &[LiveToken]) -> Result<(), EngineError> {
    match alive.iter().map(|token| token.max_expire_time).min() {
        Some(next_end) if alive.len() >= MOST_TOKENS => Err(EngineError::TooManyTokens {
            role: name.to_string(),
            alive: alive.len(),
            next_end: Rfc3339(next_end),
        }),
        _ => Ok(()),
    }
}

/// Mints the token; a secret that is new may need a moment before Atlas takes it.
async fn mint(
    granted: Granted<'_>,
    linked: &ConfiguredClient,
    reserved: &Reserved,
) -> Result<MintedToken, AtlasError> {
    let (engine, gone) = (granted.engine, &granted.call.caller.gone);
    let (account, secret) = (&reserved.account.client_id, &reserved.secret);
    let budget = granted.budget();
    let atlas = linked.atlas.until(gone);
    let mut attempts = 0;
    loop {
        attempts += 1;
        let minted = atlas
            .mint_token(account, &secret.client_secret, budget)
            .await;
        // Atlas may refuse a new secret for a moment; later a refusal is taken for one.
        let is_new = engine.clock.now() < secret.made_at + SHOWN_WITHIN;
        let pause = PAUSE * attempts;
        match minted {
            Err(error)
                if error.is_unauthenticated()
                    && is_new
                    && attempts < MOST_ATTEMPTS
                    && Instant::now() + pause < budget.deadline =>
            {
                let waited = engine.while_wanted(gone, sleep(pause)).await;
                waited.map_err(|_| error)?;
            }
            outcome => return outcome,
        }
    }
}

/// Whether the account or its secret is gone in Atlas, and is now forgotten here too.
async fn check(granted: Granted<'_>, reserved: &Reserved) -> Result<AccountCheck, EngineError> {
    let _lock = lock_role(granted).await?;
    let (gone, budget) = (&granted.call.caller.gone, granted.budget());
    verify(
        granted.engine,
        granted.name,
        &reserved.account,
        gone,
        budget,
    )
    .await
}

/// Frees the place of a token that was not minted. One that may have been minted counts on until it
/// is dead by itself; nobody holds it.
async fn give_up(
    engine: &Engine,
    reserved: &Reserved,
    error: &AtlasError,
) -> Result<(), EngineError> {
    if !error.may_have_taken_effect() {
        engine.journal.remove(&reserved.id).await?;
    }
    Ok(())
}

/// Completes the journal entry and answers; a token that cannot be handed out is revoked.
async fn finish(
    granted: Granted<'_>,
    linked: &ConfiguredClient,
    mut reserved: Reserved,
    token: MintedToken,
) -> Result<Response, EngineError> {
    let life = LeaseTtl::of(granted.role, granted.times);
    match complete(granted, &mut reserved, &token, life).await {
        Ok(times) => {
            let issued = answer(&reserved, &token);
            let mut answer = issued.hand_out(&AccessToken, &reserved.id, &reserved.entry, times);
            answer.warnings.extend(life.warning());
            Ok(answer)
        }
        Err(error) => Err(undo(granted.engine, linked, &reserved, &token, error).await),
    }
}

/// Revokes a token that nobody got. The error tells what became of it, and why it came to this.
async fn undo(
    engine: &Engine,
    linked: &ConfiguredClient,
    reserved: &Reserved,
    token: &MintedToken,
    error: EngineError,
) -> EngineError {
    let budget = RequestBudget::within(UNDO_BUDGET, Priority::Revoke);
    let (account, secret) = (&reserved.account.client_id, &reserved.secret.client_secret);
    let revoked = linked
        .atlas
        .revoke_token(account, secret, &token.value, budget)
        .await;
    let undone = match revoked {
        Ok(()) => "was revoked",
        Err(error) => {
            tracing::warn!(
                %error,
                "could not revoke an access token that was not delivered; it expires within an \
                 hour"
            );
            "could not be revoked; nobody got it, and it expires within an hour"
        }
    };
    // Where this fails the entry goes when the token would have died.
    if let Err(error) = engine.journal.remove(&reserved.id).await {
        tracing::warn!(
            journal_id = %reserved.id,
            %error,
            "could not delete a journal entry; it is deleted within an hour"
        );
    }
    not_completed(undone, error)
}

/// Records it as live, for a caller who is there before and after. Answers with the times of its lease.
async fn complete(
    granted: Granted<'_>,
    reserved: &mut Reserved,
    token: &MintedToken,
    life: LeaseTtl,
) -> Result<(Duration, Duration), EngineError> {
    let engine = granted.engine;
    let end = token.expires_at.min(reserved.entry.issued_at + TOKEN_LIFE);
    let default_ttl = if life.ttl.is_zero() {
        granted.times.default_ttl
    } else {
        life.ttl
    };
    granted.still_there()?;
    reserved.entry.max_expire_time = token.expires_at;
    reserved.entry.state = State::Active;
    engine.journal.write(&reserved.id, &reserved.entry).await?;
    let left = (end - engine.clock.now()).to_std().unwrap_or_default();
    let life = life.within(left.saturating_sub(MARGIN));
    let life = life.ok_or(EngineError::EndsAtOnce)?;
    granted.still_holds().await?;
    granted.still_there()?;
    Ok((default_ttl.min(life.max_ttl), life.max_ttl))
}

fn answer(reserved: &Reserved, token: &MintedToken) -> Issued {
    let client_id = json!(reserved.account.client_id);
    let expires_at = json!(Rfc3339(token.expires_at));
    let data = Data::from_iter([
        ("access_token".to_owned(), json!(token.value.expose())),
        ("token_type".to_owned(), json!("Bearer")),
        ("expires_at".to_owned(), expires_at.clone()),
        ("client_id".to_owned(), client_id.clone()),
    ]);
    // Only who shows the token can revoke it; the host seals what it keeps of a lease.
    let internal = Data::from_iter([
        ("access_token".to_owned(), json!(token.value.expose())),
        ("expires_at".to_owned(), expires_at),
        ("client_id".to_owned(), client_id),
        ("secret_id".to_owned(), json!(reserved.secret.id)),
    ]);
    Issued { data, internal }
}
