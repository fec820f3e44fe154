//! Renewal of a lease: never past what was made in Atlas, where something changes for a database user alone.
//!
//! Atlas is asked for the end of one secret of an account, and has to move that of a database user. All else
//! goes on where everything is held: a copy whose leases ended for want of it would have more to revoke than
//! it may.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::kind::CredentialKind;
use super::lease::{ended, journal_id, missing};
use super::lease_ttl::{LeaseTtl, MountTimes};
use crate::engine::Engine;
use crate::engine::error::EngineError;
use crate::engine::measures::Work;
use crate::engine::names::RoleName;
use crate::engine::origin::BoundTo;
use crate::framework::LeaseCall;
use crate::vault::Response;

/// Extends a lease by the role's `ttl`, up to its `max_ttl` and the end that Atlas has set; unless its
/// credential was ended, which is told before Atlas is asked anything.
pub(super) async fn renew(
    kind: &'static dyn CredentialKind,
    engine: Arc<Engine>,
    call: LeaseCall,
) -> Result<Option<Response>, EngineError> {
    let begun = engine.clock.monotonic();
    let renewed = renewed(kind, &engine, call).await;
    let took = engine.clock.monotonic().saturating_sub(begun);
    let (work, of) = (Work::Renew, kind.credential_type());
    engine.measures.note(work, of, renewed.is_ok(), took);
    renewed
}

async fn renewed(
    kind: &dyn CredentialKind,
    engine: &Engine,
    call: LeaseCall,
) -> Result<Option<Response>, EngineError> {
    if let Some((_, entry)) = ended(engine, &call).await
        && let Some(end) = &entry.ended
    {
        return Err(end.refusal(&entry.role));
    }
    let end = kind.ends_at(engine, &call).await?;
    extend(kind, engine, call, end).await
}

fn issued_at(engine: &Engine, call: &LeaseCall) -> DateTime<Utc> {
    call.secret.issue_time.unwrap_or_else(|| engine.clock.now())
}

/// The most that the lease may live from its issue; zero where its secret ended already.
fn limit(engine: &Engine, issued_at: DateTime<Utc>, end: Option<DateTime<Utc>>) -> Duration {
    match end {
        None => Duration::MAX,
        Some(end) if end <= engine.clock.now() => Duration::ZERO,
        Some(end) => (end - issued_at).to_std().unwrap_or_default(),
    }
}

/// Refuses to extend what the configuration of now could not end. Without a configuration there is
/// nothing to compare with.
async fn refuse_elsewhere(engine: &Engine, call: &LeaseCall) -> Result<(), EngineError> {
    let bound = BoundTo::of_lease(call)?;
    match engine.connection.admit(&bound).await {
        Err(EngineError::NotConfigured) => Ok(()),
        outcome => outcome,
    }
}

async fn extend(
    kind: &dyn CredentialKind,
    engine: &Engine,
    call: LeaseCall,
    end: Option<DateTime<Utc>>,
) -> Result<Option<Response>, EngineError> {
    refuse_elsewhere(engine, &call).await?;
    let name = call.internal_text("role");
    let name = RoleName::new(name.ok_or_else(|| missing("role"))?);
    let (role, times) = tokio::try_join!(engine.role(&name), MountTimes::of(&*engine.system))?;
    let role = role.ok_or_else(|| EngineError::RoleOfLeaseGone(name.to_string()))?;
    let life = LeaseTtl::of(&role, times);
    let issued_at = issued_at(engine, &call);
    let life = life.within(limit(engine, issued_at, end));
    let life = life.ok_or(EngineError::SecretExpired)?;
    let now = engine.clock.now();
    let elapsed = (now - issued_at).to_std().unwrap_or_default();
    let life = kind.bounded(life, elapsed);
    let max_expire_time = issued_at + life.max_ttl;
    let length = length(&call, life);
    let lease_ends = lease_end(now, length, max_expire_time);
    kind.prolong(
        engine,
        &call,
        (lease_ends - now).to_std().unwrap_or_default(),
    )
    .await?;
    if let Some(id) = journal_id(&call) {
        // Before the lease may outlive it, the journal's last possible moment is moved.
        engine.journal.extend(&id, max_expire_time, length).await?;
        engine.journal.renewed(&id, lease_ends);
    }
    Ok(Some(call.renewed(life.ttl, life.max_ttl)))
}

/// How long the renewed lease runs at most: the server goes by what the user asked for, if anything.
fn length(call: &LeaseCall, life: LeaseTtl) -> Duration {
    if call.secret.increment.is_zero() {
        return life.length();
    }
    call.secret.increment.min(life.max_ttl)
}

fn lease_end(
    now: DateTime<Utc>,
    length: Duration,
    max_expire_time: DateTime<Utc>,
) -> DateTime<Utc> {
    let length = TimeDelta::from_std(length).unwrap_or(TimeDelta::MAX);
    let end = now.checked_add_signed(length);
    end.map_or(max_expire_time, |end| end.min(max_expire_time))
}
