//! The way back to the static secret in keeping. Whether Atlas lets a project go it is not documented:
//! it is tried, and a refusal is told.

use chrono::{DateTime, Utc};

use super::entry::{Accepted, AzureEntry, HeldSecret, Mode, State};
use super::note::{is_settling, note};
use super::paths::store;
use super::watch::{ask, ask_after, is_sent};
use crate::atlas::{
    Atlas, AtlasError, AzureKeyVault, KeyVaultRefusal, ProjectId, RequestBudget, TenantId,
    VaultCredential,
};
use crate::engine::Engine;
use crate::engine::error::{EncryptionError, EngineError};
use crate::vault::failure::chain;

/// After so many tries in vain what Atlas shows counts, and not that an answer was understood.
const TRIES: u32 = 6;

/// Lets Atlas sign in with the secret in keeping again. It can be repeated.
///
/// With private networking Atlas takes any secret unseen. Where it may be able to use the key as it is,
/// that has to be accepted.
pub(super) async fn roll_back(
    engine: &Engine,
    atlas: &Atlas,
    project: &ProjectId,
    entry: &mut AzureEntry,
    is_accepted: bool,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let reached = entry.state;
    if matches!(reached, State::Registering | State::Rotating) {
        let state = reached.name();
        return Err(EncryptionError::UnderWay { state }.into());
    }
    let held = entry.held.clone();
    let held = held.ok_or(EncryptionError::NoSecretInKeeping)?;
    let vault = ask(atlas, project, budget).await?;
    let vault = vault.ok_or(EncryptionError::Off)?;
    let (now, before) = (engine.clock.now(), entry.accepted);
    if has_arrived(entry, &held, &vault) {
        return took(engine, project, entry, &held, Some(vault)).await;
    }
    let accepts = is_accepted || (reached == State::RollingBack && before.unvalidated);
    if let Some(error) = objection(entry, &held, &vault, accepts, now) {
        if reached == State::RollingBack {
            entry.give_up(state_before(entry, Some(&vault)));
            entry.forget_failures();
            note(entry, project, Some(&vault), now);
            store(engine, project, entry).await?;
        }
        return Err(error.into());
    }
    let tenant_id = tenant_of(entry, &vault);
    let tenant_id = tenant_id.ok_or(EncryptionError::NoSecretInKeeping)?;
    // Stored whatever is noted already: who may write no more must send no more either.
    entry.begin(State::RollingBack, &vault.key);
    entry.accepted = Accepted {
        unvalidated: accepts,
        no_way_back: false,
    };
    store(engine, project, entry).await?;
    let credential = VaultCredential::Secret {
        tenant_id: &tenant_id,
        client_id: &held.client_id,
        secret: &held.client_secret,
    };
    let sent = atlas.set_vault_credential(project, &vault.key, credential, budget);
    match sent.await {
        Ok(answer) => {
            let shown = ask_after(atlas, project, answer, budget).await;
            took(engine, project, entry, &held, shown).await
        }
        Err(error) => {
            if reached != State::RollingBack && !error.outcome_unknown() {
                entry.accepted = before;
            }
            refused(engine, atlas, project, entry, reached, error, budget).await
        }
    }
}

/// Whether Atlas signs in with the secret that was sent, though no answer to it was understood.
fn has_arrived(entry: &AzureEntry, held: &HeldSecret, vault: &AzureKeyVault) -> bool {
    entry.state == State::RollingBack
        && entry.failures >= TRIES
        && is_sent(entry, Mode::Role)
        && vault.role_id.is_none()
        && vault.client_id.as_ref() == Some(&held.client_id)
}

/// Why the secret in keeping is not sent. With private networking Atlas takes any unseen, and stops the
/// clusters later if it does not work.
fn objection(
    entry: &AzureEntry,
    held: &HeldSecret,
    vault: &AzureKeyVault,
    accepts: bool,
    now: DateTime<Utc>,
) -> Option<EncryptionError> {
    let is_begun = entry.state == State::RollingBack;
    let works_by_role = entry.is_by_role(vault) && vault.valid == Some(true);
    if is_begun && works_by_role && entry.failures >= TRIES {
        return Some(EncryptionError::WayBackUnanswered);
    }
    if !vault.is_private() {
        return None;
    }
    if held.expires_at.is_some_and(|end| end <= now) {
        return Some(EncryptionError::SecretExpired);
    }
    // Once it is sent, a key that can be used with a secret is what was wanted. Before, Atlas must be
    // sure that it cannot use the key as it is: then there is nothing to lose.
    let may_work = if is_begun {
        works_by_role
    } else {
        let is_lost = entry.invalid_since.is_some() || !is_settling(entry, now);
        vault.valid != Some(false) || !is_lost
    };
    (may_work && !accepts).then_some(EncryptionError::PrivateWayBack)
}

/// Goes on with a way back whose outcome is not known: the same again decides, unless it is not wanted
/// any more.
pub(super) async fn resume(
    engine: &Engine,
    atlas: &Atlas,
    project: &ProjectId,
    entry: &mut AzureEntry,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let outcome = roll_back(engine, atlas, project, entry, false, budget).await;
    match outcome {
        Ok(()) => {
            tracing::info!(%project, "changed back to the static secret in keeping");
            Ok(())
        }
        Err(error) if entry.state == State::RollingBack => match error {
            // It will not get better.
            EngineError::Encryption(_) => {
                entry.give_up(State::Failed);
                give_up(engine, project, entry, &error).await
            }
            error => Err(error),
        },
        Err(error) => give_up(engine, project, entry, &error).await,
    }
}

/// It is decided, and nobody waits for the answer.
async fn give_up(
    engine: &Engine,
    project: &ProjectId,
    entry: &mut AzureEntry,
    error: &EngineError,
) -> Result<(), EngineError> {
    tracing::warn!(
        %project, error = chain(error),
        "encryption at rest could not be changed back to the static secret"
    );
    entry.last_error = Some(chain(error));
    entry.forget_failures();
    store(engine, project, entry).await
}

/// The directory of the application, as Atlas showed it while it signed in so.
fn tenant_of(entry: &AzureEntry, vault: &AzureKeyVault) -> Option<TenantId> {
    let shown = vault.tenant_id.clone();
    let stored = entry.static_tenant_id.clone();
    let before = || entry.before.as_ref()?.tenant_id.clone();
    let principal = || Some(entry.principal.as_ref()?.tenant.clone());
    stored.or_else(before).or(shown).or_else(principal)
}

async fn took(
    engine: &Engine,
    project: &ProjectId,
    entry: &mut AzureEntry,
    held: &HeldSecret,
    shown: Option<AzureKeyVault>,
) -> Result<(), EngineError> {
    let now = engine.clock.now();
    entry.arrive(Mode::Static, now);
    entry.state = State::Static;
    entry.way_back_refused = None;
    // With private networking that Atlas took it proves nothing yet.
    let is_tried = shown.as_ref().is_some_and(|vault| !vault.is_private());
    entry.held = Some(HeldSecret {
        proved: held.proved || is_tried,
        ..held.clone()
    });
    note(entry, project, shown.as_ref(), now);
    store(engine, project, entry).await
}

async fn refused(
    engine: &Engine,
    atlas: &Atlas,
    project: &ProjectId,
    entry: &mut AzureEntry,
    reached: State,
    error: AtlasError,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let doing = format!("changing encryption at rest of project {project} back");
    if error.outcome_unknown() {
        // Stays under way: the same again decides.
        return Err(EngineError::atlas(&doing, error));
    }
    let Some(refusal) = error.key_vault_refusal() else {
        // Nothing was sent, or Atlas did not look at it.
        if reached != State::RollingBack {
            entry.give_up(reached);
            store(engine, project, entry).await?;
        }
        return Err(EngineError::atlas(&doing, error));
    };
    let shown = atlas.azure_key_vault(project, budget).await.ok().flatten();
    let state = match reached {
        State::RollingBack => state_before(entry, shown.as_ref()),
        reached => reached,
    };
    entry.give_up(state);
    // A secret that does not work says nothing of the way.
    if refusal != KeyVaultRefusal::NoAccess {
        entry.way_back_refused = Some(error.to_string());
    }
    if let Some(vault) = &shown {
        note(entry, project, Some(vault), engine.clock.now());
    }
    store(engine, project, entry).await?;
    Err(EncryptionError::WayBackRefused {
        principal: principal_of(entry),
        source: error,
    }
    .into())
}

/// Where a way back began of which nothing came, after a restart.
fn state_before(entry: &AzureEntry, shown: Option<&AzureKeyVault>) -> State {
    match shown {
        Some(vault) if entry.is_by_role(vault) && entry.observe_until.is_some() => State::Observing,
        Some(vault) if entry.is_by_role(vault) => State::Applied,
        _ => State::Failed,
    }
}

fn principal_of(entry: &AzureEntry) -> String {
    let principal = entry.principal.as_ref();
    principal.map_or_else(String::new, |known| known.object.to_string())
}
