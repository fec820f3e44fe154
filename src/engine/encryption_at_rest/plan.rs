//! What `apply` would do. Asks Atlas, and changes nothing there.

use serde_json::{Value, json};

use super::apply::ApplyRequest;
use super::entry::{AzureEntry, Mode};
use crate::atlas::{
    Atlas, AtlasError, AzureKeyVault, EndpointStatus, PrivateEndpoint, ProjectId, RequestBudget,
};
use crate::engine::error::{EncryptionError, EngineError};
use crate::framework::Field;

/// How a project stands in Atlas.
pub(super) struct Standing {
    /// [`None`]: no key of Azure's is set.
    pub(super) vault: Option<AzureKeyVault>,
    /// Only asked for where private networking is required.
    pub(super) endpoints: Vec<PrivateEndpoint>,
}

impl Standing {
    /// Asks Atlas.
    pub(super) async fn ask(
        atlas: &Atlas,
        project: &ProjectId,
        budget: RequestBudget,
    ) -> Result<Self, EngineError> {
        let doing = |error: AtlasError| {
            EngineError::atlas(
                &format!("reading encryption at rest of project {project}"),
                error,
            )
        };
        let vault = atlas
            .azure_key_vault(project, budget)
            .await
            .map_err(doing)?;
        let endpoints = if vault.as_ref().is_some_and(AzureKeyVault::is_private) {
            let endpoints = atlas.azure_private_endpoints(project, budget).await;
            endpoints.map_err(doing)?
        } else {
            Vec::new()
        };
        Ok(Self { vault, endpoints })
    }

    /// How Atlas signs in.
    pub(super) fn mode(&self) -> Mode {
        mode_of(self.vault.as_ref())
    }

    fn is_private(&self) -> bool {
        self.vault.as_ref().is_some_and(AzureKeyVault::is_private)
    }

    /// What stands in the way of `apply`, in words; nothing: it would send the change.
    fn obstacles(
        &self,
        entry: &AzureEntry,
        project: &ProjectId,
        request: &ApplyRequest,
        proved_by: Option<&ProjectId>,
    ) -> Vec<String> {
        let mut obstacles = Vec::new();
        let Some(role) = &entry.role_id else {
            return vec![EncryptionError::NotRegistered.to_string()];
        };
        let Some(vault) = &self.vault else {
            if request.enable.is_none() {
                obstacles.push(format!(
                    "encryption at rest with Azure Key Vault is off in project {project}"
                ));
            }
            return obstacles;
        };
        if let Some(other) = vault.role_id.as_ref().filter(|other| *other != role) {
            let role = other.clone();
            if !request.adopt {
                obstacles.push(EncryptionError::OtherRole { role }.to_string());
            }
            return obstacles;
        }
        if entry.is_by_role(vault) {
            return obstacles;
        }
        let inactive = |endpoint: &&PrivateEndpoint| endpoint.status != EndpointStatus::Active;
        for endpoint in self.endpoints.iter().filter(inactive) {
            let (region, status) = (endpoint.region.clone(), endpoint.status);
            obstacles.push(EncryptionError::EndpointNotActive { region, status }.to_string());
        }
        let is_accepted = request.accept_unvalidated && request.accept_no_way_back;
        if self.is_private() && !is_accepted && proved_by.is_none() {
            obstacles.push(EncryptionError::PrivateNetworking.to_string());
        }
        obstacles
    }

    /// The answer to a dry run.
    pub(super) fn plan(
        &self,
        entry: &AzureEntry,
        project: &ProjectId,
        request: &ApplyRequest,
        proved_by: Option<&ProjectId>,
    ) -> Value {
        let endpoints = self.endpoints.iter().map(
            |endpoint| json!({"region": endpoint.region, "status": endpoint.status.to_string()}),
        );
        json!({
            "mode": self.mode().name(),
            "valid": self.vault.as_ref().and_then(|vault| vault.valid),
            "require_private_networking": self.is_private(),
            "private_endpoints": endpoints.collect::<Vec<_>>(),
            "would_change": self.would_change(entry, request),
            "obstacles": self.obstacles(entry, project, request, proved_by),
            "proved_by": proved_by,
            "way_back": entry.way_back(),
        })
    }

    /// The fields of Atlas that would get another value.
    fn would_change(&self, entry: &AzureEntry, request: &ApplyRequest) -> &'static [&'static str] {
        let Some(vault) = &self.vault else {
            return if request.enable.is_some() && entry.role_id.is_some() {
                &[
                    "enabled",
                    "azureEnvironment",
                    "subscriptionID",
                    "resourceGroupName",
                    "keyVaultName",
                    "keyIdentifier",
                    "roleId",
                ]
            } else {
                &[]
            };
        };
        let is_taken_over = request.adopt && vault.role_id.is_some();
        if entry.role_id.is_none() || entry.is_by_role(vault) || is_taken_over {
            &[]
        } else {
            &["roleId"]
        }
    }
}

/// The fields of the answer to a dry run that no other answer has, for the API document.
pub(super) fn fields() -> Vec<Field> {
    vec![
        endpoints_field(),
        Field::texts("would_change").about("With dry_run: the fields of Atlas that would change."),
        Field::texts("obstacles").about("With dry_run: why nothing would be sent."),
        Field::text("proved_by").about(
            "With dry_run: another project that works with the same vault, key and principal.",
        ),
    ]
}

/// The private endpoints, wherever they are answered.
pub(super) fn endpoints_field() -> Field {
    Field::objects("private_endpoints")
        .about("Each private endpoint to the vault: region and status.")
}

/// How Atlas signs in, by what it shows.
pub(super) fn mode_of(vault: Option<&AzureKeyVault>) -> Mode {
    match vault {
        None => Mode::None,
        Some(vault) if vault.role_id.is_some() => Mode::Role,
        Some(_) => Mode::Static,
    }
}
