//! Credentials of the type `programmatic_api_key`.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::json;

use super::grant::{Grant, reach};
use super::granted::Granted;
use super::issued::Issued;
use super::kind::{CredentialKind, Revoked};
use super::lease::required;
use super::organization_end::end_in_organization;
use super::pending::PendingCredential;
use crate::atlas::{ApiKeyId, CreatedApiKey, NewApiKey, OrgId};
use crate::engine::Engine;
use crate::engine::entries::{CredentialType, RoleEntry};
use crate::engine::error::EngineError;
use crate::engine::journal::{Owner, State};
use crate::engine::names::RoleName;
use crate::engine::resource::Resource;
use crate::framework::{Faults, Field, LeaseCall};
use crate::vault::{Data, Response};

/// The type.
pub(super) struct ApiKey;

#[async_trait]
impl CredentialKind for ApiKey {
    fn credential_type(&self) -> CredentialType {
        CredentialType::ProgrammaticApiKey
    }

    /// In the Go engine's form and alphabet: it is the key's description.
    fn fitted(&self, role: &RoleName) -> String {
        role.fitted(200, |c| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c))
    }

    fn grant(&self, role: &RoleEntry, faults: &mut Faults) -> Option<Grant> {
        reach(role, faults)
    }

    async fn issue(&self, granted: Granted<'_>) -> Result<Response, EngineError> {
        let mut pending = PendingCredential::begin(self, granted, Owner::Lease).await?;
        let made = create(&mut pending).await;
        pending.finish(self, granted, made, answer).await
    }

    fn answer_fields(&self) -> Vec<Field> {
        vec![
            Field::text("public_key").about("Public key of an API key."),
            Field::text("private_key")
                .about("Private key of an API key.")
                .sensitive(),
            Field::text("description").about("Description of an API key in Atlas."),
        ]
    }

    async fn ends_at(
        &self,
        _: &Engine,
        _: &LeaseCall,
    ) -> Result<Option<DateTime<Utc>>, EngineError> {
        Ok(None)
    }

    async fn revoke(&self, engine: &Engine, call: &LeaseCall) -> Result<Revoked, EngineError> {
        let id: ApiKeyId = required(call, "programmatic_api_key_id")?;
        end_in_organization(self, engine, call, |org| Resource::ApiKey(org, id)).await
    }
}

/// Makes the key, bounds it to its access list, then gives it its projects: it never reaches
/// further than it should, not even for a moment.
async fn create(pending: &mut PendingCredential) -> Result<(CreatedApiKey, OrgId), EngineError> {
    let key = create_key(pending).await?;
    let Some(org) = pending.entry.organization_id.clone() else {
        return Err(EngineError::OrganizationUnknown);
    };
    let (atlas, budget) = (&pending.atlas, pending.budget);
    if !pending.grant.access_list.is_empty() {
        atlas
            .add_api_key_access_list(&org, &key.id, &pending.grant.access_list, budget)
            .await
            .map_err(|error| EngineError::atlas("setting the new API key's access list", error))?;
    }
    for (project, roles) in &pending.grant.assignments {
        atlas
            .assign_api_key_to_project(project, &key.id, roles, budget)
            .await
            .map_err(|error| {
                let doing = format!("assigning the new API key to project {project}");
                EngineError::atlas(&doing, error)
            })?;
    }
    Ok((key, org))
}

async fn create_key(pending: &mut PendingCredential) -> Result<CreatedApiKey, EngineError> {
    let new = NewApiKey {
        description: pending.entry.description.clone(),
        roles: pending.grant.roles.clone(),
    };
    pending.sent = true;
    let key = pending
        .atlas
        .create_api_key(&pending.grant.level, &new, pending.budget)
        .await
        .map_err(|error| EngineError::atlas("creating the API key", error))?;
    pending.entry.programmatic_api_key_id = Some(key.id.clone());
    pending.entry.public_key = Some(key.public_key.clone());
    // The answer tells the organization of a project's key; where it does not, Atlas is asked.
    let org = match key.org_id.clone() {
        Some(org) => org,
        None => pending.organization().await?,
    };
    pending.entry.note(&Resource::ApiKey(org, key.id.clone()));
    // From here on it is known by its id, so that a key which lacks a role is removed for certain.
    key.shows(&pending.grant.level, &pending.grant.roles)
        .map_err(|error| EngineError::atlas("creating the API key", error))?;
    if pending.has_further_steps() {
        pending.record(State::Pending).await?;
    }
    Ok(key)
}

fn answer(pending: &PendingCredential, (key, org): &(CreatedApiKey, OrgId)) -> Issued {
    let project = pending.grant.project.clone();
    let mut data = Data::from_iter([
        ("public_key".to_owned(), json!(key.public_key)),
        ("private_key".to_owned(), json!(key.private_key.expose())),
        ("description".to_owned(), json!(pending.entry.description)),
        ("organization_id".to_owned(), json!(org)),
    ]);
    if let Some(project) = &project {
        data.insert("project_id".to_owned(), json!(project));
    }
    // The keys of the Go engine, so that it can revoke leases issued here; and ours.
    let internal = Data::from_iter([
        ("programmatic_api_key_id".to_owned(), json!(key.id)),
        ("organization_id".to_owned(), json!(org)),
        (
            "project_id".to_owned(),
            json!(project.map_or_else(String::new, String::from)),
        ),
    ]);
    Issued { data, internal }
}
