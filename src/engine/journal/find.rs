//! What Atlas holds of a journal entry: finding it, also where its id never arrived, and taking it out
//! of Atlas for good.

use super::entry::{JournalEntry, Part, SecretPart};
use super::owner::Owner;
use crate::atlas::{
    AtlasError, ClientId, Deletion, Level, OrgId, ProjectId, RequestBudget, ServiceAccount,
};
use crate::engine::connection::{Certainty, ConfiguredClient, Listed, MadeUnder, Managing, Search};
use crate::engine::error::EngineError;
use crate::engine::lost_secret::{self, Lost};
use crate::engine::names::JournalId;
use crate::engine::resource::{Resource, described, list_of, not_deleted, project_is_gone, remove};
use crate::engine::unasked::Permit;

/// What Atlas holds of a journal entry: by id if that is known, else by its unique description.
///
/// A list may lag behind a create, so that nothing found soon after it proves nothing. One list serves
/// all who seek in an organization.
pub(crate) async fn find(
    linked: &ConfiguredClient,
    entry: &JournalEntry,
    search: Search,
    budget: RequestBudget,
) -> Result<Vec<Resource>, EngineError> {
    if let Some(made) = entry.made() {
        return Ok(vec![made]);
    }
    if let Some(Part::Secret(secret)) = &entry.part
        && let Some(level) = entry.level()
    {
        return find_secret(linked, entry, secret, level, budget).await;
    }
    // Any other text could be that of a key which somebody else made.
    let is_own = JournalId::of_description(&entry.description).is_some()
        || entry.owner == Owner::Root && !entry.description.is_empty();
    if !is_own {
        return Ok(Vec::new());
    }
    let Managing { org, certainty } = match &entry.organization_id {
        Some(org) => Managing {
            org: org.clone(),
            certainty: Certainty::Same,
        },
        None => {
            linked
                .managing_organization(entry.project_id.as_ref(), made_under(entry), budget)
                .await?
        }
    };
    let project = entry.project_id.as_ref();
    let Some(list) = list_of(entry.credential_type, &org, project) else {
        return Ok(Vec::new());
    };
    let listed = linked.listed(&list, search, budget).await?;
    if let (Listed::NoProject, Some(project)) = (&*listed, project) {
        project_is_gone(linked, &org, project, budget).await?;
    }
    let found = described(&listed, &org, &entry.description);
    if found.is_empty() && certainty == Certainty::Another {
        return Err(out_of_sight(project, org));
    }
    Ok(found)
}

/// Deletes what a journal entry holds, by the permit to do so, as [`remove`] does. An account may have left its project, which may be
/// gone by now: its organization is the one of the configuration that added the secret.
pub(crate) async fn remove_entry(
    linked: &ConfiguredClient,
    entry: &JournalEntry,
    made: &Resource,
    permit: Permit,
    budget: RequestBudget,
) -> Result<Deletion, EngineError> {
    let (Resource::Secret(level, account, id), Some(org)) = (made, &entry.config_organization_id)
    else {
        return remove(linked, made, permit, budget).await;
    };
    let deletion = linked
        .atlas
        .delete_secret_known_in(Some(org), level, account, id, budget);
    deletion
        .await
        .map_err(|error| not_deleted(account, id, error))
}

fn made_under(entry: &JournalEntry) -> MadeUnder<'_> {
    MadeUnder {
        bound: &entry.origin,
        organization: entry.config_organization_id.as_ref(),
    }
}

fn out_of_sight(project: Option<&ProjectId>, organization: OrgId) -> EngineError {
    EngineError::ProjectOutOfSight {
        project: project.map(ToString::to_string).unwrap_or_default(),
        organization,
    }
}

/// The secret of which the id never arrived. Secrets are added to an account one at a time, so there is
/// one of ours at most; a stranger's is never touched. Once it could not be decided, none is taken when
/// one of them is gone: a person has decided then.
async fn find_secret(
    linked: &ConfiguredClient,
    entry: &JournalEntry,
    sought: &SecretPart,
    level: Level,
    budget: RequestBudget,
) -> Result<Vec<Resource>, EngineError> {
    let Some(known) = &sought.known_secret_ids else {
        return Ok(Vec::new());
    };
    let client_id = &sought.client_id;
    let Some((level, account)) = find_account(linked, entry, level, client_id, budget).await?
    else {
        // With the account all its secrets are gone.
        return Ok(Vec::new());
    };
    if let Some(unexpected) = account.has_no_list() {
        return Err(EngineError::atlas(
            "looking for a secret whose answer was lost",
            unexpected,
        ));
    }
    let mut secrets = account.secrets;
    if !sought.candidates.is_empty() {
        secrets.retain(|secret| sought.candidates.contains(&secret.id));
        if secrets.len() < sought.candidates.len() {
            return Ok(Vec::new());
        }
    }
    let request: Vec<_> = sought.request.iter().cloned().collect();
    match lost_secret::find(&request, known, &secrets) {
        Lost::Ours(ids) => {
            let made = |id| Resource::Secret(level.clone(), client_id.clone(), id);
            Ok(ids.into_iter().map(made).collect())
        }
        Lost::NotThere => Ok(Vec::new()),
        Lost::Ambiguous(candidates) => Err(EngineError::Ambiguous {
            client_id: client_id.clone(),
            candidates,
        }),
    }
}

/// The account, and where it is managed by now: one that was taken out of its project, or whose
/// project was deleted, lives on in the organization. [`None`]: it is proved to be gone.
async fn find_account(
    linked: &ConfiguredClient,
    entry: &JournalEntry,
    level: Level,
    client_id: &ClientId,
    budget: RequestBudget,
) -> Result<Option<(Level, ServiceAccount)>, EngineError> {
    let failed = |error: AtlasError| {
        let doing = format!("looking for a new secret of service account {client_id}");
        EngineError::atlas(&doing, error)
    };
    let (org, doubt) = match &level {
        Level::Org(org) => (org.clone(), None),
        Level::Project(project) => {
            let seen = linked.atlas.service_account(&level, client_id, budget);
            match seen.await {
                Ok(account) => return Ok(Some((level, account))),
                Err(error) if error.says_not_found() || error.says_project_is_gone() => {}
                Err(error) => return Err(failed(error)),
            }
            let managing = linked
                .managing_organization(Some(project), made_under(entry), budget)
                .await?;
            let doubt = out_of_sight(Some(project), managing.org.clone());
            let is_another = managing.certainty == Certainty::Another;
            (managing.org, Some(doubt).filter(|_| is_another))
        }
    };
    let found = linked
        .atlas
        .find_service_account(&org, client_id, budget)
        .await
        .map_err(failed)?;
    match (found, doubt) {
        (Some(account), _) => Ok(Some((Level::Org(org), account))),
        (None, None) => Ok(None),
        (None, Some(doubt)) => Err(doubt),
    }
}
