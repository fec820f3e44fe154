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

use std::sync::Arc;

use super::kind::{CredentialKind, Revoked};
use super::lease::{budget, ended, journal_id, linked};
use crate::atlas::{Deletion, SHOWN_WITHIN};
use crate::engine::Engine;
use crate::engine::error::EngineError;
use crate::engine::measures::Work;
use crate::engine::resource::{Resource, remove};
use crate::engine::unasked::Permit;
use crate::framework::LeaseCall;
use crate::vault::failure::chain;

/// Ends a lease, and notes for the log and for `status` what came of it: whether Atlas refuses
/// revocations shows nowhere else but in the server's log.
pub(super) async fn revoke(
    kind: &'static dyn CredentialKind,
    engine: Arc<Engine>,
    call: LeaseCall,
) -> Result<(), EngineError> {
    let begun = engine.clock.monotonic();
    let outcome = match ended(&engine, &call).await {
        // It is gone from Atlas: nobody is asked there, whether or not the mount leads there now.
        Some((id, _)) => engine.journal.remove(&id).await,
        None => end(kind, &engine, &call).await,
    };
    let took = engine.clock.monotonic().saturating_sub(begun);
    let (work, of) = (Work::Revoke, kind.credential_type());
    engine.measures.note(work, of, outcome.is_ok(), took);
    note(&engine, &call, &outcome);
    outcome
}

/// Has the credential deleted, and then its journal entry.
async fn end(
    kind: &dyn CredentialKind,
    engine: &Engine,
    call: &LeaseCall,
) -> Result<(), EngineError> {
    match (kind.revoke(engine, call).await?, journal_id(call)) {
        (Revoked::Gone, Some(id)) => engine.journal.remove(&id).await,
        (Revoked::Gone, None) | (Revoked::LeftToTick, _) => Ok(()),
    }
}

fn note(engine: &Engine, call: &LeaseCall, outcome: &Result<(), EngineError>) {
    let id = journal_id(call);
    let (role, lease_type) = (
        call.internal_text("role"),
        call.internal_text("secret_type"),
    );
    let journal_id = id.as_ref().map(tracing::field::display);
    if let Some(id) = &id {
        engine.journal.note_revocation(id, outcome.is_ok());
    }
    let now = engine.clock.now();
    let mut tally = engine.journal.tally();
    match outcome {
        Ok(()) => {
            tally.revoked += 1;
            tracing::info!(role, journal_id, lease_type, "credential revoked");
        }
        Err(error) => {
            tally.revocations_failed += 1;
            tally.failed(now, "revocation", id.as_ref(), error);
            tracing::info!(
                role,
                journal_id,
                lease_type,
                error = chain(error),
                "revocation failed; the server retries it"
            );
        }
    }
}

/// Deletes what a lease says it holds, where that says where it is.
///
/// Atlas may not know everywhere of what was made a moment ago: that it is not found is no proof then, and
/// the server tries again for longer than that lasts.
pub(super) async fn delete(
    engine: &Engine,
    call: &LeaseCall,
    made: &Resource,
) -> Result<Revoked, EngineError> {
    let linked = linked(engine, call).await?;
    let deletion = remove(&linked, made, Permit::ORDERED, budget(call)).await?;
    if deletion == Deletion::AlreadyGone && is_new(engine, call).await? {
        return Err(EngineError::NotProvedGone);
    }
    Ok(gone(engine, call, made, deletion))
}

/// Whether what a lease holds may have been made so lately that Atlas may not show it yet: by this process,
/// or by one before it, a moment before this one began. How old it is by the wall clock counts where Atlas's
/// agrees. Without an entry it was proved gone before.
pub(super) async fn is_new(engine: &Engine, call: &LeaseCall) -> Result<bool, EngineError> {
    let now = engine.clock.monotonic();
    let id = journal_id(call).filter(|id| !engine.journal.believes_gone(id, now));
    let Some(id) = id else {
        return Ok(false);
    };
    let Some(entry) = engine.journal.entry(&id).await? else {
        return Ok(false);
    };
    let age = engine.clock.now().signed_duration_since(entry.issued_at);
    let is_old = age.to_std().is_ok_and(|age| age >= SHOWN_WITHIN);
    Ok(!is_old || engine.may_believe_clock().await?.is_err())
}

/// What a lease held is gone from Atlas.
pub(super) fn gone(
    engine: &Engine,
    call: &LeaseCall,
    made: &Resource,
    deletion: Deletion,
) -> Revoked {
    note_deletion(engine, call, deletion);
    tracing::debug!(%made, %deletion, "leased credential is gone from Atlas");
    Revoked::Gone
}

/// Notes what Atlas did: whoever ends the credential beside the revocation will not find it.
pub(super) fn note_deletion(engine: &Engine, call: &LeaseCall, deletion: Deletion) {
    if deletion == Deletion::Deleted
        && let Some(id) = journal_id(call)
    {
        engine.journal.deleted(&id);
    }
}
