//! The way back to the static secret in keeping. Whether Atlas lets a project go it is not documented:
//! it is tried, and a refusal is told.

use super::entry::{AzureEntry, Mode, State};
use super::paths::store;
use super::plan::Standing;
use crate::atlas::{Atlas, ProjectId, RequestBudget, VaultCredential};
use crate::engine::Engine;
use crate::engine::error::{EncryptionError, EngineError};

/// Lets Atlas sign in with the secret in keeping again. It can be repeated.
pub(super) async fn roll_back(
    engine: &Engine,
    atlas: &Atlas,
    project: &ProjectId,
    entry: &mut AzureEntry,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let held = entry.held.clone();
    let held = held.ok_or(EncryptionError::NoSecretInKeeping)?;
    let before = Standing::ask(atlas, project, budget).await?;
    let vault = before.vault.ok_or(EncryptionError::Off)?;
    // The directory of the application, as Atlas showed it while it signed in so.
    let tenant_id = entry.static_tenant_id.clone().or(vault.tenant_id);
    let tenant_id = tenant_id.or_else(|| Some(entry.principal.as_ref()?.tenant.clone()));
    let tenant_id = tenant_id.ok_or(EncryptionError::NoSecretInKeeping)?;
    let reached = entry.state;
    entry.state = State::RollingBack;
    store(engine, project, entry).await?;
    let credential = VaultCredential::Secret {
        tenant_id: &tenant_id,
        client_id: &held.client_id,
        secret: &held.client_secret,
    };
    let sent = atlas.set_vault_credential(project, &vault.key, credential, budget);
    if let Err(error) = sent.await {
        if error.outcome_unknown() {
            // Stays under way: the same again decides.
            let doing = format!("changing encryption at rest of project {project} back");
            return Err(EngineError::atlas(&doing, error));
        }
        entry.state = reached;
        store(engine, project, entry).await?;
        return Err(match error.key_vault_refusal() {
            Some(_) => EncryptionError::WayBackRefused {
                principal: principal_of(entry),
                source: error,
            }
            .into(),
            None => EngineError::atlas("changing back to the static secret", error),
        });
    }
    let after = Standing::ask(atlas, project, budget).await?;
    entry.seen = Some(after.seen(engine.clock.now()));
    entry.state = match after.mode() {
        Mode::Static => State::Static,
        Mode::Role | Mode::None => State::Failed,
    };
    if let Some(held) = &mut entry.held {
        held.proved = true;
    }
    entry.observe_until = None;
    entry.drift.clear();
    store(engine, project, entry).await
}

fn principal_of(entry: &AzureEntry) -> String {
    let principal = entry.principal.as_ref();
    principal.map_or_else(String::new, |known| known.object.to_string())
}
