//! The change to the role: ask, note, send, look. Each step can be repeated, so that a crash or a lost
//! answer leaves a project on its role or as it was, and never between.

use chrono::{DateTime, Utc};

use super::entry::{AzureEntry, State};
use super::paths::store;
use super::plan::Standing;
use crate::atlas::{
    Atlas, AzureKeyVault, KeyVaultRefusal, ProjectId, RequestBudget, RoleId, VaultCredential,
    VaultKey,
};
use crate::engine::Engine;
use crate::engine::error::{EncryptionError, EngineError};

/// Changes the project over to its registration, unless it is there already. The entry is stored at
/// every step.
pub(super) async fn apply(
    engine: &Engine,
    atlas: &Atlas,
    project: &ProjectId,
    entry: &mut AzureEntry,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let role = entry
        .role_id
        .clone()
        .ok_or(EncryptionError::NotRegistered)?;
    let before = Standing::ask(atlas, project, budget).await?;
    let now = engine.clock.now();
    entry.seen = Some(before.seen(now));
    let Some(vault) = before.vault else {
        store(engine, project, entry).await?;
        return Err(EncryptionError::Off.into());
    };
    if vault.role_id.as_ref() == Some(&role) {
        return look(engine, project, entry, &role, vault, now).await;
    }
    if let Some(other) = vault.role_id {
        return Err(EncryptionError::OtherRole { role: other }.into());
    }
    if vault.key.require_private_networking == Some(true) {
        return Err(EncryptionError::PrivateNetworking.into());
    }
    entry.key = Some(vault.key.clone());
    entry.static_tenant_id = vault.tenant_id.or(entry.static_tenant_id.take());
    entry.state = State::Applying;
    store(engine, project, entry).await?;
    send(engine, atlas, project, entry, &role, &vault.key, budget).await?;
    let after = Standing::ask(atlas, project, budget).await?;
    let vault = after.vault.ok_or(EncryptionError::Off)?;
    look(engine, project, entry, &role, vault, engine.clock.now()).await
}

/// Sends the change. Of what is not known to have failed, the look that follows decides.
async fn send(
    engine: &Engine,
    atlas: &Atlas,
    project: &ProjectId,
    entry: &mut AzureEntry,
    role: &RoleId,
    key: &VaultKey,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let credential = VaultCredential::Role(role);
    let sent = atlas.set_vault_credential(project, key, credential, budget);
    let Err(error) = sent.await else {
        return Ok(());
    };
    if error.outcome_unknown() {
        tracing::debug!(%project, %error, "outcome of a change of encryption at rest unknown");
        let shown = atlas.azure_key_vault(project, budget).await;
        let shown = shown.ok().flatten();
        if shown.is_some_and(|vault| vault.role_id.as_ref() == Some(role)) {
            return Ok(());
        }
        return Err(EngineError::atlas(&doing(project), error));
    }
    entry.state = State::Failed;
    store(engine, project, entry).await?;
    Err(match error.key_vault_refusal() {
        Some(refusal) => EncryptionError::Refused {
            advice: advice(refusal),
            source: error,
        }
        .into(),
        None => EngineError::atlas(&doing(project), error),
    })
}

fn doing(project: &ProjectId) -> String {
    format!("changing encryption at rest of project {project} to its role")
}

fn advice(refusal: KeyVaultRefusal) -> &'static str {
    match refusal {
        KeyVaultRefusal::NoAccess => {
            "Grant the principal the use of the key (see grants); a new grant may need minutes"
        }
        KeyVaultRefusal::KeyState => "Look at the key in Azure",
        KeyVaultRefusal::PresentKeyLost
        | KeyVaultRefusal::StaticCredentials
        | KeyVaultRefusal::PrivateEndpoints
        | KeyVaultRefusal::Other => "See Atlas's words",
    }
}

/// What Atlas shows after the change, against what it was to be. A difference is told and left as it
/// is: it may be somebody's will.
async fn look(
    engine: &Engine,
    project: &ProjectId,
    entry: &mut AzureEntry,
    role: &RoleId,
    vault: AzureKeyVault,
    now: DateTime<Utc>,
) -> Result<(), EngineError> {
    let mut drift = Vec::new();
    if let Some(other) = vault.role_id.as_ref().filter(|other| *other != role) {
        drift.push(format!("Atlas uses role {other} and not {role}"));
    } else if vault.role_id.is_none() {
        drift.push(format!("Atlas uses static credentials and not role {role}"));
    }
    let sent = entry.key.as_ref().filter(|sent| **sent != vault.key);
    if let Some(sent) = sent {
        drift.push(format!(
            "the key is {} and was {}",
            vault.key.key_identifier, sent.key_identifier
        ));
    }
    entry.drift = drift;
    entry.seen = Some(super::entry::Seen {
        mode: super::plan::mode_of(Some(&vault)),
        valid: vault.valid,
        at: now,
    });
    if entry.state == State::Applying {
        entry.observe_until = now.checked_add_signed(observe(entry));
        entry.state = State::Observing;
    } else if matches!(entry.state, State::Registered | State::Failed) {
        // Somebody else made the change.
        entry.state = State::Applied;
    }
    entry.key = Some(vault.key);
    store(engine, project, entry).await
}

fn observe(entry: &AzureEntry) -> chrono::TimeDelta {
    chrono::TimeDelta::from_std(entry.observe).unwrap_or_default()
}
