//! The static credentials of a project, which a rotation sends back with another secret.

use super::entry::AzureEntry;
use super::watch::ask;
use crate::atlas::{
    ApplicationId, Atlas, AzureKeyVault, ProjectId, RequestBudget, TenantId, VaultCredential,
};
use crate::base::Sensitive;
use crate::engine::error::{EncryptionError, EngineError};

/// How a project signs in that has a static secret, as Atlas showed it a moment ago. All but the secret
/// is sent back as it is.
pub(super) struct StaticBlock {
    pub(super) vault: AzureKeyVault,
    pub(super) tenant_id: TenantId,
    pub(super) client_id: ApplicationId,
}

impl StaticBlock {
    pub(super) async fn ask(
        atlas: &Atlas,
        project: &ProjectId,
        entry: &AzureEntry,
        budget: RequestBudget,
    ) -> Result<Self, EngineError> {
        let vault = ask(atlas, project, budget).await?;
        let vault = vault.ok_or(EncryptionError::Off)?;
        if let Some(role) = vault.role_id {
            return Err(EncryptionError::NoSecretToRotate { role }.into());
        }
        let held = entry.held.as_ref();
        let client_id = vault.client_id.clone();
        let client_id = client_id.or_else(|| held.map(|held| held.client_id.clone()));
        let tenant_id = vault.tenant_id.clone();
        let tenant_id = tenant_id.or_else(|| entry.static_tenant_id.clone());
        Ok(Self {
            tenant_id: tenant_id.ok_or(EncryptionError::ApplicationUnknown)?,
            client_id: client_id.ok_or(EncryptionError::ApplicationUnknown)?,
            vault,
        })
    }

    pub(super) fn with<'a>(&'a self, secret: &'a Sensitive) -> VaultCredential<'a> {
        VaultCredential::Secret {
            tenant_id: &self.tenant_id,
            client_id: &self.client_id,
            secret,
        }
    }
}
