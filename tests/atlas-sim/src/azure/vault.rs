//! Azure's key vaults: keys, and what principals are granted.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A key vault.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Vault {
    pub(crate) name: String,
    pub(crate) tenant_id: String,
    pub(crate) subscription_id: String,
    pub(crate) resource_group: String,
    pub(crate) environment: Environment,
    /// Whether roles decide on the use of keys, and not the vault's access policy.
    pub(crate) rbac: bool,
    /// Whether it can be reached from the internet, and not through private endpoints alone.
    pub(crate) public_network: bool,
    /// Whether it can be reached at all.
    pub(crate) reachable: bool,
    /// By name and version, in lower case: `key/0123`.
    pub(crate) keys: BTreeMap<String, Key>,
    pub(crate) grants: Vec<Grant>,
}

/// One of Azure's clouds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Environment {
    Azure,
    AzureChina,
    AzureUsGovernment,
}

/// One version of a key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Key {
    pub(crate) enabled: bool,
    pub(crate) not_before: Option<DateTime<Utc>>,
    pub(crate) expires_at: Option<DateTime<Utc>>,
}

/// What a principal may do in a vault, from when until when.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Grant {
    pub(crate) principal_id: String,
    pub(crate) right: Right,
    pub(crate) from: DateTime<Utc>,
    pub(crate) until: Option<DateTime<Utc>>,
}

/// What is granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Right {
    /// A role on the vault.
    Role(Role),
    /// An entry of the vault's access policy.
    Keys(Vec<KeyPermission>),
}

/// Azure's own roles that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Role {
    #[serde(rename = "Reader")]
    Reader,
    #[serde(rename = "Key Vault Reader")]
    KeyVaultReader,
    #[serde(rename = "Key Vault Contributor")]
    KeyVaultContributor,
    #[serde(rename = "Key Vault Crypto User")]
    KeyVaultCryptoUser,
    #[serde(rename = "Key Vault Crypto Officer")]
    KeyVaultCryptoOfficer,
    #[serde(rename = "Key Vault Administrator")]
    KeyVaultAdministrator,
}

/// What an access policy can allow with keys; only what matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum KeyPermission {
    Get,
    List,
    Encrypt,
    Decrypt,
    WrapKey,
    UnwrapKey,
}

impl Environment {
    /// What follows a vault's name in its host name.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Azure => "vault.azure.net",
            Self::AzureChina => "vault.azure.cn",
            Self::AzureUsGovernment => "vault.usgovcloudapi.net",
        }
    }
}

impl Vault {
    /// The address of one of its keys, given as `name/version`.
    pub(crate) fn key_identifier(&self, key: &str) -> String {
        let (name, suffix) = (self.name.to_ascii_lowercase(), self.environment.suffix());
        format!("https://{name}.{suffix}/keys/{key}")
    }

    /// The key with this address, if it is one of this vault's.
    pub(crate) fn key(&self, identifier: &str) -> Option<&Key> {
        self.keys.get(&self.key_name(identifier)?)
    }

    /// As [`Self::key`], to change it.
    pub(crate) fn key_mut(&mut self, identifier: &str) -> Option<&mut Key> {
        let name = self.key_name(identifier)?;
        self.keys.get_mut(&name)
    }

    fn key_name(&self, identifier: &str) -> Option<String> {
        let name = identifier.to_ascii_lowercase();
        Some(name.strip_prefix(&self.key_identifier(""))?.to_owned())
    }

    /// Whether the principal may read the vault itself: Microsoft.KeyVault/vaults/read.
    pub(super) fn may_read(&self, principal_id: &str, now: DateTime<Utc>) -> bool {
        self.rights(principal_id, now).any(|right| match right {
            Right::Role(role) => {
                !matches!(role, Role::KeyVaultCryptoUser | Role::KeyVaultCryptoOfficer)
            }
            Right::Keys(_) => false,
        })
    }

    /// Whether the principal may read keys, encrypt and decrypt.
    pub(super) fn may_use_keys(&self, principal_id: &str, now: DateTime<Utc>) -> bool {
        self.rights(principal_id, now).any(|right| match right {
            Right::Role(role) => {
                self.rbac
                    && matches!(
                        role,
                        Role::KeyVaultCryptoUser
                            | Role::KeyVaultCryptoOfficer
                            | Role::KeyVaultAdministrator
                    )
            }
            Right::Keys(permissions) => {
                use KeyPermission::{Decrypt, Encrypt, Get};
                let all = [Get, Encrypt, Decrypt];
                !self.rbac && all.iter().all(|wanted| permissions.contains(wanted))
            }
        })
    }

    fn rights<'a>(
        &'a self,
        principal_id: &'a str,
        now: DateTime<Utc>,
    ) -> impl Iterator<Item = &'a Right> {
        let grants = self.grants.iter();
        grants
            .filter(move |grant| grant.principal_id.eq_ignore_ascii_case(principal_id))
            .filter(move |grant| grant.holds(now))
            .map(|grant| &grant.right)
    }

    pub(super) fn moments(&self) -> impl Iterator<Item = DateTime<Utc>> {
        let keys = self.keys.values();
        let keys = keys.flat_map(|key| key.not_before.into_iter().chain(key.expires_at));
        let grants = self.grants.iter();
        keys.chain(grants.flat_map(|grant| grant.until.into_iter().chain([grant.from])))
    }
}

impl Grant {
    pub(crate) fn holds(&self, now: DateTime<Utc>) -> bool {
        self.from <= now && self.until.is_none_or(|until| now < until)
    }
}
