//! What the internal data of a lease tell: all that is known of a credential when its lease is renewed or
//! revoked, in our shape or the Go engine's.

use std::str::FromStr;
use std::sync::Arc;

use crate::atlas::{ClientId, Level, Priority, RequestBudget, SecretId};
use crate::engine::Engine;
use crate::engine::connection::ConfiguredClient;
use crate::engine::error::EngineError;
use crate::engine::journal::JournalEntry;
use crate::engine::names::JournalId;
use crate::engine::origin::BoundTo;
use crate::framework::LeaseCall;

/// A value of the internal data; the Go engine stores an absent one as an empty text.
pub(super) fn internal<T: FromStr>(
    call: &LeaseCall,
    field: &'static str,
) -> Result<Option<T>, EngineError>
where
    T::Err: std::fmt::Display,
{
    match call.internal_text(field) {
        None | Some("") => Ok(None),
        Some(text) => text
            .parse()
            .map(Some)
            .map_err(|error: T::Err| EngineError::BrokenLease {
                field,
                reason: error.to_string(),
            }),
    }
}

/// The same, of a value without which there is nothing to be done.
pub(super) fn required<T: FromStr>(call: &LeaseCall, field: &'static str) -> Result<T, EngineError>
where
    T::Err: std::fmt::Display,
{
    internal(call, field)?.ok_or_else(|| missing(field))
}

pub(super) fn missing(field: &'static str) -> EngineError {
    EngineError::BrokenLease {
        field,
        reason: "it is missing".to_owned(),
    }
}

/// Its entry in the journal; leases of the Go engine have none.
pub(super) fn journal_id(call: &LeaseCall) -> Option<JournalId> {
    call.internal_text("journal_id").and_then(JournalId::parse)
}

/// The entry of a credential that was ended before its lease. Where storage does not tell, the lease is
/// one like any other.
pub(super) async fn ended(engine: &Engine, call: &LeaseCall) -> Option<(JournalId, JournalEntry)> {
    let id = journal_id(call)?;
    let entry = engine.journal.entry(&id).await.ok().flatten()?;
    entry.ended.is_some().then_some((id, entry))
}

/// The account and the secret of a lease.
pub(super) fn account_secret(call: &LeaseCall) -> Result<(ClientId, SecretId), EngineError> {
    Ok((required(call, "client_id")?, required(call, "secret_id")?))
}

/// Where the account of a lease is managed.
pub(super) fn level(call: &LeaseCall) -> Result<Level, EngineError> {
    if let Some(project) = internal(call, "project_id")? {
        return Ok(Level::Project(project));
    }
    required(call, "organization_id").map(Level::Org)
}

/// The client for a lease: at another origin than its own it would count as gone without being so.
pub(super) async fn linked(
    engine: &Engine,
    call: &LeaseCall,
) -> Result<Arc<ConfiguredClient>, EngineError> {
    let bound = BoundTo::of_lease(call)?;
    engine.connection.linked_to(&bound).await
}

/// For as long as the host waits for the end of a lease.
pub(super) fn budget(call: &LeaseCall) -> RequestBudget {
    RequestBudget {
        deadline: call.caller.deadline,
        priority: Priority::Revoke,
    }
}
