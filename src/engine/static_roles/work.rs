//! Work on one static role: the rotation that is due or asked for, the end of a replaced secret, the
//! daily look; and on what a deleted role has left.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use super::index::Brief;
use super::record::RoleRecord;
use super::write::load;
use crate::atlas::{Atlas, ClientId, Priority, RequestBudget, SecretState};
use crate::base::Rfc3339;
use crate::engine::Engine;
use crate::engine::account_use::refuse_own;
use crate::engine::error::EngineError;
use crate::engine::journal::clean_up_left_secrets;
use crate::engine::rotation::{
    Learnt, Record as _, RotationContext, look, prove, retire, rotate_secret,
};
use crate::engine::rotation_state::{ClientSecret, Retiring};
use crate::engine::unasked::Mandate;
use crate::vault::failure::chain;

/// How long one role may take of a periodic run.
const BUDGET: Duration = Duration::from_secs(40);
/// Somebody else at work on the account is waited for as long.
const LOCK_BUDGET: Duration = Duration::from_secs(1);

/// Does what is due for one account.
pub(super) async fn work(
    engine: Arc<Engine>,
    client_id: ClientId,
    brief: Brief,
) -> Result<(), EngineError> {
    let soon = Instant::now() + LOCK_BUDGET;
    let Ok(_lock) = engine.lock_account_first(&client_id, soon).await else {
        return Ok(());
    };
    // The name may be another account's by now, whose turn this is not.
    let entry = load(&engine, &brief.name).await?;
    let Some(entry) = entry.filter(|entry| entry.client_id == client_id) else {
        engine.static_roles.drop(&client_id);
        return Ok(());
    };
    let mut record = RoleRecord {
        engine: Arc::clone(&engine),
        name: brief.name,
        entry,
    };
    let budget = RequestBudget::within(BUDGET, Priority::Rotate);
    let outcome = attend(&mut record, brief.look, budget).await;
    if matches!(outcome, Err(EngineError::Storage(_))) {
        record.reload().await;
    }
    note_outcome(&record, &outcome, brief.look);
    outcome
}

/// Removes what it is time to remove of the secrets that a deleted role has left at its account.
pub(super) async fn clean_up_left(
    engine: Arc<Engine>,
    client_id: ClientId,
) -> Result<(), EngineError> {
    let soon = Instant::now() + LOCK_BUDGET;
    let Ok(_lock) = engine.lock_account_first(&client_id, soon).await else {
        return Ok(());
    };
    if let Some(name) = engine.static_role_with(&client_id).await? {
        let entry = load(&engine, &name).await?;
        if entry.is_some_and(|entry| entry.client_id == client_id) {
            // Its deletion ended half-way, or so did that of the entry which it took over: all that the
            // entry names stands in the role.
            return engine.journal.forget_left_secrets(&client_id).await;
        }
        engine.static_roles.drop(&client_id);
    }
    let budget = RequestBudget::within(BUDGET, Priority::Rotate);
    clean_up_left_secrets(&engine, &client_id, budget).await
}

/// Tells the index how things stand after a periodic run's work. Where only Atlas's rate limit was
/// in the way all is due that was due before, the look at `look_at` included.
fn note_outcome(record: &RoleRecord, outcome: &Result<(), EngineError>, look_at: DateTime<Utc>) {
    let (engine, work) = (&record.engine, record.work());
    if engine.rate_waits.note(&work, outcome, engine.clock.now()) {
        engine
            .static_roles
            .note_look(&record.name, &record.entry, look_at);
    } else {
        record.note();
    }
}

/// A replaced secret goes first: it may be in the way of a new one.
async fn attend(
    record: &mut RoleRecord,
    look_at: DateTime<Utc>,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let now = record.engine.clock.now();
    pass_over_missed(record, now).await?;
    let is_due = |each: &Retiring| each.look_at <= now;
    let mut outcome = Ok(());
    if record.entry.others.retiring.iter().any(is_due) {
        outcome = end_replaced(record, Mandate::Unasked, budget).await;
    }
    if record.entry.rotation_is_due(now) {
        rotate(record, Mandate::Unasked, budget, false).await?;
    } else if look_at <= now {
        inspect(record, budget).await?;
        // Without its secret no reader gets on.
        if record.entry.rotation_is_due(now) {
            rotate(record, Mandate::Unasked, budget, false).await?;
        }
    }
    outcome
}

async fn pass_over_missed(record: &mut RoleRecord, now: DateTime<Utc>) -> Result<(), EngineError> {
    if record.entry.others.pending.is_some() {
        return Ok(());
    }
    let (plan, end) = (record.entry.rotation.plan(), record.entry.ends_at());
    let state = &mut record.entry.rotation;
    let Some(missed) = state.pass_over_missed(&plan, &record.name, end, now) else {
        return Ok(());
    };
    tracing::warn!(
        role = record.name,
        due = %Rfc3339(missed),
        "static role rotation missed its window; waiting for the next one"
    );
    record.store().await
}

/// Rotates now. A failure is noted with the role, for the next try and for people.
pub(super) async fn rotate(
    record: &mut RoleRecord,
    mandate: Mandate,
    budget: RequestBudget,
    force: bool,
) -> Result<(), EngineError> {
    if let Err(error) = rotate_by_manager(record, mandate, budget, force).await {
        if matches!(error, EngineError::Storage(_)) {
            record.reload().await;
        }
        note_failure(record, &error).await;
        return Err(error);
    }
    record.engine.rate_waits.forget(&record.work());
    tracing::info!(role = record.name, client_id = %record.entry.client_id, "static role rotated");
    end_at_once(record, mandate, budget).await;
    Ok(())
}

/// Where there is no overlap, the old secret goes with the rotation. The new one is out by now: a
/// failure is logged, and the periodic run tries again.
pub(super) async fn end_at_once(record: &mut RoleRecord, mandate: Mandate, budget: RequestBudget) {
    if record.entry.options.overlap.is_zero() && !record.entry.others.retiring.is_empty() {
        let _ = end_replaced(record, mandate, budget).await;
    }
}

/// Rotates now; what to do about a failure is the caller's.
pub(super) async fn rotate_by_manager(
    record: &mut RoleRecord,
    mandate: Mandate,
    budget: RequestBudget,
    force: bool,
) -> Result<(), EngineError> {
    record.engine.refuse_while_draining().await?;
    // It may have become the engine's own since the role was written.
    refuse_own(&record.engine, &record.entry.client_id).await?;
    let manager = record.manager().await?;
    let engine = Arc::clone(&record.engine);
    let context = context(record, &engine, &manager.atlas, mandate, budget).await;
    let outcome = rotate_secret(record, &context, force).await;
    manager.done(outcome).await
}

/// Removes replaced secrets whose time has come.
pub(super) async fn end_replaced(
    record: &mut RoleRecord,
    mandate: Mandate,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let manager = record.manager().await?;
    let engine = Arc::clone(&record.engine);
    let context = context(record, &engine, &manager.atlas, mandate, budget).await;
    let outcome = retire(record, &context).await;
    let outcome = manager.done(outcome).await;
    if let Err(error) = &outcome
        && !error.is_rate_limited()
    {
        tracing::warn!(
            role = record.name,
            error = %chain(error),
            "replaced client secret could not be deleted yet; retrying"
        );
    }
    outcome
}

/// Looks at the account: somebody may have added a secret, which brings the present one's end
/// forward, or deleted the account.
async fn inspect(record: &mut RoleRecord, budget: RequestBudget) -> Result<(), EngineError> {
    let manager = record.manager().await?;
    let engine = Arc::clone(&record.engine);
    let context = context(record, &engine, &manager.atlas, Mandate::Unasked, budget).await;
    let outcome = look(record, &context).await;
    let outcome = match outcome {
        Ok((secrets, learnt)) => {
            let lost = find_lost(record, &context, &secrets).await;
            lost.map(|lost| learnt.or(lost))
        }
        Err(error) => Err(error),
    };
    match manager.done(outcome).await {
        Ok(learnt) => {
            // No rotation was due: trouble noted here is that of an earlier look.
            if record.entry.rotation.failure.take().is_some() || learnt == Learnt::Something {
                record.store().await?;
            }
            Ok(())
        }
        Err(error) => {
            note_failure(record, &error).await;
            Err(error)
        }
    }
}

/// Finds out whether somebody deleted the present secret: two looks, seconds apart, do not list it, and
/// it mints no token. The list alone proves nothing, as Atlas may not show at once what is new, and
/// the refusal alone proves nothing, as a gateway may give it.
async fn find_lost(
    record: &mut RoleRecord,
    context: &RotationContext<'_>,
    secrets: &[SecretState],
) -> Result<Learnt, EngineError> {
    let Some(current) = &record.entry.current else {
        return Ok(Learnt::Nothing);
    };
    let current = current.clone();
    let mut lost = None;
    if !is_listed(&current, secrets) {
        let client_id = &record.entry.client_id;
        let proof = prove(context.atlas, client_id, &current.value, context.budget).await;
        match proof {
            Ok(()) => {}
            Err(error) if error.is_unauthenticated() => {
                if !is_listed(&current, &look_again(record, context).await?) {
                    lost = record.entry.lost.or(Some(context.engine.clock.now()));
                }
            }
            Err(error) => {
                return Err(EngineError::atlas(
                    "proving the present secret by minting a token",
                    error,
                ));
            }
        }
    }
    let is_new = lost.is_some() != record.entry.lost.is_some();
    if is_new && lost.is_some() {
        tracing::warn!(
            role = record.name, client_id = %record.entry.client_id,
            "current client secret was deleted in Atlas"
        );
    }
    record.entry.lost = lost;
    Ok(if is_new {
        Learnt::Something
    } else {
        Learnt::Nothing
    })
}

fn is_listed(current: &ClientSecret, secrets: &[SecretState]) -> bool {
    secrets.iter().any(|state| current.may_be(state))
}

/// A second look, some seconds after the first: one alone proves nothing.
async fn look_again(
    record: &mut RoleRecord,
    context: &RotationContext<'_>,
) -> Result<Vec<SecretState>, EngineError> {
    let pause = context.atlas.pause_between_looks(context.budget).await;
    pause.map_err(|error| EngineError::atlas("reading the service account again", error))?;
    look(record, context).await.map(|(secrets, _)| secrets)
}

/// Notes a failure with the role, for the next try and for people. Want of rate is none.
async fn note_failure(record: &mut RoleRecord, error: &EngineError) {
    if error.is_mere_wait() {
        return;
    }
    let (now, entropy) = (record.engine.clock.now(), &*record.engine.entropy);
    let failure = record.entry.rotation.note_failure(error, now, entropy);
    tracing::warn!(
        role = record.name, error = failure.error, next_retry_time = %Rfc3339(failure.next_retry_time),
        "static role rotation failed; readers keep the current secret"
    );
    if let Err(error) = record.store().await {
        tracing::warn!(
            role = record.name,
            error = %chain(&error),
            "could not store the rotation failure"
        );
    }
}

async fn context<'a>(
    record: &RoleRecord,
    engine: &'a Engine,
    atlas: &'a Atlas,
    mandate: Mandate,
    budget: RequestBudget,
) -> RotationContext<'a> {
    let now = engine.clock.now();
    let org = &record.entry.organization_id;
    let wanted = record.entry.lifetime(now);
    let lifetime = engine.secret_lifetime(atlas, org, wanted, budget).await;
    RotationContext {
        engine,
        atlas,
        budget,
        lifetime,
        mandate,
    }
}
