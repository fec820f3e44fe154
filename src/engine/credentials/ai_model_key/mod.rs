//! Credentials of the type `ai_model_key`: an API key with which AI models are called.
//!
//! It is made, found and deleted in its project, so that a credential which manages that project's keys and
//! nothing else is enough. Atlas sets it no end: where nobody deletes it, the reaper does.

#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod inventory_tests;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::json;

use super::grant::{Grant, id, refuse_reach};
use super::granted::Granted;
use super::issued::Issued;
use super::kind::{CredentialKind, Revoked};
use super::lease::required;
use super::pending::PendingCredential;
use super::report::{CheckContext, Report};
use super::revoke::delete;
use crate::atlas::{AtlasError, CreatedModelKey, ModelScope, NewModelKey, OrgId, ProjectId};
use crate::engine::Engine;
use crate::engine::entries::{ANY_SCOPE, CredentialType, RoleEntry};
use crate::engine::error::EngineError;
use crate::engine::journal::Owner;
use crate::engine::names::RoleName;
use crate::engine::resource::Resource;
use crate::framework::{Faults, Field, LeaseCall};
use crate::vault::{Data, Response};

/// Atlas's own names are much shorter.
const LONGEST_SCOPE: usize = 64;

/// The type.
pub(super) struct AiModelKey;

#[async_trait]
impl CredentialKind for AiModelKey {
    fn credential_type(&self) -> CredentialType {
        CredentialType::AiModelKey
    }

    /// For the key's name, of at most 250 characters. Source: Atlas API, `createGroupModelKey`.
    fn fitted(&self, role: &RoleName) -> String {
        role.fitted(200, |c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    }

    fn grant(&self, role: &RoleEntry, faults: &mut Faults) -> Option<Grant> {
        grant(role, faults)
    }

    /// Whether the project lists its keys: where the feature is not available it does not.
    async fn check(
        &self,
        context: &CheckContext<'_>,
        grant: &Grant,
        report: &mut Report,
    ) -> Result<(), EngineError> {
        let (atlas, budget) = (&context.linked.atlas, context.budget);
        let listed = atlas.list_model_keys(&grant.level, budget).await;
        if listed.as_ref().is_err_and(AtlasError::says_project_is_gone) {
            // Told of every project of a role.
            return Ok(());
        }
        report.asked("listing the project's AI model API keys", listed)?;
        Ok(())
    }

    fn has_access_list(&self) -> bool {
        false
    }

    /// A key is deleted in its project.
    fn ends_in_organization(&self) -> bool {
        false
    }

    /// Source: Atlas documentation, "Model API Keys"; the API's description names the latter alone.
    fn project_managers(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("Project Owner", "GROUP_OWNER"),
            ("Project Model Owner", "GROUP_MODEL_OWNER"),
        ]
    }

    async fn issue(&self, granted: Granted<'_>) -> Result<Response, EngineError> {
        let mut pending = PendingCredential::begin(self, granted, Owner::Lease).await?;
        let made = create(&mut pending).await;
        pending.finish(self, granted, made, answer).await
    }

    fn answer_fields(&self) -> Vec<Field> {
        vec![
            Field::text("api_key")
                .about("An AI model API key: the bearer token of calls to the models.")
                .sensitive(),
            Field::text("endpoint").about("Host name at which an AI model API key is used."),
            Field::text("name").about("Name of an AI model API key in Atlas."),
            Field::text("ai_model_key_id")
                .about("Atlas's id of an AI model API key, by which issued/ knows it."),
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
        let made = Resource::ModelKey(
            required(call, "organization_id")?,
            required(call, "project_id")?,
            required(call, "ai_model_key_id")?,
        );
        delete(engine, call, &made).await
    }
}

/// A role of such keys names its project, and what else Atlas lets be said of a key.
fn grant(role: &RoleEntry, faults: &mut Faults) -> Option<Grant> {
    if role.project_id.is_empty() {
        faults.add("project_id", "give the project in which the keys are made");
    }
    refuse_reach(
        role,
        "must be empty with credential_type ai_model_key: such a key belongs to project_id, and \
         has neither Atlas roles nor an access list",
        faults,
    );
    let scope = ModelScope {
        cloud: scope(&role.cloud, "cloud", faults),
        geography: scope(&role.geography, "geography", faults),
    };
    let project: ProjectId = id(&role.project_id, "project_id", faults)?;
    faults.is_empty().then(|| Grant {
        model_scope: Some(scope),
        ..Grant::in_project(project)
    })
}

/// Atlas adds clouds and geographies over time, and judges them itself.
fn scope(text: &str, field: &'static str, faults: &mut Faults) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    if text.len() > LONGEST_SCOPE || !text.bytes().all(is_plain) {
        faults.add(
            field,
            "give ANY, or what Atlas calls it: letters, digits, hyphens and underscores",
        );
    }
    if text.is_empty() { ANY_SCOPE } else { text }.to_owned()
}

/// What was made, and its organization.
type Made = (CreatedModelKey, OrgId);

async fn create(pending: &mut PendingCredential) -> Result<Made, EngineError> {
    let (Some(project), Some(scope)) = (
        pending.grant.project.clone(),
        pending.grant.model_scope.clone(),
    ) else {
        let unnamed = format!("role {} names no project", pending.entry.role);
        return Err(EngineError::BadInput(unnamed));
    };
    // Should the project be gone one day, the key is, if it is that organization which does not know it.
    let org = pending.organization().await?;
    pending.entry.organization_id = Some(org.clone());
    let new = NewModelKey {
        name: pending.entry.description.clone(),
        scope,
    };
    pending.sent = true;
    let creating = |error| EngineError::atlas("creating the AI model API key", error);
    let key = pending
        .atlas
        .create_model_key(&project, &new, pending.budget)
        .await
        .map_err(creating)?;
    key.is_of(&project, &new.name).map_err(creating)?;
    let made = Resource::ModelKey(org.clone(), project, key.id.clone());
    pending.entry.note(&made);
    // From here on it is known by its id, so that one of another scope is removed for certain.
    key.shows(&new.scope).map_err(creating)?;
    Ok((key, org))
}

fn answer(pending: &PendingCredential, (key, org): &Made) -> Issued {
    let project = json!(pending.grant.project);
    let data = Data::from_iter([
        ("api_key".to_owned(), json!(key.secret.expose())),
        ("endpoint".to_owned(), json!(key.endpoint)),
        ("name".to_owned(), json!(pending.entry.description)),
        ("ai_model_key_id".to_owned(), json!(key.id)),
        ("organization_id".to_owned(), json!(org)),
        ("project_id".to_owned(), project.clone()),
    ]);
    let internal = Data::from_iter([
        ("ai_model_key_id".to_owned(), json!(key.id)),
        ("organization_id".to_owned(), json!(org)),
        ("project_id".to_owned(), project),
    ]);
    Issued { data, internal }
}
