//! What `apply` would do. Asks Atlas, and changes nothing there.

use serde_json::{Value, json};

use super::entry::{AzureEntry, Mode, Seen};
use crate::atlas::{
    Atlas, AtlasError, AzureKeyVault, EndpointStatus, PrivateEndpoint, ProjectId, RequestBudget,
};
use crate::engine::error::EngineError;

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

    /// What is noted of it.
    pub(super) fn seen(&self, at: chrono::DateTime<chrono::Utc>) -> Seen {
        Seen {
            mode: self.mode(),
            valid: self.vault.as_ref().and_then(|vault| vault.valid),
            at,
        }
    }

    fn is_private(&self) -> bool {
        self.vault.as_ref().is_some_and(AzureKeyVault::is_private)
    }

    /// What stands in the way of `apply`, in words; nothing: it would send the change.
    fn obstacles(&self, entry: &AzureEntry, project: &ProjectId) -> Vec<String> {
        let mut obstacles = Vec::new();
        let Some(role) = &entry.role_id else {
            return vec![
                "this project has no registered service principal: write tenant_id and \
                 service_principal_id first"
                    .to_owned(),
            ];
        };
        let Some(vault) = &self.vault else {
            return vec![format!(
                "encryption at rest with Azure Key Vault is off in project {project}"
            )];
        };
        if let Some(other) = vault.role_id.as_ref().filter(|other| *other != role) {
            obstacles.push(format!(
                "Atlas uses role {other}, which is not this entry's"
            ));
        }
        let inactive = |endpoint: &&PrivateEndpoint| endpoint.status != EndpointStatus::Active;
        for endpoint in self.endpoints.iter().filter(inactive) {
            obstacles.push(format!(
                "private endpoint in {} is {}; approve it in Azure first",
                endpoint.region, endpoint.status
            ));
        }
        if self.is_private() {
            obstacles.push(
                "this project uses private networking: Atlas validates only after the change, and \
                 stops the clusters if a grant is missing; check the grants"
                    .to_owned(),
            );
        }
        obstacles
    }

    /// The answer to a dry run.
    pub(super) fn plan(&self, entry: &AzureEntry, project: &ProjectId) -> Value {
        let present = self.vault.as_ref().and_then(|vault| vault.role_id.as_ref());
        let changes = entry.role_id.is_some() && present != entry.role_id.as_ref();
        let would_change: &[&str] = if changes { &["roleId"] } else { &[] };
        let endpoints = self.endpoints.iter().map(
            |endpoint| json!({"region": endpoint.region, "status": endpoint.status.to_string()}),
        );
        json!({
            "mode": self.mode().name(),
            "valid": self.vault.as_ref().and_then(|vault| vault.valid),
            "require_private_networking": self.is_private(),
            "private_endpoints": endpoints.collect::<Vec<_>>(),
            "would_change": would_change,
            "obstacles": self.obstacles(entry, project),
            "way_back": entry.way_back(),
        })
    }
}

/// How Atlas signs in, by what it shows.
pub(super) fn mode_of(vault: Option<&AzureKeyVault>) -> Mode {
    match vault {
        None => Mode::None,
        Some(vault) if vault.role_id.is_some() => Mode::Role,
        Some(_) => Mode::Static,
    }
}
