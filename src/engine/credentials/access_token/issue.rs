//! The way of a new access token: a place in the journal, the mint, the journal again, the answer.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::accounts::{KeptAccount, KeptSecret, TOKEN_LIFE, examine, ready};
use crate::atlas::{AccessToken, AtlasError, Patience, Priority};
use crate::base::Rfc3339;
use crate::engine::Engine;
use crate::engine::connection::Linked;
use crate::engine::credentials::granted::{Granted, still_there};
use crate::engine::credentials::issue::{description, not_completed};
use crate::engine::credentials::life::Life;
use crate::engine::entries::CredentialType;
use crate::engine::error::EngineError;
use crate::engine::journal::{Hold, JournalEntry, LiveToken, Part, Stage};
use crate::engine::names::{JournalId, RoleName};
use crate::engine::turns::Turn;
use crate::framework::{Call, Lease};
use crate::vault::{Caller, Data, Response};

/// Most live tokens of one account. Source: Atlas documentation, "MongoDB Limits and Thresholds".
const MOST_TOKENS: usize = 100;

/// The lease ends this long before the token: the host starts to count after our answer.
const MARGIN: Duration = Duration::from_secs(5);

/// Atlas may refuse a new secret for a moment; after this long a refusal is taken for one.
const SETTLES_WITHIN: TimeDelta = TimeDelta::minutes(2);
const MOST_ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_secs(1);

/// How long taking back a token may take. Its caller may be gone by then.
const UNDO_PATIENCE: Duration = Duration::from_secs(30);

/// A place among the account's live tokens, written to the journal before the token is minted.
struct Reserved {
    id: JournalId,
    entry: JournalEntry,
    account: KeptAccount,
    secret: KeptSecret,
    /// Keeps the tick's hands off the entry until this is gone.
    _hold: Hold,
}

/// Issues an access token of a role.
pub(in crate::engine::credentials) async fn issue(
    engine: &Arc<Engine>,
    granted: Granted<'_>,
    call: &Call,
) -> Result<Response, EngineError> {
    let name = granted.name;
    let patience = patience(call);
    let mut healed = false;
    loop {
        let reserved = reserve(engine, granted, call, patience).await?;
        // The configuration may have changed while the account was made.
        let origin = &reserved.account.origin;
        let linked = engine.connection.linked_to(origin).await?;
        let error = match mint(engine, &linked, &reserved, call, patience).await {
            Ok(token) => return finish(engine, &linked, granted, call, reserved, token).await,
            Err(error) => error,
        };
        give_up(engine, &reserved, &error).await?;
        let refused = matches!(error, AtlasError::Unauthenticated { .. });
        if healed || !refused || !is_lost(engine, name, &reserved, call).await? {
            return Err(EngineError::Atlas {
                advice: format!(
                    "minting an access token with service account {}, which is kept for role \
                     {name}; Atlas allows {MOST_TOKENS} live ones",
                    reserved.account.client_id
                ),
                source: error,
            });
        }
        healed = true;
    }
}

fn patience(call: &Call) -> Patience {
    Patience {
        deadline: call.caller.deadline,
        priority: Priority::Issue,
    }
}

async fn turn(engine: &Engine, name: &RoleName, caller: &Caller) -> Result<Turn, EngineError> {
    let turn = engine.role_turns.wait(name, caller.deadline);
    let turn = engine.while_wanted(&caller.gone, turn).await?;
    turn.ok_or_else(|| EngineError::Busy {
        what: format!("the service account kept for role {name}"),
    })
}

/// Makes the account ready and takes a place, as one step for all who read the role at once.
async fn reserve(
    engine: &Arc<Engine>,
    granted: Granted<'_>,
    call: &Call,
    patience: Patience,
) -> Result<Reserved, EngineError> {
    let Granted { name, role, .. } = granted;
    let _turn = turn(engine, name, &call.caller).await?;
    let account = ready(engine, granted, call, patience).await?;
    let now = engine.clock.now();
    let secret = account.minting_secret(now).or(account.secrets.last());
    let Some(secret) = secret.cloned() else {
        return Err(EngineError::NoSuchAccount(account.client_id));
    };
    let alive = engine.journal.tokens_of(&account.client_id, now).await?;
    check_room(name, &alive)?;
    let id = engine.journal.draw(&*engine.entropy).await?;
    let entry = JournalEntry {
        stage: Stage::Making,
        role: name.to_string(),
        credential_type: CredentialType::AccessToken,
        description: description(CredentialType::AccessToken, name, &id),
        organization_id: Some(account.organization_id.clone()),
        project_id: None,
        further_project_ids: Vec::new(),
        programmatic_api_key_id: None,
        public_key: None,
        client_id: None,
        part: Some(Part::Token {
            client_id: account.client_id.clone(),
            secret_id: secret.id.clone(),
        }),
        config_organization_id: None,
        origin: account.origin.clone(),
        pending_deletion_since: None,
        ended: None,
        display_name: call.display_name.clone(),
        entity_id: call.entity_id.clone(),
        issued_at: now,
        dies_by: now + TOKEN_LIFE,
        ttl: 0,
    };
    let hold = granted.enter(engine, &id, &entry, role.max_live).await?;
    Ok(Reserved {
        id,
        entry,
        account,
        secret,
        _hold: hold,
    })
}

fn check_room(name: &RoleName, alive: &[LiveToken]) -> Result<(), EngineError> {
    match alive.iter().map(|token| token.dies_by).min() {
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
    engine: &Engine,
    linked: &Linked,
    reserved: &Reserved,
    call: &Call,
    patience: Patience,
) -> Result<AccessToken, AtlasError> {
    let (account, secret) = (&reserved.account.client_id, &reserved.secret);
    let gone = &call.caller.gone;
    let atlas = linked.atlas.until(gone);
    let mut attempts = 0;
    loop {
        attempts += 1;
        let minted = atlas
            .mint_token(account, &secret.client_secret, patience)
            .await;
        let is_new = engine.clock.now() - secret.made_at < SETTLES_WITHIN;
        let pause = PAUSE * attempts;
        match minted {
            Err(error)
                if error.is_unauthenticated()
                    && is_new
                    && attempts < MOST_ATTEMPTS
                    && Instant::now() + pause < patience.deadline =>
            {
                let waited = engine.while_wanted(gone, sleep(pause)).await;
                waited.map_err(|_| error)?;
            }
            outcome => return outcome,
        }
    }
}

/// Whether the account or its secret is gone in Atlas, and is now forgotten here too.
async fn is_lost(
    engine: &Engine,
    name: &RoleName,
    reserved: &Reserved,
    call: &Call,
) -> Result<bool, EngineError> {
    let _turn = turn(engine, name, &call.caller).await?;
    let patience = patience(call);
    examine(engine, name, &reserved.account, &call.caller.gone, patience).await
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
    engine: &Engine,
    linked: &Linked,
    granted: Granted<'_>,
    call: &Call,
    mut reserved: Reserved,
    token: AccessToken,
) -> Result<Response, EngineError> {
    let outcome = match Life::of(granted.role, &*engine.system).await {
        Ok(life) => complete(engine, &granted, call, &mut reserved, &token, life)
            .await
            .map(|lease| (lease, life.warning())),
        Err(error) => Err(error),
    };
    let error = match outcome {
        Ok((lease, warning)) => {
            let mut answer = answer(&reserved, &token, lease);
            answer.warnings.extend(warning);
            return Ok(answer);
        }
        Err(error) => error,
    };
    let patience = Patience::within(UNDO_PATIENCE, Priority::Revoke);
    let (account, secret) = (&reserved.account.client_id, &reserved.secret.client_secret);
    let revoked = linked
        .atlas
        .revoke_token(account, secret, &token.value, patience)
        .await;
    let undone = match revoked {
        Ok(()) => "was revoked",
        Err(error) => {
            tracing::warn!(
                %error,
                "could not revoke an access token that was not delivered; it expires within an \
                 hour"
            );
            "could not be revoked; nobody got it, and it dies within the hour"
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
    Err(not_completed(undone, error))
}

async fn complete(
    engine: &Engine,
    granted: &Granted<'_>,
    call: &Call,
    reserved: &mut Reserved,
    token: &AccessToken,
    life: Life,
) -> Result<Lease, EngineError> {
    let end = token.expires_at.min(reserved.entry.issued_at + TOKEN_LIFE);
    let default_ttl = if life.ttl.is_zero() {
        engine.system.default_lease_ttl().await?
    } else {
        life.ttl
    };
    still_there(call)?;
    reserved.entry.dies_by = token.expires_at;
    reserved.entry.stage = Stage::Live;
    engine.journal.write(&reserved.id, &reserved.entry).await?;
    let left = (end - engine.clock.now()).to_std().unwrap_or_default();
    let life = life.within(left.saturating_sub(MARGIN));
    let life = life.ok_or(EngineError::EndsAtOnce)?;
    granted.still_holds(engine).await?;
    still_there(call)?;
    Ok(Lease {
        ttl: default_ttl.min(life.max_ttl),
        max_ttl: life.max_ttl,
        renewable: false,
    })
}

fn answer(reserved: &Reserved, token: &AccessToken, lease: Lease) -> Response {
    let client_id = json!(reserved.account.client_id);
    let expires_at = json!(Rfc3339(token.expires_at));
    let data = Data::from_iter([
        ("access_token".to_owned(), json!(token.value.expose())),
        ("token_type".to_owned(), json!("Bearer")),
        ("expires_at".to_owned(), expires_at.clone()),
        ("client_id".to_owned(), client_id.clone()),
    ]);
    // Only who shows the token can revoke it; the host seals what it keeps of a lease.
    let mut internal = Data::from_iter([
        ("access_token".to_owned(), json!(token.value.expose())),
        ("expires_at".to_owned(), expires_at),
        ("client_id".to_owned(), client_id),
        ("secret_id".to_owned(), json!(reserved.secret.id)),
        ("role".to_owned(), json!(reserved.entry.role)),
        ("journal_id".to_owned(), json!(reserved.id)),
    ]);
    reserved.entry.origin.put_into(&mut internal);
    lease.answer(CredentialType::AccessToken.name(), data, internal)
}
