//! The end of one active credential before its lease: it was disclosed, or its lease is lost.
//!
//! It is deleted in Atlas with the proof that a revocation needs, and only then its entry says so: a
//! credential that may still be of use is never shown as ended. Where storage fails in between, the
//! same request again finds it gone and completes the entry. The entry stays for the lease, which the
//! server keeps: that is not renewed any more, and is revoked without Atlas. With it, or past its last
//! possible expiry, the entry goes.

use super::entry::{End, EndedBy, JournalEntry, Part, State};
use super::find::{find, remove_entry};
use super::own::{refuse_in_hand, refuse_owned};
use crate::atlas::{Deletion, RequestBudget};
use crate::base::Rfc3339;
use crate::engine::Engine;
use crate::engine::connection::Search;
use crate::engine::error::EngineError;
use crate::engine::names::JournalId;
use crate::engine::unasked::Permit;

/// What became of a credential that was to be ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It was deleted in Atlas.
    Deleted,
    /// It was gone from Atlas already; its entry says now that it was ended.
    AlreadyGone,
    /// It was ended before; nothing was sent to Atlas.
    Before(End),
}

/// Ends the credential of an entry, by the order of a person. Only one that is handed out, and that
/// ends as a whole with what is deleted: anything else is refused with the way to go.
pub(crate) async fn end(
    engine: &Engine,
    id: &JournalId,
    by: &EndedBy,
    budget: RequestBudget,
) -> Result<Ending, EngineError> {
    let entry = engine.journal.entry(id).await?;
    let entry = entry.ok_or(EngineError::NoSuchCredential)?;
    if let Some(end) = entry.ended {
        // Where the write of it failed half-way, memory does not know.
        engine.journal.relearn(id).await?;
        return Ok(Ending::Before(end));
    }
    if entry.owner.takes_care() {
        return refuse_owned(engine, id, &entry).await;
    }
    refuse_what_is_not_handed_out(engine, id, &entry).await?;
    if let Some(public) = entry.public_part() {
        refuse_in_hand(engine, public).await?;
    }
    let deletion = delete(engine, &entry, budget).await?;
    if let Err(error) = believe(engine, id, deletion) {
        // Its revocation was faster: with the lease the entry goes.
        return match engine.journal.entry(id).await? {
            Some(_) => Err(error),
            None => Ok(Ending::AlreadyGone),
        };
    }
    let end = End {
        at: engine.clock.now(),
        by: by.clone(),
    };
    engine.journal.end(id, end).await?;
    let EndedBy {
        display_name,
        entity_id,
    } = by;
    tracing::info!(
        journal_id = %id,
        role = entry.role,
        display_name,
        entity_id,
        %deletion,
        "credential ended before its lease"
    );
    Ok(match deletion {
        Deletion::Deleted => Ending::Deleted,
        Deletion::AlreadyGone => Ending::AlreadyGone,
    })
}

/// What was deleted is gone. What Atlas does not know is gone only if it would show it by now.
pub(super) fn believe(
    engine: &Engine,
    id: &JournalId,
    deletion: Deletion,
) -> Result<(), EngineError> {
    let journal = &engine.journal;
    match deletion {
        Deletion::Deleted => journal.deleted(id),
        Deletion::AlreadyGone if journal.believes_gone(id, engine.clock.monotonic()) => {}
        Deletion::AlreadyGone => return Err(EngineError::NotProvedGone),
    }
    Ok(())
}

async fn delete(
    engine: &Engine,
    entry: &JournalEntry,
    budget: RequestBudget,
) -> Result<Deletion, EngineError> {
    let linked = engine.connection.linked_to(&entry.origin).await?;
    let found = find(&linked, entry, Search::of_request(), budget).await?;
    if found.is_empty() {
        // Found by its description only, a list that lacks it proves nothing.
        return Err(EngineError::NotListedYet);
    }
    let mut outcome = Deletion::AlreadyGone;
    for made in &found {
        let deletion = remove_entry(&linked, entry, made, Permit::ORDERED, budget).await?;
        if deletion == Deletion::Deleted {
            outcome = deletion;
        }
    }
    Ok(outcome)
}

fn refused<T>(text: String) -> Result<T, EngineError> {
    Err(EngineError::BadInput(text))
}

/// Refuses what nobody was given, and what Atlas cannot end on its own.
async fn refuse_what_is_not_handed_out(
    engine: &Engine,
    id: &JournalId,
    entry: &JournalEntry,
) -> Result<(), EngineError> {
    let role = &entry.role;
    if entry.state == State::Managed || engine.entry_of_managed_account(id, entry).await?.is_some()
    {
        return refused(format!(
            "{id} is the service account that is managed for the access tokens of role {role:?}: \
             delete the role, and it is deleted with its last token; or delete it in Atlas, which \
             ends its tokens at once, and the next read of creds/{role} creates another one"
        ));
    }
    if entry.state == State::Pending {
        return refused(match entry.pending_deletion_since {
            Some(_) => format!(
                "the lease of {id} has ended, and it is deleted as soon as an Organization Owner is \
                 configured: write one to config"
            ),
            None => format!(
                "{id} is incomplete: it is being created, or will be deleted within minutes \
                 (pending in status)"
            ),
        });
    }
    if let Some(Part::Token { client_id, .. }) = &entry.part {
        return refused(format!(
            "{id} is an access token, which Atlas revokes only for those who have it: revoke its \
             lease, else it expires at {}; or delete service account {client_id} in Atlas, which \
             ends all \
             tokens of role {role:?} at once",
            Rfc3339(entry.max_expire_time)
        ));
    }
    Ok(())
}
