//! Renewal of a lease: nothing changes in Atlas, but never past what was made there.
//!
//! Atlas is asked for the end of one secret of an account alone. All else goes on where everything is held:
//! a copy whose leases ended for want of it would have more to revoke than it may.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::account_secret::unreadable;
use super::life::Life;
use super::revoke::{account_secret, level, linked};
use crate::atlas::{Patience, Priority};
use crate::engine::Engine;
use crate::engine::error::EngineError;
use crate::engine::names::{JournalId, RoleName};
use crate::engine::origin::BoundTo;
use crate::framework::LeaseCall;
use crate::vault::Response;

/// Extends the lease of an API key: by the role's `ttl`, up to its `max_ttl`.
pub(super) async fn renew_api_key(
    engine: Arc<Engine>,
    call: LeaseCall,
) -> Result<Option<Response>, EngineError> {
    renew(&engine, call, None).await
}

/// Extends the lease of a service account, never past the end of its secret, which Atlas set when it
/// was made.
pub(super) async fn renew_service_account(
    engine: Arc<Engine>,
    call: LeaseCall,
) -> Result<Option<Response>, EngineError> {
    const FIELD: &str = "client_secret_expires_at";
    let broken = |reason: String| EngineError::BrokenLease {
        field: FIELD,
        reason,
    };
    let text = call
        .internal_text(FIELD)
        .ok_or_else(|| broken("it is missing".to_owned()))?;
    let expires_at: DateTime<Utc> = text
        .parse()
        .map_err(|error: chrono::ParseError| broken(error.to_string()))?;
    renew(&engine, call, Some(expires_at)).await
}

/// Extends the lease of one secret of an account. The secret's end is asked of Atlas: whoever adds
/// another secret to the account brings it forward.
pub(super) async fn renew_account_secret(
    engine: Arc<Engine>,
    call: LeaseCall,
) -> Result<Option<Response>, EngineError> {
    let (account, secret) = account_secret(&call)?;
    let level = level(&call)?;
    let linked = linked(&engine, &call).await?;
    let patience = Patience {
        deadline: call.caller.deadline,
        priority: Priority::Rotate,
    };
    let seen = linked
        .atlas
        .service_account(&level, &account, patience)
        .await
        .map_err(|error| unreadable(&account, error))?;
    let mut secrets = seen.secrets.into_iter();
    let held = secrets.find(|held| held.id == secret);
    let held = held.ok_or_else(|| EngineError::SecretGone(account))?;
    renew(&engine, call, held.expires_at).await
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

async fn renew(
    engine: &Engine,
    call: LeaseCall,
    end: Option<DateTime<Utc>>,
) -> Result<Option<Response>, EngineError> {
    refuse_elsewhere(engine, &call).await?;
    let missing = || EngineError::BrokenLease {
        field: "role",
        reason: "it is missing".to_owned(),
    };
    let name = RoleName::new(call.internal_text("role").ok_or_else(missing)?);
    let role = engine.role(&name).await?;
    let role = role.ok_or_else(|| EngineError::RoleOfLeaseGone(name.to_string()))?;
    let life = Life::of(&role, &*engine.system).await?;
    let issued_at = issued_at(engine, &call);
    let life = life.within(limit(engine, issued_at, end));
    let life = life.ok_or(EngineError::SecretExpired)?;
    let dies_by = issued_at + life.max_ttl;
    if let Some(id) = call.internal_text("journal_id").and_then(JournalId::parse) {
        let length = length(engine, &call, life).await?;
        let lease_ends = lease_end(engine.clock.now(), length, dies_by);
        // Before the lease may outlive it, the journal's last possible moment is moved.
        engine.journal.extend(&id, dies_by, length).await?;
        engine.journal.renewed(&id, lease_ends);
    }
    Ok(Some(call.renewed(life.ttl, life.max_ttl)))
}

/// How long the renewed lease runs at most: the server goes by what the user asked for, if anything.
async fn length(engine: &Engine, call: &LeaseCall, life: Life) -> Result<Duration, EngineError> {
    if call.secret.increment.is_zero() {
        return life.length(&*engine.system).await;
    }
    Ok(call.secret.increment.min(life.max_ttl))
}

fn lease_end(now: DateTime<Utc>, length: Duration, dies_by: DateTime<Utc>) -> DateTime<Utc> {
    let length = TimeDelta::from_std(length).unwrap_or(TimeDelta::MAX);
    let end = now.checked_add_signed(length);
    end.map_or(dies_by, |end| end.min(dies_by))
}
