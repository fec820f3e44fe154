//! Credentials of the type `programmatic_api_key`.

use serde_json::json;

use super::issue::Draft;
use crate::atlas::{CreatedApiKey, NewApiKey, OrgId};
use crate::engine::entries::CredentialType;
use crate::engine::error::EngineError;
use crate::engine::journal::Stage;
use crate::engine::resource::Made;
use crate::framework::Lease;
use crate::vault::{Data, Response};

/// Makes the key, bounds it to its access list, then gives it its projects: it never reaches
/// further than it should, not even for a moment.
pub(super) async fn make(draft: &mut Draft) -> Result<Response, EngineError> {
    let key = create(draft).await?;
    let Some(org) = draft.entry.organization_id.clone() else {
        return Err(EngineError::OrganizationUnknown);
    };
    let (atlas, patience) = (&draft.atlas, draft.patience);
    if !draft.grant.access_list.is_empty() {
        atlas
            .add_api_key_access_list(&org, &key.id, &draft.grant.access_list, patience)
            .await
            .map_err(|error| EngineError::atlas("setting the new API key's access list", error))?;
    }
    for (project, roles) in &draft.grant.assignments {
        atlas
            .assign_api_key_to_project(project, &key.id, roles, patience)
            .await
            .map_err(|error| {
                let doing = format!("assigning the new API key to project {project}");
                EngineError::atlas(&doing, error)
            })?;
    }
    Ok(answer(draft, &key, &org))
}

async fn create(draft: &mut Draft) -> Result<CreatedApiKey, EngineError> {
    let new = NewApiKey {
        description: draft.entry.description.clone(),
        roles: draft.grant.roles.clone(),
    };
    draft.sent = true;
    let key = draft
        .atlas
        .create_api_key(&draft.grant.level, &new, draft.patience)
        .await
        .map_err(|error| EngineError::atlas("creating the API key", error))?;
    draft.entry.programmatic_api_key_id = Some(key.id.clone());
    draft.entry.public_key = Some(key.public_key.clone());
    // The answer tells the organization of a project's key; where it does not, Atlas is asked.
    let org = match key.org_id.clone() {
        Some(org) => org,
        None => draft.organization().await?,
    };
    draft.entry.note(&Made::ApiKey(org, key.id.clone()));
    // From here on it is known by its id, so that a key which lacks a role is removed for certain.
    key.shows(&draft.grant.level, &draft.grant.roles)
        .map_err(|error| EngineError::atlas("creating the API key", error))?;
    if draft.has_further_steps() {
        draft.record(Stage::Making).await?;
    }
    Ok(key)
}

fn answer(draft: &Draft, key: &CreatedApiKey, org: &OrgId) -> Response {
    let project = draft.grant.project.clone();
    let mut data = Data::from_iter([
        ("public_key".to_owned(), json!(key.public_key)),
        ("private_key".to_owned(), json!(key.private_key.expose())),
        ("description".to_owned(), json!(draft.entry.description)),
        ("organization_id".to_owned(), json!(org)),
    ]);
    if let Some(project) = &project {
        data.insert("project_id".to_owned(), json!(project));
    }
    // The keys of the Go engine, so that it can revoke leases issued here; and ours.
    let mut internal = Data::from_iter([
        ("programmatic_api_key_id".to_owned(), json!(key.id)),
        ("organization_id".to_owned(), json!(org)),
        (
            "project_id".to_owned(),
            json!(project.map_or_else(String::new, String::from)),
        ),
        ("role".to_owned(), json!(draft.entry.role)),
        ("journal_id".to_owned(), json!(draft.id)),
    ]);
    draft.entry.origin.put_into(&mut internal);
    let lease = Lease {
        ttl: draft.life.ttl,
        max_ttl: draft.life.max_ttl,
        renewable: true,
    };
    lease.answer(CredentialType::ProgrammaticApiKey.name(), data, internal)
}
