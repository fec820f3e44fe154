//! The end of a replaced secret: after its overlap, once nobody uses it, or twice the overlap on.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::context::{Record, RotationContext};
use super::secret_status::{is_current, is_in_use, kept_may_go, may_be_current};
use super::slots::{look, remove, store_then_delete};
use crate::atlas::{ROTATION_SHOWN_WITHIN, SecretState};
use crate::base::Rfc3339;
use crate::engine::backoff::pause;
use crate::engine::error::EngineError;
use crate::engine::rotation_state::Retiring;
use crate::engine::unasked::Permit;

/// A secret that is still in use is looked at again after a quarter of the overlap, within this.
const LOOK_AGAIN: std::ops::RangeInclusive<Duration> =
    Duration::from_mins(1)..=Duration::from_mins(30);

/// Removes replaced secrets whose time has come.
pub(crate) async fn retire(
    record: &mut dyn Record,
    context: &RotationContext<'_>,
) -> Result<(), EngineError> {
    let now = context.engine.clock.now();
    let is_due = |each: &Retiring| each.look_at <= now;
    if !record.others().retiring.iter().any(is_due) {
        return Ok(());
    }
    let Ok(permit) = context.permit().await? else {
        return Ok(());
    };
    let outcome = retire_due(record, context, permit, now).await;
    if outcome
        .as_ref()
        .is_err_and(|error| !error.is_rate_limited())
    {
        let entropy = &*context.engine.entropy;
        for each in &mut record.others_mut().retiring {
            if is_due(each) {
                each.failures = each.failures.saturating_add(1);
                each.look_at = now + pause(each.failures, entropy);
            }
        }
    }
    record.store().await?;
    outcome
}

async fn retire_due(
    record: &mut dyn Record,
    context: &RotationContext<'_>,
    permit: Permit,
    now: DateTime<Utc>,
) -> Result<(), EngineError> {
    let (secrets, _) = look(record, context).await?;
    for each in record.others().retiring.clone() {
        if each.look_at > now {
            continue;
        }
        let state = secrets.iter().find(|state| state.id == each.id);
        match state {
            Some(state) if is_current(record, state) => {}
            Some(state)
                if may_be_current(record, state)
                    || !kept_may_go(record, state, each.since, now) =>
            {
                wait_on(record, &each, state, now);
                continue;
            }
            // That it is not listed once does not prove it gone; the delete finds out.
            Some(_) | None => remove(record, context, permit, &each.id).await?,
        }
        let retiring = &mut record.others_mut().retiring;
        retiring.retain(|kept| kept.id != each.id);
    }
    Ok(())
}

/// Keeps one for now: its time is not over (the overlap may have been raised since), somebody uses it,
/// or it may be the present one.
fn wait_on(record: &mut dyn Record, each: &Retiring, state: &SecretState, now: DateTime<Utc>) {
    let overlap = record.overlap();
    let (first, last) = (each.since + overlap, each.since + overlap * 2);
    let in_use = is_in_use(record, state, now);
    let again = now + (overlap / 4).clamp(*LOOK_AGAIN.start(), *LOOK_AGAIN.end());
    let look_at = if now < first {
        first
    } else if now < last {
        tracing::info!(
            client_id = %record.client_id(), secret_id = %each.id, until = %Rfc3339(last),
            "replaced client secret is still in use; keeping it for now"
        );
        again.min(last)
    } else {
        again
    };
    for kept in &mut record.others_mut().retiring {
        if kept.id == each.id {
            (kept.in_use, kept.look_at) = (in_use, look_at);
        }
    }
}

/// Removes from Atlas a secret that was made, or may have been made, and never published. While none
/// is listed, it stays pending for a few minutes.
pub(crate) async fn discard_pending(
    record: &mut dyn Record,
    context: &RotationContext<'_>,
) -> Result<(), EngineError> {
    let Some(pending) = record.others().pending.clone() else {
        return Ok(());
    };
    let Ok(permit) = context.permit().await? else {
        return Ok(());
    };
    if let Some(id) = pending.made.as_ref().and_then(|held| held.id.as_ref()) {
        store_then_delete(record, context, permit, id).await?;
    } else {
        let (secrets, _) = look(record, context).await?;
        let mut lost = secrets;
        let found = record.others().pending.clone().unwrap_or(pending.clone());
        lost.retain(|state| !may_be_current(record, state) && found.has_lost(state));
        for state in &lost {
            store_then_delete(record, context, permit, &state.id).await?;
        }
        // Left to a person, as `status` tells.
        if lost.is_empty() && context.engine.ambiguous.has(&record.key()) {
            return Ok(());
        }
        let age = context.engine.clock.now() - pending.last_asked();
        // Forgotten by a clock that is wrong, it would stay in Atlas for good.
        if lost.is_empty()
            && (age <= ROTATION_SHOWN_WITHIN || context.believe_clock().await?.is_err())
        {
            return Ok(());
        }
    }
    record.others_mut().pending = None;
    record.store().await
}
