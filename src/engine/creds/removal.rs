//! Taking a credential out of Atlas for good, and finding one whose id never arrived.

use crate::atlas::{AtlasError, Deletion, Level, Patience};
use crate::engine::connection::Linked;
use crate::engine::error::EngineError;
use crate::engine::journal::{JournalEntry, JournalId, Made};
use crate::engine::roles::CredentialType;

/// Deletes what was made; what is gone already counts as deleted.
///
/// Always at the organization: the project's delete only takes the credential out of the project.
pub(crate) async fn remove(
    linked: &Linked,
    made: &Made,
    patience: Patience,
) -> Result<Deletion, EngineError> {
    match made {
        Made::ApiKey(org, id) => linked
            .atlas
            .delete_api_key(org, id, patience)
            .await
            .map_err(|error| EngineError::atlas(&format!("deleting API key {id}"), error)),
        Made::ServiceAccount(org, id) => linked
            .atlas
            .delete_service_account(org, id, patience)
            .await
            .map_err(|error| EngineError::atlas(&format!("deleting service account {id}"), error)),
    }
}

/// What Atlas holds of a journal entry: by id if that is known, else by its unique description.
///
/// A list may lag behind a create, so that nothing found soon after it proves nothing.
pub(crate) async fn find(
    linked: &Linked,
    entry: &JournalEntry,
    patience: Patience,
) -> Result<Vec<Made>, EngineError> {
    if let Some(made) = entry.made() {
        return Ok(vec![made]);
    }
    // Any other text could be that of a key which somebody else made.
    if JournalId::of_description(&entry.description).is_none() {
        return Ok(Vec::new());
    }
    let looking = |error: AtlasError| {
        EngineError::atlas(
            &format!("looking for {:?} in Atlas", entry.description),
            error,
        )
    };
    let org = match &entry.organization_id {
        Some(org) => org.clone(),
        None => {
            linked
                .managing_organization(entry.project_id.as_ref(), patience)
                .await?
        }
    };
    match entry.credential_type {
        CredentialType::ProgrammaticApiKey => {
            let keys = linked
                .atlas
                .find_org_api_keys_by_description(&org, &entry.description, patience)
                .await
                .map_err(looking)?;
            Ok(keys
                .into_iter()
                .map(|key| Made::ApiKey(org.clone(), key.id))
                .collect())
        }
        CredentialType::ServiceAccount => {
            let level = Level::Org(org.clone());
            let accounts = linked
                .atlas
                .find_service_accounts_by_name(&level, &entry.description, patience)
                .await
                .map_err(looking)?;
            let made = |client_id| Made::ServiceAccount(org.clone(), client_id);
            Ok(accounts
                .into_iter()
                .map(|account| made(account.client_id))
                .collect())
        }
    }
}
