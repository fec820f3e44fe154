//! Encryption at rest with a key of Azure Key Vault: how a project is set up, and a change of the
//! credential with which Atlas gets at the key.
//!
//! A change carries over all that was read, and touches no other provider nor what is beside them.
//! Whether a changed credential works Atlas tells at once, unless the project requires private
//! networking: then a success only means that Atlas took it.
//! Source: Atlas documentation, "Enable Secretless Authentication for Azure Key Vault".

use std::time::Duration;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::base::Sensitive;

use super::api_keys::mismatch;
use super::azure_ids::{ApplicationId, TenantId};
use super::call::{Call, RequestBudget};
use super::client::Atlas;
use super::endpoints::{EndpointSet, Scope};
use super::error::{AnswerFault, AtlasError, TransportFault};
use super::hidden::Hidden;
use super::ids::{ProjectId, RoleId};

const SET: EndpointSet = EndpointSet::EncryptionAtRest;
/// Atlas tries the key before it answers a change. A refusal was seen to take 21 s.
pub(crate) const CHANGE_PATIENCE: Duration = Duration::from_mins(1);
/// With less time left a change is not begun: cut off, nobody would know what came of it.
const LEAST_TIME: Duration = Duration::from_secs(25);
/// A change is sent so soon or not at all: it was ordered, and what it sends back was read, just before.
const LONGEST_WAIT: Duration = Duration::from_secs(3);
/// Room for the content of a change at once: growing would leave copies behind that nobody wipes.
const CONTENT_BYTES: usize = 16 * 1024;

/// Which key a project uses, and how its vault is reached: all that a change of the credential carries
/// over, in the very words in which Atlas showed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VaultKey {
    /// Azure's cloud, such as `AZURE`.
    #[serde(rename = "azureEnvironment")]
    pub environment: String,
    /// The subscription that holds the vault.
    #[serde(rename = "subscriptionID")]
    pub subscription_id: String,
    /// The resource group that holds the vault.
    #[serde(rename = "resourceGroupName")]
    pub resource_group: String,
    /// The vault.
    #[serde(rename = "keyVaultName")]
    pub vault: String,
    /// The address of the key, with its version.
    #[serde(rename = "keyIdentifier")]
    pub key_identifier: String,
    /// Whether only private endpoints are used. Sent back if it was shown: Atlas takes its lack for
    /// `false`.
    #[serde(
        default,
        rename = "requirePrivateNetworking",
        skip_serializing_if = "Option::is_none"
    )]
    pub require_private_networking: Option<bool>,
}

/// A project's encryption with Azure Key Vault while it is on.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct AzureKeyVault {
    /// The key.
    #[serde(flatten)]
    pub key: VaultKey,
    /// The registration that Atlas signs in with.
    #[serde(default, rename = "roleId")]
    pub role_id: Option<RoleId>,
    /// The directory of the static credentials.
    #[serde(default, rename = "tenantID")]
    pub tenant_id: Option<TenantId>,
    /// The application of the static credentials. Their secret is never shown.
    #[serde(default, rename = "clientID")]
    pub client_id: Option<ApplicationId>,
    /// Whether the key encrypts and decrypts, as Atlas found last. Not told by every answer.
    #[serde(default)]
    pub valid: Option<bool>,
}

impl AzureKeyVault {
    /// Whether only private endpoints are used.
    pub(crate) fn is_private(&self) -> bool {
        self.key.require_private_networking == Some(true)
    }

    /// Whether it is of this credential and nothing of another kind counts.
    fn has(&self, credential: &VaultCredential<'_>) -> bool {
        match credential {
            // With private networking static credentials may be shown beside the role until it has
            // proved itself.
            VaultCredential::Role(role) => self.role_id.as_ref() == Some(*role),
            VaultCredential::Secret {
                tenant_id,
                client_id,
                ..
            } => {
                self.role_id.is_none()
                    && self.tenant_id.as_ref() == Some(*tenant_id)
                    && self.client_id.as_ref() == Some(*client_id)
            }
        }
    }
}

/// How a project's encryption with Azure Key Vault is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyVaultSetup {
    /// [`None`] while it is off.
    pub vault: Option<AzureKeyVault>,
    /// Whether only private endpoints are used once it is on again, where Atlas shows that while it is
    /// off. To be sent back like that of a key.
    pub off_private_networking: Option<bool>,
}

/// How Atlas is to sign in to the vault.
#[derive(Debug, Clone, Copy)]
pub(crate) enum VaultCredential<'a> {
    /// As its own service principal, by this registration.
    Role(&'a RoleId),
    /// As an application of the customer's.
    Secret {
        /// The directory.
        tenant_id: &'a TenantId,
        /// The application.
        client_id: &'a ApplicationId,
        /// Its password.
        secret: &'a Sensitive,
    },
}

impl VaultCredential<'_> {
    fn hidden(&self) -> Hidden {
        match self {
            Self::Role(_) => Hidden::NOTHING,
            Self::Secret { secret, .. } => Hidden::of([secret]),
        }
    }
}

/// The answer. Only Azure's part is read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reply {
    azure_key_vault: Option<Block>,
}

/// The Azure part, on or off.
#[derive(Deserialize)]
struct Block {
    enabled: Option<bool>,
    #[serde(flatten)]
    rest: serde_json::Map<String, serde_json::Value>,
}

impl Reply {
    /// What the part says. Only Atlas's word counts for that it is off: where it is missing nothing is
    /// known.
    fn read(self, operation: &'static str) -> Result<KeyVaultSetup, AtlasError> {
        let malformed = |source| AtlasError::MalformedAnswer { operation, source };
        let missing = |field| malformed(AnswerFault::Missing { field });
        let block = self.azure_key_vault.ok_or(missing("azureKeyVault"))?;
        let enabled = block.enabled.ok_or(missing("azureKeyVault.enabled"))?;
        if !enabled {
            let flag = block.rest.get("requirePrivateNetworking");
            return Ok(KeyVaultSetup {
                vault: None,
                off_private_networking: flag.and_then(serde_json::Value::as_bool),
            });
        }
        let vault = serde_json::from_value(serde_json::Value::Object(block.rest));
        let vault = vault.map_err(|error| malformed(error.into()))?;
        Ok(KeyVaultSetup {
            vault: Some(vault),
            off_private_networking: None,
        })
    }
}

/// The content of a change, written straight into memory that is wiped.
#[derive(Serialize)]
struct Change<'a> {
    #[serde(rename = "azureKeyVault")]
    block: ChangedBlock<'a>,
}

#[derive(Serialize)]
struct ChangedBlock<'a> {
    enabled: bool,
    #[serde(flatten)]
    key: &'a VaultKey,
    #[serde(flatten)]
    credential: Credential<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Credential<'a> {
    Role {
        #[serde(rename = "roleId")]
        role: &'a RoleId,
    },
    Secret {
        #[serde(rename = "tenantID")]
        tenant_id: &'a TenantId,
        #[serde(rename = "clientID")]
        client_id: &'a ApplicationId,
        secret: &'a str,
    },
}

impl Atlas {
    /// How a project's encryption with Azure Key Vault is set up; [`None`] while it is off.
    ///
    /// Atlas tries the key when it is asked. Source: Atlas API `getEncryptionAtRest`.
    pub(crate) async fn azure_key_vault(
        &self,
        project: &ProjectId,
        budget: RequestBudget,
    ) -> Result<Option<AzureKeyVault>, AtlasError> {
        let setup = self.azure_key_vault_setup(project, budget).await?;
        Ok(setup.vault)
    }

    /// The same, with what is shown while it is off.
    pub(crate) async fn azure_key_vault_setup(
        &self,
        project: &ProjectId,
        budget: RequestBudget,
    ) -> Result<KeyVaultSetup, AtlasError> {
        let operation = "getEncryptionAtRest";
        let scope = Scope::Project(project.clone());
        let call = Call::get(operation, &path(project), SET, scope);
        let reply: Reply = self.fetch(&call, budget).await?;
        reply.read(operation)
    }

    /// Changes with what Atlas signs in to the vault, and nothing else: `key` is what
    /// [`Self::azure_key_vault_setup`] just showed. It also switches encryption on where it is off.
    ///
    /// One request; never sent again while its outcome is unknown, as somebody else may have changed the
    /// key meanwhile: ask Atlas first. Nor is it sent where there is no time for an answer, or where it would
    /// have to wait for its turn. A [refusal](AtlasError::key_vault_refusal) leaves all as it was.
    /// The answer shows key and credential as they were sent, or it is an error.
    /// Source: Atlas API `updateEncryptionAtRest`.
    pub(crate) async fn set_vault_credential(
        &self,
        project: &ProjectId,
        key: &VaultKey,
        credential: VaultCredential<'_>,
        budget: RequestBudget,
    ) -> Result<AzureKeyVault, AtlasError> {
        let operation = "updateEncryptionAtRest";
        let scope = Scope::Project(project.clone());
        let (content, hidden) = (content(key, &credential), credential.hidden());
        if budget.left() < LEAST_TIME {
            return Err(AtlasError::NoAnswer {
                operation,
                attempts: 0,
                source: TransportFault::NoTimeLeft,
            });
        }
        let call = Call::patch_once(operation, &path(project), SET, scope, content, hidden);
        let call = call.patient(CHANGE_PATIENCE).waiting(LONGEST_WAIT);
        let reply: Reply = self.fetch(&call, budget).await?;
        let setup = reply.read(operation)?;
        setup
            .vault
            .filter(|vault| vault.has(&credential) && is_same(&vault.key, key))
            .ok_or_else(|| mismatch(operation))
    }
}

impl RequestBudget {
    /// The same with the time for a change: for one by which nothing is lost, even if its answer does not
    /// come.
    pub(crate) fn with_time_for_a_change(self) -> Self {
        let time = Self::within(LEAST_TIME + Duration::from_secs(1), self.priority);
        let deadline = self.deadline.max(time.deadline);
        Self { deadline, ..self }
    }
}

fn path(project: &ProjectId) -> String {
    format!("/groups/{project}/encryptionAtRest")
}

/// Whether Atlas shows the key that was sent. A flag that was not sent may be shown as `false`.
fn is_same(shown: &VaultKey, sent: &VaultKey) -> bool {
    let private = |key: &VaultKey| key.require_private_networking.unwrap_or(false);
    let same = VaultKey {
        require_private_networking: sent.require_private_networking,
        ..shown.clone()
    };
    same == *sent && private(shown) == private(sent)
}

fn content(key: &VaultKey, credential: &VaultCredential<'_>) -> Zeroizing<Vec<u8>> {
    let credential = match *credential {
        VaultCredential::Role(role) => Credential::Role { role },
        VaultCredential::Secret {
            tenant_id,
            client_id,
            secret,
        } => Credential::Secret {
            tenant_id,
            client_id,
            secret: secret.expose(),
        },
    };
    let block = ChangedBlock {
        enabled: true,
        key,
        credential,
    };
    let mut content = Zeroizing::new(Vec::with_capacity(CONTENT_BYTES));
    // Text and flags in memory: there is nothing in it that could fail.
    let written = serde_json::to_writer(&mut *content, &Change { block });
    debug_assert!(written.is_ok(), "{written:?}");
    content
}

#[cfg(test)]
#[path = "encryption_at_rest_tests.rs"]
mod tests;
