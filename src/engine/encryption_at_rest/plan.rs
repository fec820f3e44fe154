//! What `apply` would do. Asks Atlas, and changes nothing there.

use serde_json::{Value, json};

use super::apply::ApplyRequest;
use super::entry::{AzureEntry, Mode};
use super::watch::reading;
use crate::atlas::{
    Atlas, AzureKeyVault, EndpointStatus, KeyVaultSetup, PrivateEndpoint, ProjectId, RequestBudget,
    TenantId, VaultKey,
};
use crate::engine::error::{EncryptionError, EngineError};
use crate::framework::Field;

/// How a project stands in Atlas.
pub(super) struct Standing {
    /// [`None`]: no key of Azure's is set.
    pub(super) vault: Option<AzureKeyVault>,
    /// Whether private networking will be required once encryption is on, where Atlas says so before.
    off_private_networking: Option<bool>,
    /// Only asked for where private networking is required.
    endpoints: Vec<PrivateEndpoint>,
}

/// Why the data nodes of a project with private networking reach no key vault.
pub(super) enum Unreached<'a> {
    /// There is no endpoint.
    NoEndpoint,
    /// This one is not up.
    Down(&'a PrivateEndpoint),
}

impl From<Unreached<'_>> for EncryptionError {
    fn from(unreached: Unreached<'_>) -> Self {
        match unreached {
            Unreached::NoEndpoint => Self::NoEndpoint,
            Unreached::Down(endpoint) => Self::EndpointNotActive {
                region: endpoint.region.clone(),
                status: endpoint.status,
            },
        }
    }
}

impl Standing {
    /// Asks Atlas.
    pub(super) async fn ask(
        atlas: &Atlas,
        project: &ProjectId,
        budget: RequestBudget,
    ) -> Result<Self, EngineError> {
        let mut standing = Self::ask_vault(atlas, project, budget).await?;
        standing.ask_endpoints(atlas, project, budget).await?;
        Ok(standing)
    }

    /// Asks how Atlas signs in, and not yet for what only a change needs to know.
    pub(super) async fn ask_vault(
        atlas: &Atlas,
        project: &ProjectId,
        budget: RequestBudget,
    ) -> Result<Self, EngineError> {
        let setup = atlas.azure_key_vault_setup(project, budget).await;
        let KeyVaultSetup {
            vault,
            off_private_networking,
        } = setup.map_err(|error| EngineError::atlas(&reading(project), error))?;
        Ok(Self {
            vault,
            off_private_networking,
            endpoints: Vec::new(),
        })
    }

    /// Asks for the rest.
    pub(super) async fn ask_endpoints(
        &mut self,
        atlas: &Atlas,
        project: &ProjectId,
        budget: RequestBudget,
    ) -> Result<(), EngineError> {
        if self.is_private() {
            let endpoints = atlas.azure_private_endpoints(project, budget).await;
            self.endpoints =
                endpoints.map_err(|error| EngineError::atlas(&reading(project), error))?;
        }
        Ok(())
    }

    /// How Atlas signs in.
    pub(super) fn mode(&self) -> Mode {
        mode_of(self.vault.as_ref())
    }

    /// Whether only private endpoints are used, or will be once encryption is on.
    pub(super) fn is_private(&self) -> bool {
        match &self.vault {
            Some(vault) => vault.is_private(),
            None => self.off_private_networking == Some(true),
        }
    }

    /// The key that a change sends: the one that is used, or the one to switch encryption on with.
    pub(super) fn key(&self, enable: Option<&VaultKey>) -> Option<VaultKey> {
        match &self.vault {
            Some(vault) => Some(vault.key.clone()),
            None => enable.map(|key| VaultKey {
                require_private_networking: self.off_private_networking,
                ..key.clone()
            }),
        }
    }

    /// Why the data nodes reach no key vault: nothing where they do, or go by the internet.
    pub(super) fn unreached(&self) -> impl Iterator<Item = Unreached<'_>> {
        let is_none = self.is_private() && self.endpoints.is_empty();
        let down = |endpoint: &&PrivateEndpoint| endpoint.status != EndpointStatus::Active;
        let down = self.endpoints.iter().filter(down).map(Unreached::Down);
        is_none
            .then_some(Unreached::NoEndpoint)
            .into_iter()
            .chain(down)
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
        if self.vault.is_none() && request.enable.is_none() {
            obstacles.push(format!(
                "encryption at rest with Azure Key Vault is off in project {project}"
            ));
            return obstacles;
        }
        let used = self.vault.as_ref().and_then(|vault| vault.role_id.as_ref());
        if let Some(other) = used.filter(|other| *other != role) {
            let role = other.clone();
            if !request.adopt {
                obstacles.push(EncryptionError::OtherRole { role }.to_string());
            }
            return obstacles;
        }
        if used.is_some() {
            return obstacles;
        }
        for unreached in self.unreached() {
            obstacles.push(EncryptionError::from(unreached).to_string());
        }
        let is_accepted = request.accept_unvalidated && request.accept_no_way_back;
        if self.is_private() && !is_accepted && proved_by.is_none() {
            obstacles.push(EncryptionError::PrivateNetworking.to_string());
        }
        obstacles
    }

    /// What whoever orders the change should know, though it keeps nobody from sending it.
    pub(super) fn warnings(&self, entry: &AzureEntry, request: &ApplyRequest) -> Vec<String> {
        let vault = self.vault.as_ref();
        let by_secret = vault.filter(|vault| vault.role_id.is_none());
        let shown = by_secret.and_then(|vault| vault.tenant_id.as_ref());
        let directory = other_directory(shown, entry);
        directory.into_iter().chain(request.warning()).collect()
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

/// That the principal is of another directory than the one to which Atlas signs in with a secret, so
/// that no grant can help.
pub(super) fn other_directory(shown: Option<&TenantId>, entry: &AzureEntry) -> Option<String> {
    let own = &entry.principal.as_ref()?.tenant;
    let shown = shown.filter(|shown| *shown != own)?;
    Some(format!(
        "Atlas signs in to directory {shown}, and the service principal is of directory {own}: a key \
         vault belongs to one directory and lets none of another in. Create the principal in the vault's \
         directory, delete this entry, and write it with the ids from there"
    ))
}

/// How Atlas signs in, by what it shows.
pub(super) fn mode_of(vault: Option<&AzureKeyVault>) -> Mode {
    match vault {
        None => Mode::None,
        Some(vault) if vault.role_id.is_some() => Mode::Role,
        Some(_) => Mode::Static,
    }
}
