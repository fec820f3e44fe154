//! What the engine itself has in hand is not ended as what it issued is: each has its own way to go.

use super::entry::JournalEntry;
use super::owner::Owner;
use crate::atlas::ClientId;
use crate::engine::entries::{ConfigEntry, names_with_account};
use crate::engine::error::EngineError;
use crate::engine::names::JournalId;
use crate::engine::{Engine, keys, stored};

/// How a disclosed credential is replaced, step by step.
const RECIPE: &str = "see \"A credential was disclosed\" in the runbook";

fn refused<T>(text: String) -> Result<T, EngineError> {
    Err(EngineError::BadInput(text))
}

/// Refuses a public key or a client id that the configuration or a static role has in hand, be it that
/// it was issued once.
pub(super) async fn refuse_in_hand(engine: &Engine, public: &str) -> Result<(), EngineError> {
    let config: Option<ConfigEntry> = stored::load(&*engine.storage, keys::CONFIG).await?;
    if let Some(config) = config {
        refuse_of_config(&config, public)?;
    }
    if engine.journal.is_of_root(public).await? {
        return refused(left_by_root(public));
    }
    let Ok(client_id) = public.parse::<ClientId>() else {
        return Ok(());
    };
    if let Some(name) = engine.static_role_with(&client_id).await? {
        return refused(format!(
            "static role {name:?} rotates service account {client_id}: set its overlap to 0, then \
             rotate-role/{name} with force=true gives it a new secret and ends the old one at once \
             ({RECIPE}); or delete static-roles/{name} first"
        ));
    }
    match engine.journal.left_secrets(&client_id).await? {
        Some(entry) => refused(left(&entry.owner, &format!("service account {client_id}"))),
        None => Ok(()),
    }
}

fn refuse_of_config(config: &ConfigEntry, public: &str) -> Result<(), EngineError> {
    let is_account = |id: Option<&ClientId>| id.is_some_and(|id| id.as_str() == public);
    let is_key = |key: &str| !key.is_empty() && key == public;
    if is_key(&config.public_key) || is_account(config.client_id.as_ref()) {
        // A rotation is refused meanwhile, and a write calls the drain off.
        let way = if config.draining.is_some() {
            "write another credential to config, then order the drain again"
        } else {
            "replace it with config/rotate-root, or write another credential to config first"
        };
        return refused(format!(
            "this mount signs in with {public}: {way} ({RECIPE})"
        ));
    }
    Ok(())
}

/// Refuses what its owner takes care of, as it does where it is named by its public part.
pub(super) async fn refuse_owned<T>(
    engine: &Engine,
    id: &JournalId,
    entry: &JournalEntry,
) -> Result<T, EngineError> {
    let public = entry.public_part();
    if let Some(public) = public {
        refuse_in_hand(engine, public).await?;
    }
    let id = id.to_string();
    let name = public.unwrap_or(&id);
    refused(left(&entry.owner, name))
}

/// Why what its owner has left is not ended as what was issued is.
fn left(owner: &Owner, name: &str) -> String {
    match owner {
        Owner::StaticRole { name: role } => left_by_static_role(role, name),
        Owner::Lease | Owner::Root | Owner::ManagedAccount => left_by_root(name),
    }
}

fn left_by_root(name: &str) -> String {
    format!(
        "{name} was this mount's own credential, or was to become it, and is still to be removed: \
         that is tried again each minute, and config shows what keeps it (pending_deletions); \
         or delete it in Atlas"
    )
}

fn left_by_static_role(role: &str, account: &str) -> String {
    format!(
        "what static role {role:?} left at {account} is still being removed: try again later \
         (static_roles.deleting in status)"
    )
}

/// Refuses an account that roles add secrets to, of which none is alive.
pub(super) async fn refuse_managed(engine: &Engine, public: &str) -> Result<(), EngineError> {
    let Ok(client_id) = public.parse::<ClientId>() else {
        return Ok(());
    };
    let roles = names_with_account(&*engine.storage, &client_id).await?;
    let Some(role) = roles.first() else {
        return Ok(());
    };
    refused(format!(
        "there is no such issued credential: role {role:?} adds secrets to service account \
         {client_id} for its leases, and none of these is alive; end in Atlas what else it holds"
    ))
}
