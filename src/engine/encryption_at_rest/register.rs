//! Registering the principal in a project. Each step can be repeated: a crash or a lost answer leaves
//! the entry in the state `registering`, and the next write or periodic run finds what is there.

use super::entry::{AzureEntry, Principal, State};
use super::paths::store;
use crate::atlas::{Atlas, AtlasError, AzureRegistration, ProjectId, RequestBudget};
use crate::engine::Engine;
use crate::engine::error::{EncryptionError, EngineError};
use crate::vault::failure::chain;

/// Makes sure that the principal is registered and authorized, and notes it in the entry.
///
/// What Atlas refuses for good leaves the entry as `before`, or none if there was none.
pub(super) async fn register(
    engine: &Engine,
    atlas: &Atlas,
    project: &ProjectId,
    entry: &mut AzureEntry,
    before: Option<&AzureEntry>,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let Some(principal) = entry.principal.clone() else {
        return Ok(());
    };
    // One that was registered before is only looked at again: how far its change is, stays.
    let is_new = entry.role_id.is_none() || entry.state == State::Registering;
    if is_new {
        // What is under way would be forgotten, and with it how it is taken back. A new secret of which
        // nobody knows whether Atlas took it stays: the role may be what leads out of that.
        if !may_begin(entry.state) {
            return Err(entry.under_way().into());
        }
        entry.state = State::Registering;
        store(engine, project, entry).await?;
    }
    match find_or_make(atlas, project, &principal, budget).await {
        Ok((registration, made)) => {
            let is_known = entry.role_id.as_ref() == Some(&registration.id);
            entry.made_by_us = made || (is_known && entry.made_by_us);
            entry.role_id = Some(registration.id);
        }
        Err(error) => {
            if is_new && !error.outcome_unknown() {
                super::paths::put_back(engine, project, before).await?;
            }
            return Err(explained(error, &principal, project));
        }
    }
    // Noted before the second step, so that a crash does not lose whose registration it is.
    store(engine, project, entry).await?;
    if let Some(role) = &entry.role_id {
        let principal = principal.registration();
        let authorized = atlas.authorize_azure_principal(project, role, &principal, budget);
        let authorized = authorized.await;
        authorized.map_err(|error| {
            EngineError::atlas(
                &format!("authorizing role {role} in project {project}"),
                error,
            )
        })?;
    }
    if is_new || entry.state == State::Registered {
        entry.state = State::Registered;
        entry.forget_trouble();
        store(engine, project, entry).await?;
    }
    Ok(())
}

fn may_begin(state: State) -> bool {
    state.can_be_forgotten() || state == State::Registering
}

/// Goes on with a registration that did not come to its end.
pub(super) async fn resume(
    engine: &Engine,
    atlas: &Atlas,
    project: &ProjectId,
    entry: &mut AzureEntry,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let before = entry.clone();
    let outcome = register(engine, atlas, project, entry, Some(&before), budget).await;
    match outcome {
        // Somebody has to do something. What Atlas refuses a registration that is made may not be needed:
        // `apply` shows.
        Err(error) if is_decided(&before, &error) => {
            let text = chain(&error);
            tracing::warn!(%project, error = text, "the service principal could not be registered");
            entry.fail(text);
            if entry.role_id.is_some() {
                entry.state = State::Registered;
            }
            store(engine, project, entry).await
        }
        outcome => outcome,
    }
}

/// Whether the same would fail again: Azure does not know the principal, or Atlas refused twice.
fn is_decided(before: &AzureEntry, error: &EngineError) -> bool {
    let is_again = before.failed_by(&chain(error));
    match error {
        EngineError::Encryption(_) => true,
        EngineError::Atlas { source, .. } => {
            let is_refused = matches!(source, AtlasError::Refused { status, .. } if *status != 403);
            is_refused && is_again
        }
        _ => false,
    }
}

/// The registration, and whether it was made here for certain.
async fn find_or_make(
    atlas: &Atlas,
    project: &ProjectId,
    principal: &Principal,
    budget: RequestBudget,
) -> Result<(AzureRegistration, bool), AtlasError> {
    let principal = principal.registration();
    let made = atlas.register_azure_principal(project, &principal, budget);
    let error = match made.await {
        Ok(made) => return Ok((made, true)),
        Err(error) => error,
    };
    if !error.says_principal_is_registered() && !error.outcome_unknown() {
        return Err(error);
    }
    // It may be anybody's: one that may be another's is never removed by this engine.
    let listed = match atlas.azure_registrations(project, budget).await {
        Ok(listed) => listed,
        // Without a list nobody knows whether it is in this project.
        Err(unlisted) if error.says_principal_is_registered() => return Err(unlisted),
        // Nor whether it was made.
        Err(_) => return Err(error),
    };
    let found = listed.into_iter().find(|known| known.is_of(&principal));
    found.map(|known| (known, false)).ok_or(error)
}

fn explained(error: AtlasError, principal: &Principal, project: &ProjectId) -> EngineError {
    if error.says_principal_is_unknown() {
        return EncryptionError::PrincipalUnknown {
            principal: Box::new(principal.registration()),
            source: error,
        }
        .into();
    }
    if error.says_principal_is_registered() {
        return EncryptionError::PrincipalElsewhere {
            principal: principal.object.clone(),
            project: project.clone(),
            source: error,
        }
        .into();
    }
    EngineError::atlas(
        &format!("registering the service principal in project {project}"),
        error,
    )
}
