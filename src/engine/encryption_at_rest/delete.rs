//! The end of an entry. The project's encryption stays as it is; what is forgotten is who looks after it,
//! and the static secret in keeping.

use std::sync::Arc;

use super::entry::{AzureEntry, State};
use super::paths::{budget, load, lock, project, put_back};
use super::unseen;
use crate::atlas::{
    Atlas, AtlasError, AzureRegistration, Deletion, ProjectId, RequestBudget, RoleId,
};
use crate::engine::Engine;
use crate::engine::error::{EncryptionError, EngineError};
use crate::framework::Call;
use crate::vault::Response;
use crate::vault::failure::chain;

/// Forgets a project's entry, unless something is under way or a secret would be lost.
pub(super) async fn delete(
    engine: Arc<Engine>,
    call: Call,
) -> Result<Option<Response>, EngineError> {
    let project = project(&call)?;
    let _lock = lock(&engine, &project, &call).await?;
    let force = call.fields.boolean("force").unwrap_or(false);
    let deauthorizes = call.fields.boolean("deauthorize").unwrap_or(false);
    let entry = match load(&engine, &project).await {
        Ok(Some(entry)) => entry,
        Ok(None) => return Ok(None),
        Err(error @ EngineError::Unreadable { .. }) if force => {
            // Nobody knows whose the registration is.
            if deauthorizes {
                return Err(EncryptionError::NotOurs.into());
            }
            return forget_unreadable(&engine, &project, &error).await;
        }
        Err(error) => return Err(error),
    };
    // Nothing of the encryption is in flight then, and it may never come to an end.
    let is_watched = matches!(entry.state, State::Observing | State::Registering);
    // Nor is a secret that was to be sent back so long ago.
    let is_overdue =
        entry.state == State::RollingBack && unseen::is_too_old(&entry, engine.clock.now());
    let linked = engine.connection.linked_to(&entry.origin).await;
    // Nor does anything come to an end at an address that is no longer configured.
    let is_elsewhere = matches!(linked, Err(EngineError::OtherOrigin { .. }));
    let has_no_end = is_watched || is_overdue || is_elsewhere;
    let may_end = entry.state.can_be_forgotten() || (has_no_end && force);
    // Atlas may hold the secret of a rotation, of which this is the only copy.
    if !may_end || (entry.pending.is_some() && !force) {
        return Err(entry.under_way().into());
    }
    if entry.held.is_some() && !force {
        return Err(EncryptionError::SecretInKeeping.into());
    }
    if deauthorizes {
        let removed = deauthorize(&engine, &project, &entry, &call).await;
        removed.map_err(|error| error.in_project(&project))?;
    }
    put_back(&engine, &project, None).await?;
    if entry.state.can_be_forgotten() || !(is_elsewhere || is_overdue) {
        let is_lost = entry.pending.is_some();
        return Ok(is_lost.then(|| warned(PENDING_IS_LOST.to_owned())));
    }
    let state = entry.state.name();
    let why = if is_elsewhere {
        tracing::warn!(
            %project, state,
            "an unfinished entry of encryption at rest that belongs to another address was deleted, as \
             somebody ordered"
        );
        "belongs to another address"
    } else {
        tracing::warn!(
            %project,
            "an unfinished way back of encryption at rest was deleted, as somebody ordered"
        );
        "did not come to an end"
    };
    Ok(Some(warned(format!(
        "the entry was {state} and {why}, so it is not known what came of that: leave every password of the \
         project's application in Azure, and look at the project in Atlas"
    ))))
}

/// Of the new secret of a rotation whose outcome is not known.
const PENDING_IS_LOST: &str = "the secret of the last rotation, which Atlas may hold, is forgotten with the entry: \
                               leave every password of the project's application in Azure until Atlas was \
                               given one that you have";

fn warned(warning: String) -> Response {
    Response {
        warnings: vec![warning],
        ..Response::default()
    }
}

/// Deletes what cannot be read. What it held is lost, which whoever ordered it is told.
async fn forget_unreadable(
    engine: &Engine,
    project: &ProjectId,
    error: &EngineError,
) -> Result<Option<Response>, EngineError> {
    put_back(engine, project, None).await?;
    tracing::warn!(
        %project,
        error = chain(error),
        "an unreadable entry of encryption at rest was deleted, as somebody ordered"
    );
    let warning = "the entry could not be read, so it is not known what is lost with it: perhaps a static \
                   secret in keeping, one that Atlas may hold of a rotation that was not over, and how far a \
                   change was. The project stays as it is in Atlas: leave every password of its application \
                   in Azure, read check, and write the entry anew";
    Ok(Some(warned(warning.to_owned())))
}

/// Removes the registration, if this engine made it and nothing uses it.
async fn deauthorize(
    engine: &Engine,
    project: &ProjectId,
    entry: &AzureEntry,
    call: &Call,
) -> Result<(), EngineError> {
    let Some(role) = entry.role_id.as_ref().filter(|_| entry.made_by_us) else {
        return Err(EncryptionError::NotOurs.into());
    };
    let linked = engine.connection.linked_to(&entry.origin).await?;
    let (atlas, budget) = (&linked.atlas.until(&call.caller.gone), budget(call));
    let doing = |error| {
        EngineError::atlas(
            &format!("removing role {role} from project {project}"),
            error,
        )
    };
    // Atlas is not relied on to refuse: a removed registration that is used stops clusters.
    let features = features_of(atlas, project, role, budget)
        .await
        .map_err(doing)?;
    if !features.is_empty() {
        return Err(EncryptionError::StillUsed {
            features: features.join(", "),
        }
        .into());
    }
    match atlas
        .deauthorize_azure_principal(project, role, budget)
        .await
    {
        Ok(Deletion::Deleted | Deletion::AlreadyGone) => Ok(()),
        Err(error) if error.says_principal_is_in_use() => {
            let listed = features_of(atlas, project, role, budget).await;
            let features = listed.unwrap_or_default().join(", ");
            let features = if features.is_empty() {
                "what it does not name".to_owned()
            } else {
                features
            };
            Err(EncryptionError::StillUsed { features }.into())
        }
        Err(error) => Err(doing(error)),
    }
}

/// What uses the registration: as Atlas lists it, and as the project's encryption shows.
async fn features_of(
    atlas: &Atlas,
    project: &ProjectId,
    role: &RoleId,
    budget: RequestBudget,
) -> Result<Vec<String>, AtlasError> {
    let listed = atlas.azure_registrations(project, budget).await?;
    let own = listed
        .into_iter()
        .filter(|known: &AzureRegistration| known.id == *role);
    let mut features: Vec<String> = own
        .flat_map(|known| known.feature_usages)
        .map(|usage| usage.feature_type)
        .collect();
    let vault = atlas.azure_key_vault(project, budget).await?;
    let serves_the_key = vault.is_some_and(|vault| vault.role_id.as_ref() == Some(role));
    if serves_the_key && features.is_empty() {
        features.push("ENCRYPTION_AT_REST".to_owned());
    }
    Ok(features)
}
