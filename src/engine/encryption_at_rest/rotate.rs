//! A new static secret for a project that stays with one.
//!
//! Atlas never shows which secret it holds. So the new one is stored, as pending, before it is sent, and
//! counts as the present one only when Atlas took it. Where an answer was lost the same is sent again,
//! until Atlas answers for certain; with private networking only whoever orders it sends it. An
//! application holds several passwords in Azure: nobody is without one meanwhile, as long as the one
//! before is left there.

use chrono::{DateTime, Utc};

use super::entry::{Accepted, AzureEntry, HeldSecret, Mode, PendingSecret, State};
use super::note::note;
use super::paths::store;
use super::rollback;
use super::rotate_told::{accepted_at, advice, is_final, makes_way, may_begin, resting};
use super::static_block::StaticBlock;
use super::unseen::{self, Ordered, Verdict};
use super::watch::{ask_after, believes_clock, has_proved_itself, is_seen_twice};
use crate::atlas::{Atlas, AtlasError, AzureKeyVault, KeyVaultRefusal, ProjectId, RequestBudget};
use crate::base::Sensitive;
use crate::engine::error::{EncryptionError, EngineError};
use crate::engine::{Engine, unasked};
use crate::vault::failure::chain;

/// What is asked for.
pub(super) struct RotateRequest {
    /// [`None`]: the one of an earlier rotation that ended without it being known whether Atlas took it.
    pub(super) client_secret: Option<Sensitive>,
    /// Atlas does not know it.
    pub(super) expires_at: Option<DateTime<Utc>>,
    /// What is accepted for a project whose new secret is tried only afterwards.
    pub(super) accepted: Accepted,
}

/// Lets Atlas sign in with a new secret of the same application. The entry is stored at every step.
pub(super) async fn rotate(
    engine: &Engine,
    atlas: &Atlas,
    project: &ProjectId,
    entry: &mut AzureEntry,
    request: RotateRequest,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    if !may_begin(entry, engine.clock.now()) {
        return Err(entry.under_way().into());
    }
    if let Some(pending) = &entry.pending {
        let given = request.client_secret.as_ref();
        let is_same = |given: &Sensitive| pending.client_secret.expose() == given.expose();
        if given.is_none_or(is_same) {
            // Atlas cannot use the key with this one, and the one before is being sent.
            if entry.state == State::RollingBack {
                return Err(entry.under_way().into());
            }
            order_again(entry, &request, engine.clock.now());
            let words = Some(request.accepted);
            return go_on(engine, atlas, project, entry, words, budget).await;
        }
        if entry.state == State::Rotating {
            let settled = go_on(engine, atlas, project, entry, None, budget).await;
            let now = engine.clock.now();
            let is_over = makes_way(entry, &settled, now);
            // This one was neither sent nor stored, so that must not look like success.
            if !is_over && (entry.pending.is_some() || !may_begin(entry, now)) {
                settled?;
                return Err(entry.under_way().into());
            }
        }
    }
    let Some(client_secret) = request.client_secret else {
        return Err(EncryptionError::NoSecretToTryAgain.into());
    };
    let block = StaticBlock::ask(atlas, project, entry, budget).await?;
    if entry.state == State::Observing {
        return Err(entry.under_way().into());
    }
    let now = engine.clock.now();
    note(entry, project, Some(&block.vault), now);
    let pending = PendingSecret {
        client_secret,
        expires_at: request.expires_at,
        since: now,
        client_id: Some(block.client_id.clone()),
        tenant_id: Some(block.tenant_id.clone()),
        taken_at: None,
    };
    let before = entry.clone();
    entry.static_ordered_at = Some(now);
    may_begin_with(entry, &block)?;
    may_send(entry, &pending, &block.vault, request.accepted, now)?;
    entry.try_secret(pending);
    entry.begin(State::Rotating, &block.vault.key);
    store(engine, project, entry).await?;
    match offer(engine, atlas, project, entry, &block, budget).await? {
        Ok(()) => Ok(()),
        Err(error) if error.outcome_unknown() => Err(EngineError::atlas(&doing(project), error)),
        Err(error) => {
            *entry = before;
            not_taken(engine, project, entry, error).await
        }
    }
}

/// The pending secret is to be sent once more, by a new order.
fn order_again(entry: &mut AzureEntry, request: &RotateRequest, now: DateTime<Utc>) {
    entry.static_ordered_at = Some(now);
    if let Some(pending) = &mut entry.pending {
        pending.expires_at = request.expires_at.or(pending.expires_at);
    }
}

/// Atlas did not take the new secret at the first attempt: all is as it was, and it is not kept.
async fn not_taken(
    engine: &Engine,
    project: &ProjectId,
    entry: &mut AzureEntry,
    error: AtlasError,
) -> Result<(), EngineError> {
    let Some(refusal) = error.key_vault_refusal() else {
        store(engine, project, entry).await?;
        return Err(EngineError::atlas(&doing(project), error));
    };
    let refused = EncryptionError::SecretRefused {
        code: error.code().unwrap_or_default().to_owned(),
        advice: advice(refusal),
        source: error,
    };
    // The one before the secret that does not work is still to be sent.
    if matches!(entry.state, State::Rotating | State::RollingBack) {
        store(engine, project, entry).await?;
        return Err(refused.into());
    }
    give_up(engine, project, entry, refused.into()).await
}

/// Refuses a secret of one application as another's.
fn may_begin_with(entry: &AzureEntry, block: &StaticBlock) -> Result<(), EncryptionError> {
    let held = entry.held.as_ref();
    let other = held.filter(|held| !held.is_of(&block.vault));
    other.map_or(Ok(()), |held| {
        Err(unseen::of_others(&held.client_id.to_string(), &block.vault))
    })
}

/// Goes on, at a periodic run, with a rotation of which it is not known how it ended.
pub(super) async fn resume(
    engine: &Engine,
    atlas: &Atlas,
    project: &ProjectId,
    entry: &mut AzureEntry,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    match go_on(engine, atlas, project, entry, None, budget).await {
        // It is decided, and nobody waits for the answer.
        Err(error) if entry.state == State::Failed => {
            let error = chain(&error);
            tracing::warn!(%project, error, "a new static secret is not in force");
            Ok(())
        }
        outcome => outcome,
    }
}

/// Goes on with a rotation that was begun. `words` are those of somebody who orders it now: without them
/// nothing is sent that Atlas takes unseen.
async fn go_on(
    engine: &Engine,
    atlas: &Atlas,
    project: &ProjectId,
    entry: &mut AzureEntry,
    words: Option<Accepted>,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let Some(pending) = entry.pending.clone() else {
        entry.give_up(resting(entry));
        return store(engine, project, entry).await;
    };
    let block = match StaticBlock::ask(atlas, project, entry, budget).await {
        Ok(block) => block,
        Err(error) if is_final(&error) => return doubt(engine, project, entry, error).await,
        Err(error) => return Err(error),
    };
    if let Some(taken_at) = accepted_at(entry) {
        if !pending.is_of(&block.vault) {
            let own = block.client_id.to_string();
            let error = unseen::of_others(&own, &block.vault).into();
            return doubt(engine, project, entry, error).await;
        }
        entry.state = State::Rotating;
        return prove(engine, atlas, project, entry, &block, taken_at, budget).await;
    }
    let (now, last) = (engine.clock.now(), entry.seen.clone());
    note(entry, project, Some(&block.vault), now);
    match unseen::rotation(entry, &pending, &block.vault, words, now) {
        Verdict::Never(error) if error.is_by_clock() && !believes_clock(engine).await => {
            return Err(error.into());
        }
        Verdict::Never(error) => return doubt(engine, project, entry, error.into()).await,
        Verdict::Wait(error) if words.is_some() => return Err(error.into()),
        Verdict::Wait(error) => {
            let ordered_at = entry.static_ordered_at;
            let is_lost = unseen::is_not_taken(last.as_ref(), ordered_at, Mode::Static, now);
            if is_lost && believes_clock(engine).await {
                if unseen::is_back_better(entry, &block.vault, now) {
                    return take_back(engine, atlas, project, entry, &block, budget).await;
                }
                if !unseen::may_be_taken_back(entry, &block.vault, now) {
                    return give_up(engine, project, entry, error.into()).await;
                }
            }
            entry.forget_trouble();
            entry.last_error = is_lost.then(|| error.to_string());
            return store(engine, project, entry).await;
        }
        Verdict::Send | Verdict::Arrived => {}
    }
    let before = entry.clone();
    // The key may be another by now.
    entry.begin(State::Rotating, &block.vault.key);
    store(engine, project, entry).await?;
    let Err(error) = offer(engine, atlas, project, entry, &block, budget).await? else {
        return Ok(());
    };
    let Some(refusal) = error.key_vault_refusal() else {
        // It was not sent.
        if !error.outcome_unknown() {
            *entry = before;
            store(engine, project, entry).await?;
        }
        return Err(EngineError::atlas(&doing(project), error));
    };
    let refused = EncryptionError::SecretRefusedAgain {
        code: error.code().unwrap_or_default().to_owned(),
        advice: advice(refusal),
        source: error,
    };
    match refusal {
        // Azure may not know it yet. It is sent until the order is too old.
        KeyVaultRefusal::NoAccess | KeyVaultRefusal::Other => Err(refused.into()),
        _ => {
            entry.refuse_secret();
            give_up(engine, project, entry, refused.into()).await
        }
    }
}

/// What one look shows may be an old answer: the rotation ends once a second one shows the same.
async fn doubt(
    engine: &Engine,
    project: &ProjectId,
    entry: &mut AzureEntry,
    error: EngineError,
) -> Result<(), EngineError> {
    let is_too_old = matches!(
        error,
        EngineError::Encryption(EncryptionError::SecretOrderTooOld { .. })
    );
    // One that is tried too soon after the first may be answered as that was.
    let is_apart = |next| next <= engine.clock.now();
    let is_second = entry.next_retry_time.is_none_or(is_apart) && entry.failed_by(&chain(&error));
    if is_too_old || is_second {
        return give_up(engine, project, entry, error).await;
    }
    Err(error)
}

/// Sends the pending secret. The outer error is one of storage.
async fn offer(
    engine: &Engine,
    atlas: &Atlas,
    project: &ProjectId,
    entry: &mut AzureEntry,
    block: &StaticBlock,
    budget: RequestBudget,
) -> Result<Result<(), AtlasError>, EngineError> {
    let Some(pending) = entry.pending.clone() else {
        return Ok(Ok(()));
    };
    let credential = block.with(&pending.client_secret);
    let sent = atlas.set_vault_credential(project, &block.vault.key, credential, budget);
    let taken = match sent.await {
        Ok(taken) => taken,
        Err(error) => return Ok(Err(error)),
    };
    let now = engine.clock.now();
    // Known from the answer: a look that fails changes nothing about it.
    entry.arrive(Mode::Static, now);
    if let Some(pending) = &mut entry.pending {
        pending.taken_at = Some(now);
    }
    if !block.vault.is_private() {
        take_up(entry, project, block, now);
    }
    store(engine, project, entry).await?;
    let after = ask_after(atlas, project, taken, budget).await;
    note(entry, project, after.as_ref(), now);
    store(engine, project, entry).await?;
    Ok(Ok(()))
}

/// With private networking Atlas's data nodes try the new secret after the change. It has proved itself
/// when the key was valid all the while that changes are watched; else the one before is sent again.
async fn prove(
    engine: &Engine,
    atlas: &Atlas,
    project: &ProjectId,
    entry: &mut AzureEntry,
    block: &StaticBlock,
    accepted_at: DateTime<Utc>,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let (now, last) = (engine.clock.now(), entry.seen.as_ref().map(|seen| seen.at));
    note(entry, project, Some(&block.vault), now);
    let is_bad = block.vault.valid == Some(false) && is_seen_twice(entry, now);
    let is_good = has_proved_itself(entry, &block.vault, now);
    if (is_bad || is_good) && believes_clock(engine).await {
        if is_bad {
            return take_back(engine, atlas, project, entry, block, budget).await;
        }
        take_up(entry, project, block, accepted_at);
        entry.never_worked = false;
    } else if is_bad {
        if last.is_none_or(|last| !is_seen_twice(entry, last)) {
            tracing::warn!(
                %project,
                "the clock is in doubt: the project is not changed back to its static secret"
            );
        }
    } else {
        // What was seen once before was an old answer.
        entry.forget_trouble();
    }
    store(engine, project, entry).await
}

/// The new secret does not work: the one before is sent again, if it is in keeping.
async fn take_back(
    engine: &Engine,
    atlas: &Atlas,
    project: &ProjectId,
    entry: &mut AzureEntry,
    block: &StaticBlock,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let Some(held) = &entry.held else {
        // Atlas holds the new one for certain.
        take_up(entry, project, block, engine.clock.now());
        if let Some(held) = &mut entry.held {
            held.proved = false;
        }
        tracing::warn!(
            %project,
            "the new static secret does not work, and none before it is in keeping; Atlas stops the \
             project's clusters at its next check"
        );
        return give_up(
            engine,
            project,
            entry,
            EncryptionError::NewSecretInvalid.into(),
        )
        .await;
    };
    let (by_itself, none, now) = (Ordered::ByItself, Accepted::default(), engine.clock.now());
    let verdict = unseen::way_back(entry, held, &block.vault, by_itself, none, now);
    if let Verdict::Never(EncryptionError::PrivateWayBack) = verdict {
        // It is not known to be any better.
        let error = EncryptionError::NewSecretInvalid;
        return give_up(engine, project, entry, error.into()).await;
    }
    store(engine, project, entry).await?;
    if let Some(by) = unasked::held(engine).await? {
        tracing::warn!(
            %project, reason = %by,
            "on hold: the project is not changed back to its static secret"
        );
        return Ok(());
    }
    // The new one stays in keeping until Atlas has taken the one before.
    let outcome = rollback::by_itself(engine, atlas, project, entry, budget).await;
    match outcome {
        Ok(()) => {
            tracing::warn!(%project, "the new static secret does not work; the one before was sent again");
            entry.last_error = Some(EncryptionError::SecretTakenBack.to_string());
            store(engine, project, entry).await
        }
        // Asked once more, Atlas can use the key, or shows what the next look has to confirm.
        Err(EngineError::Encryption(
            EncryptionError::PrivateWayBack
            | EncryptionError::Off
            | EncryptionError::OtherApplication { .. }
            | EncryptionError::RoleOfOthers { .. },
        )) => Ok(()),
        // One refusal may pass.
        Err(error @ EngineError::Encryption(EncryptionError::WayBackRefused { .. }))
            if entry.way_back_refused.is_none() =>
        {
            Err(error)
        }
        Err(error @ EngineError::Encryption(_)) => give_up(engine, project, entry, error).await,
        Err(error) => Err(error),
    }
}

/// The new secret is the present one from now on.
fn take_up(entry: &mut AzureEntry, project: &ProjectId, block: &StaticBlock, at: DateTime<Utc>) {
    let Some(pending) = entry.pending.take() else {
        return;
    };
    entry.forget_pending();
    entry.held = Some(HeldSecret {
        client_id: block.client_id.clone(),
        client_secret: pending.client_secret,
        tenant_id: Some(block.tenant_id.clone()),
        expires_at: pending.expires_at,
        proved: true,
        in_force: true,
        since: Some(at),
    });
    entry.static_tenant_id = Some(block.tenant_id.clone());
    entry.state = resting(entry);
    tracing::info!(%project, "static secret of a key vault replaced");
}

/// Refuses what nobody accepted, where Atlas tries a new secret only after it took it.
fn may_send(
    entry: &AzureEntry,
    pending: &PendingSecret,
    vault: &AzureKeyVault,
    accepted: Accepted,
    now: DateTime<Utc>,
) -> Result<(), EncryptionError> {
    match unseen::rotation(entry, pending, vault, Some(accepted), now) {
        Verdict::Send | Verdict::Arrived => Ok(()),
        Verdict::Wait(error) | Verdict::Never(error) => Err(error),
    }
}

async fn give_up(
    engine: &Engine,
    project: &ProjectId,
    entry: &mut AzureEntry,
    error: EngineError,
) -> Result<(), EngineError> {
    // What may be in force is the only copy, and stays until another takes its place.
    entry.fail(chain(&error));
    store(engine, project, entry).await?;
    Err(error)
}

fn doing(project: &ProjectId) -> String {
    format!("changing the static secret of encryption at rest of project {project}")
}
