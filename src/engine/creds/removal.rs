//! Taking a credential out of Atlas for good, and finding one whose id never arrived.

use chrono::{DateTime, TimeDelta, Utc};

use crate::atlas::{AtlasError, ClientId, Deletion, Level, Patience, SecretId};
use crate::engine::connection::Linked;
use crate::engine::error::EngineError;
use crate::engine::journal::{JournalEntry, Made, Part};
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
        Made::Secret(level, account, id) => linked
            .atlas
            .delete_secret(level, account, id, patience)
            .await
            .map_err(|error| {
                let doing = format!("deleting secret {id} of service account {account}");
                EngineError::atlas(&doing, error)
            }),
        // It died when its entry did, if not before.
        Made::Token(_) => Ok(Deletion::AlreadyGone),
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
    if let (
        Some(Part::Secret {
            client_id,
            known_secret_ids,
            ..
        }),
        Some(level),
    ) = (&entry.part, entry.level())
    {
        return find_secret(linked, entry, level, client_id, known_secret_ids, patience).await;
    }
    let looking = |error: AtlasError| {
        EngineError::atlas(
            &format!("looking for {:?} in Atlas", entry.description),
            error,
        )
    };
    let org = match (&entry.organization_id, &entry.project_id) {
        (Some(org), _) => org.clone(),
        (None, Some(project)) => {
            let level = Level::Project(project.clone());
            linked
                .organization_of(&level, patience)
                .await
                .map_err(looking)?
        }
        (None, None) => linked
            .organization_id
            .clone()
            .ok_or(EngineError::OrganizationUnknown)?,
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
        CredentialType::ServiceAccount | CredentialType::AccessToken => {
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

/// Clocks differ, and a create is sent within this of its entry.
const MADE_WITHIN: TimeDelta = TimeDelta::minutes(5);

/// The secret of which the id never arrived: the one that was not there before. Secrets are added to
/// an account one at a time, so there is no other of ours; a stranger's is never touched.
async fn find_secret(
    linked: &Linked,
    entry: &JournalEntry,
    level: Level,
    client_id: &ClientId,
    known: &[SecretId],
    patience: Patience,
) -> Result<Vec<Made>, EngineError> {
    let account = match linked
        .atlas
        .service_account(&level, client_id, patience)
        .await
    {
        Ok(account) => account,
        // With the account all its secrets are gone.
        Err(error) if error.says_account_or_secret_is_gone() => return Ok(Vec::new()),
        Err(error) => {
            let doing = format!("looking for a new secret of service account {client_id}");
            return Err(EngineError::atlas(&doing, error));
        }
    };
    let fits = |made_at: DateTime<Utc>| (made_at - entry.issued_at).abs() < MADE_WITHIN;
    let mut unknown = account
        .secrets
        .into_iter()
        .filter(|secret| !known.contains(&secret.id) && secret.created_at.is_none_or(fits));
    match (unknown.next(), unknown.next()) {
        (None, _) => Ok(Vec::new()),
        (Some(secret), None) => Ok(vec![Made::Secret(level, client_id.clone(), secret.id)]),
        (Some(_), Some(_)) => Err(EngineError::Undecidable(client_id.clone())),
    }
}
