//! Work on one static role: the rotation that is due or asked for, the end of a replaced secret, the
//! daily look, and what is left of a deleted role.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use super::entry::StaticRoleEntry;
use super::index::Brief;
use super::record::RoleRecord;
use crate::atlas::{Atlas, AtlasError, ClientId, Priority, RequestBudget, SecretState};
use crate::base::Rfc3339;
use crate::engine::account_use::refuse_own;
use crate::engine::error::{EngineError, RotationError};
use crate::engine::rotation::{
    Record as _, RotationContext, discard_pending, look, prove, retire, rotate_secret,
};
use crate::engine::rotation_state::{ClientSecret, OtherSecrets, Retiring};
use crate::engine::unasked::Mandate;
use crate::engine::{Engine, keys, stored};
use crate::vault::failure::chain;

/// How long one role may take of a periodic run.
const BUDGET: Duration = Duration::from_secs(40);
/// Somebody else at work on the account is waited for as long.
const TURN_BUDGET: Duration = Duration::from_secs(1);

/// Does what is due for one account.
pub(super) async fn work(
    engine: Arc<Engine>,
    client_id: ClientId,
    brief: Brief,
) -> Result<(), EngineError> {
    let turn = Instant::now() + TURN_BUDGET;
    let Ok(_turn) = engine.account_turn_first(&client_id, turn).await else {
        return Ok(());
    };
    let key = if brief.leaving {
        keys::static_leaving(&client_id)
    } else {
        keys::static_role(&brief.name)
    };
    let entry: Option<StaticRoleEntry> = stored::load(&*engine.storage, &key).await?;
    // The name may be another account's by now, whose turn this is not.
    let Some(entry) = entry.filter(|entry| entry.client_id == client_id) else {
        engine.static_roles.drop(&client_id);
        return Ok(());
    };
    let mut record = RoleRecord {
        engine: Arc::clone(&engine),
        name: brief.name,
        leaving: brief.leaving,
        entry,
    };
    let budget = RequestBudget::within(BUDGET, Priority::Rotate);
    if record.leaving {
        return leave(&mut record, brief.look, budget).await;
    }
    let outcome = attend(&mut record, brief.look, budget).await;
    if matches!(outcome, Err(EngineError::Storage(_))) {
        record.reload().await;
    }
    note_outcome(&record, &outcome, brief.look);
    outcome
}

/// Tells the index how things stand after a periodic run's work. Where only Atlas's rate limit was
/// in the way all is due that was due before, the look at `look_at` included.
fn note_outcome(record: &RoleRecord, outcome: &Result<(), EngineError>, look_at: DateTime<Utc>) {
    let (engine, work) = (&record.engine, record.work());
    if engine.rate_waits.note(&work, outcome, engine.clock.now()) {
        engine
            .static_roles
            .note_look(&record.name, record.leaving, &record.entry, look_at);
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
            let news = find_lost(record, &context, &secrets).await;
            news.map(|news| news || learnt)
        }
        Err(error) => Err(error),
    };
    match manager.done(outcome).await {
        Ok(learnt) => {
            // No rotation was due: trouble noted here is that of an earlier look.
            if record.entry.rotation.failure.take().is_some() || learnt {
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
/// the refusal alone proves nothing, as a gateway may give it. True: this is news.
async fn find_lost(
    record: &mut RoleRecord,
    context: &RotationContext<'_>,
    secrets: &[SecretState],
) -> Result<bool, EngineError> {
    let Some(current) = &record.entry.current else {
        return Ok(false);
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
    let news = lost.is_some() != record.entry.lost.is_some();
    if news && lost.is_some() {
        tracing::warn!(
            role = record.name, client_id = %record.entry.client_id,
            "current client secret was deleted in Atlas"
        );
    }
    record.entry.lost = lost;
    Ok(news)
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
        role = record.name, error = failure.error, next_retry_time = %Rfc3339(failure.next_try),
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

/// Finishes what a deleted role left in Atlas. Its account and present secret stay.
async fn leave(
    record: &mut RoleRecord,
    look_at: DateTime<Utc>,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let outcome = finish(record, budget).await;
    if outcome.is_ok() && record.entry.others.is_done() {
        record.erase().await?;
        record.engine.static_roles.drop(&record.entry.client_id);
        record.engine.rate_waits.forget(&record.work());
        return Ok(());
    }
    if let Err(error) = &outcome {
        note_failure(record, error).await;
    } else {
        record.store().await?;
    }
    note_outcome(record, &outcome, look_at);
    outcome
}

async fn finish(record: &mut RoleRecord, budget: RequestBudget) -> Result<(), EngineError> {
    let manager = record.manager().await?;
    let engine = Arc::clone(&record.engine);
    let context = context(record, &engine, &manager.atlas, Mandate::Unasked, budget).await;
    let outcome = match discard_pending(record, &context).await {
        Ok(()) => retire(record, &context).await,
        Err(error) => Err(error),
    };
    let outcome = match outcome {
        Err(EngineError::Rotation(RotationError::AccountGone { source, .. })) => {
            without_account(record, &context, source).await
        }
        outcome => outcome,
    };
    manager.done(outcome).await
}

/// Where the account is managed Atlas does not know it. Once it is proved to be gone in the
/// organization as well, so are its secrets. One that only left its project lives on there.
async fn without_account(
    record: &mut RoleRecord,
    context: &RotationContext<'_>,
    unknown: AtlasError,
) -> Result<(), EngineError> {
    const DOING: &str = "looking for the service account in its organization";
    let entry = &mut record.entry;
    let (org, client_id) = (&entry.organization_id, &entry.client_id);
    let found = context
        .atlas
        .find_service_account(org, client_id, context.budget);
    let found = found.await;
    if found
        .map_err(|error| EngineError::atlas(DOING, error))?
        .is_none()
    {
        entry.others = OtherSecrets::default();
        return Ok(());
    }
    match entry.project_id.take() {
        // The next try looks for it there.
        Some(_) => Ok(()),
        None => Err(EngineError::atlas(DOING, unknown)),
    }
}
