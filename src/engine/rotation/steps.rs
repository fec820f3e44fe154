//! The steps of a rotation, from the look at the account to the secret that readers are given.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use super::ask::{Requests, WantedSecret};
use super::context::{Record, RotatedRecord, RotationContext};
use super::proof::prove_new;
use super::slots::{failed, look, make_room, remove, store_then_delete};
use crate::atlas::{AtlasError, CreatedSecret, NEW_SECRET_WORKS_WITHIN, SecretId};
use crate::engine::error::{EngineError, RotationError};
use crate::engine::lost_secret::SecretRequest;
use crate::engine::rotation_state::{ClientSecret, Pending, PresentSecret, Retiring};
use crate::engine::unasked::Permit;

/// Atlas brings the end of a secret forward to this once there is a newer one.
/// Source: Atlas documentation, "Rotate Service Account Secrets".
const OLDER_SECRET_LIVES: TimeDelta = TimeDelta::days(7);

/// Gives the account a new secret and makes it the one that readers are given.
///
/// Carries on where an earlier rotation stopped. Whatever fails, the record is in a state that may be
/// stored, and readers keep a secret that works. The old secret is put aside, not removed. `force`
/// removes at once what is kept for those who still use it, if it is in the way.
pub(crate) async fn rotate_secret(
    record: &mut dyn RotatedRecord,
    context: &RotationContext<'_>,
    force: bool,
) -> Result<(), EngineError> {
    if record.others().made().is_none() {
        make(record, context, force).await?;
    }
    let Some(made) = record.others().made().cloned() else {
        return Ok(());
    };
    if let Err(error) = prove_new(record, &made.value, context).await {
        return Err(not_proved(record, context, &made, error).await);
    }
    publish(record, made, context.engine.clock.now());
    record.store().await
}

/// Asks Atlas for a secret. Stored first: which secrets there were, so that one whose answer is lost
/// is known for what it is.
async fn make(
    record: &mut dyn Record,
    context: &RotationContext<'_>,
    force: bool,
) -> Result<(), EngineError> {
    let (secrets, _) = look(record, context).await?;
    let present = make_room(record, context, secrets, force).await?;
    let before = record.others().pending.clone();
    let now = context.engine.clock.now();
    let wanted = WantedSecret {
        engine: context.engine,
        atlas: context.atlas,
        level: record.level(),
        client_id: record.client_id().clone(),
        lifetime: context.lifetime,
        budget: context.budget,
    };
    let mut requests = InRecord {
        record: &mut *record,
        present,
        now,
    };
    match wanted.ask(&mut requests).await? {
        Ok(secret) => keep(record, context, secret, now).await,
        Err(error) => {
            if !error.outcome_unknown() {
                record.others_mut().pending = before;
                record.store().await?;
            }
            Err(not_created(record, context, error))
        }
    }
}

/// Requests of a rotation, written down in its record.
struct InRecord<'a> {
    record: &'a mut dyn Record,
    /// The account's secrets before the first.
    present: Vec<SecretId>,
    now: DateTime<Utc>,
}

#[async_trait]
impl Requests for InRecord<'_> {
    async fn store(&mut self, request: SecretRequest) -> Result<(), EngineError> {
        let now = self.now;
        // A secret whose answer was lost may still be missing from what was just read.
        let pending = &mut self.record.others_mut().pending;
        let pending = pending.get_or_insert_with(|| Pending {
            known: std::mem::take(&mut self.present),
            since: now,
            asked_at: None,
            requests: Vec::new(),
            made: None,
            lost: Vec::new(),
        });
        pending.ask(request, now);
        self.record.store().await
    }

    fn sent(&mut self) -> Option<&mut SecretRequest> {
        let pending = self.record.others_mut().pending.as_mut();
        pending.and_then(|pending| pending.requests.last_mut())
    }
}

/// Stores the new secret before anybody learns of it. One that cannot be stored is removed again.
async fn keep(
    record: &mut dyn Record,
    context: &RotationContext<'_>,
    secret: CreatedSecret,
    now: DateTime<Utc>,
) -> Result<(), EngineError> {
    cut_current(record, now);
    let id = secret.id.clone();
    if let Some(pending) = &mut record.others_mut().pending {
        pending.since = now;
        pending.made = Some(ClientSecret {
            id: Some(secret.id),
            value: secret.client_secret,
            expires_at: Some(secret.expires_at),
        });
    }
    let Err(error) = record.store().await else {
        return Ok(());
    };
    if remove(record, context, Permit::UNDO, &id).await.is_ok() {
        record.others_mut().pending = None;
    }
    Err(error)
}

fn cut_current(record: &mut dyn Record, now: DateTime<Utc>) {
    if let Some(current) = record.current() {
        let cut = now + OLDER_SECRET_LIVES;
        let expires_at = current.expires_at.map_or(cut, |end| end.min(cut));
        record.amend_current(current.id().cloned(), Some(expires_at));
    }
}

fn publish(record: &mut dyn RotatedRecord, made: ClientSecret, now: DateTime<Utc>) {
    let replaced = record.current();
    let expired = replaced
        .as_ref()
        .and_then(|held| held.expires_at)
        .is_some_and(|end| end <= now);
    let look_at = if expired { now } else { now + record.overlap() };
    record.others_mut().pending = None;
    record.publish(made, now);
    if let Some(id) = replaced.as_ref().and_then(PresentSecret::id).cloned() {
        record.others_mut().retiring.push(Retiring {
            id,
            since: now,
            look_at,
            in_use: false,
            failures: 0,
        });
    }
}

/// What mints no token is tried again later, and given up in the end.
async fn not_proved(
    record: &mut dyn Record,
    context: &RotationContext<'_>,
    made: &ClientSecret,
    error: AtlasError,
) -> EngineError {
    if !error.is_unauthenticated() {
        return EngineError::atlas("proving the new secret by minting a token", error);
    }
    let since = record
        .others()
        .pending
        .as_ref()
        .map(|pending| pending.since);
    let now = context.engine.clock.now();
    if since.is_none_or(|since| now - since < NEW_SECRET_WORKS_WITHIN) {
        return RotationError::NotProved(error).into();
    }
    // That it had its time is told by the clock, for whoever ordered it too.
    let permit = match (context.permit().await, context.believe_clock().await) {
        (Ok(Ok(permit)), Ok(Ok(()))) => permit,
        (Err(failure), _) | (_, Err(failure)) => return failure,
        _ => return RotationError::NotProved(error).into(),
    };
    if let Some(id) = &made.id
        && let Err(failure) = store_then_delete(record, context, permit, id).await
    {
        return failure;
    }
    record.others_mut().pending = None;
    match record.store().await {
        Ok(()) => RotationError::GivenUp(error).into(),
        Err(failure) => failure,
    }
}

fn not_created(
    record: &dyn Record,
    context: &RotationContext<'_>,
    source: AtlasError,
) -> EngineError {
    match source {
        AtlasError::Refused { status: 400, .. } => RotationError::NotCreated {
            hours: context.lifetime,
            source,
        }
        .into(),
        source => failed(record, "creating a secret of the service account", source),
    }
}
