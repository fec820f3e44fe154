//! The end of a lease: the credential is deleted in Atlas, and only then its journal entry.
//!
//! Everything needed is in the lease's internal data, in our shape or the Go engine's. Without a
//! configuration, or where Atlas does not do it, the revocation fails and the host tries again: a
//! credential that may still be alive is never taken for revoked.
//!
//! Neither `hold` nor a clock that is not believed holds revocations: only `MONGODBATLAS_HOLD=all`
//! does, for a copy that must not touch Atlas. A hold is for deletions that this
//! engine infers from what it has stored, which a restore may have made untrue. A revocation is not
//! inferred: the server, or an operator who wants a leaked credential dead, orders it for one lease.
//! To refuse it would leave a credential alive that everybody takes for dead, use up the server's
//! tries until the lease is irrevocable, and block the disabling of the mount. For the same reason a
//! request that fails half-way removes what it has made itself.

use std::str::FromStr;
use std::sync::Arc;

use tokio::time::{Instant, sleep_until};

use super::project_end::end_in_project;
use crate::atlas::{
    ClientId, Deletion, LOOK_AGAIN_AFTER, Level, OrgId, Patience, Priority, ProjectId, SecretId,
};
use crate::engine::Engine;
use crate::engine::connection::{Certainty, Linked, MadeUnder, Managing};
use crate::engine::error::EngineError;
use crate::engine::names::JournalId;
use crate::engine::origin::BoundTo;
use crate::engine::resource::{Made, not_deleted, remove};
use crate::engine::unasked::Permit;
use crate::framework::LeaseCall;

/// Revokes an API key.
pub(super) async fn revoke_api_key(
    engine: Arc<Engine>,
    call: LeaseCall,
) -> Result<(), EngineError> {
    let id = internal(&call, "programmatic_api_key_id")?;
    let id = id.ok_or_else(|| missing("programmatic_api_key_id"))?;
    revoke(&engine, &call, |org| Made::ApiKey(org, id)).await
}

/// Revokes a service account.
pub(super) async fn revoke_service_account(
    engine: Arc<Engine>,
    call: LeaseCall,
) -> Result<(), EngineError> {
    let id = internal(&call, "client_id")?.ok_or_else(|| missing("client_id"))?;
    revoke(&engine, &call, |org| Made::ServiceAccount(org, id)).await
}

async fn revoke(
    engine: &Engine,
    call: &LeaseCall,
    made: impl FnOnce(OrgId) -> Made,
) -> Result<(), EngineError> {
    let linked = linked(engine, call).await?;
    let patience = patience(call);
    let Managing { org, certainty } = organization(&linked, call, patience).await?;
    let made = made(org.clone());
    let deletion = match remove_for_good(engine, call, &linked, &made, patience).await {
        Err(error) if certainty == Certainty::Same && error.says_no_right() => {
            return end_in_project(engine, call, &linked, &made, error).await;
        }
        outcome => outcome?,
    };
    if certainty != Certainty::Same && deletion == Deletion::AlreadyGone {
        return Err(EngineError::ProjectOutOfSight {
            project: call
                .internal_text("project_id")
                .unwrap_or_default()
                .to_owned(),
            organization: org,
        });
    }
    note_deletion(engine, call, deletion);
    tracing::debug!(%made, %deletion, "leased credential is gone from Atlas");
    forget(engine, call).await
}

/// Deletes what a lease holds. An API key that this process made a moment ago may not be known everywhere
/// in Atlas: one that is not found is looked for once more, seconds later, as it is for everything else.
async fn remove_for_good(
    engine: &Engine,
    call: &LeaseCall,
    linked: &Linked,
    made: &Made,
    patience: Patience,
) -> Result<Deletion, EngineError> {
    let deletion = remove(linked, made, Permit::ORDERED, patience).await?;
    let is_new = journal_id(call).is_some_and(|id| {
        engine
            .journal
            .was_made_lately(&id, engine.clock.monotonic())
    });
    let is_proved = deletion == Deletion::Deleted || !matches!(made, Made::ApiKey(..));
    if is_proved || !is_new {
        return Ok(deletion);
    }
    let look_again = Instant::now() + LOOK_AGAIN_AFTER;
    if look_again >= patience.deadline {
        return Err(EngineError::NotProvedGone);
    }
    sleep_until(look_again).await;
    remove(linked, made, Permit::ORDERED, patience).await
}

/// Whoever ends it beside the revocation will not find it.
fn note_deletion(engine: &Engine, call: &LeaseCall, deletion: Deletion) {
    if deletion == Deletion::Deleted
        && let Some(id) = journal_id(call)
    {
        engine.journal.deleted(&id);
    }
}

fn journal_id(call: &LeaseCall) -> Option<JournalId> {
    call.internal_text("journal_id").and_then(JournalId::parse)
}

/// The client for a lease: at another origin than its own it would count as gone without being so.
pub(super) async fn linked(engine: &Engine, call: &LeaseCall) -> Result<Arc<Linked>, EngineError> {
    let bound = BoundTo::of_lease(call)?;
    engine.connection.linked_to(&bound).await
}

pub(super) fn patience(call: &LeaseCall) -> Patience {
    Patience {
        deadline: call.caller.deadline,
        priority: Priority::Revoke,
    }
}

/// The credential is gone, so its journal entry goes too.
pub(super) async fn forget(engine: &Engine, call: &LeaseCall) -> Result<(), EngineError> {
    match journal_id(call) {
        Some(id) => engine.journal.remove(&id).await,
        None => Ok(()),
    }
}

/// Revokes one secret of a service account; the account and its other secrets stay.
pub(super) async fn revoke_account_secret(
    engine: Arc<Engine>,
    call: LeaseCall,
) -> Result<(), EngineError> {
    let (account, secret) = account_secret(&call)?;
    let level = level(&call)?;
    // Leases of earlier versions do not name it where the account is managed in a project.
    let org: Option<OrgId> = internal(&call, "organization_id")?;
    let linked = linked(&engine, &call).await?;
    let deletion = linked
        .atlas
        .delete_secret_known_in(org.as_ref(), &level, &account, &secret, patience(&call))
        .await
        .map_err(|error| not_deleted(&account, &secret, error))?;
    note_deletion(&engine, &call, deletion);
    tracing::debug!(
        client_id = %account,
        secret_id = %secret,
        %deletion,
        "leased client secret is gone from Atlas"
    );
    forget(&engine, &call).await
}

/// The account and the secret of a lease.
pub(super) fn account_secret(call: &LeaseCall) -> Result<(ClientId, SecretId), EngineError> {
    let account = internal(call, "client_id")?.ok_or_else(|| missing("client_id"))?;
    let secret = internal(call, "secret_id")?.ok_or_else(|| missing("secret_id"))?;
    Ok((account, secret))
}

/// Where the account of a lease is managed.
pub(super) fn level(call: &LeaseCall) -> Result<Level, EngineError> {
    if let Some(project) = internal(call, "project_id")? {
        return Ok(Level::Project(project));
    }
    let org = internal(call, "organization_id")?;
    org.map(Level::Org)
        .ok_or_else(|| missing("organization_id"))
}

/// The organization of the credential. The Go engine's leases of project keys do not name it.
async fn organization(
    linked: &Linked,
    call: &LeaseCall,
    patience: Patience,
) -> Result<Managing, EngineError> {
    if let Some(org) = internal(call, "organization_id")? {
        return Ok(Managing {
            org,
            certainty: Certainty::Same,
        });
    }
    let project: ProjectId =
        internal(call, "project_id")?.ok_or_else(|| missing("organization_id"))?;
    let made = MadeUnder {
        bound: &BoundTo::of_lease(call)?,
        organization: None,
    };
    linked
        .managing_organization(Some(&project), made, patience)
        .await
}

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

pub(super) fn missing(field: &'static str) -> EngineError {
    EngineError::BrokenLease {
        field,
        reason: "it is missing".to_owned(),
    }
}
