//! A simulated Azure behind Atlas: directories, key vaults, and who may use which key.
//!
//! Whether a project's key can be used is computed from what is in here. Nothing sets it.

mod directory;
mod key_check;
mod vault;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub(crate) use directory::{ClientSecret, Principal, Tenant};
pub(crate) use key_check::{Fault, KeyCheck, KeyUse, Route, SignIn};
pub(crate) use vault::{Environment, Grant, Key, KeyPermission, Right, Role, Vault};

/// All of Azure. Names and ids are compared without regard to case, as Azure does.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Azure {
    /// By id, in lower case.
    tenants: BTreeMap<String, Tenant>,
    /// By name, in lower case: the name of a vault is its host name, so no two vaults share one.
    vaults: BTreeMap<String, Vault>,
}

impl Azure {
    pub(crate) fn tenants(&self) -> impl Iterator<Item = &Tenant> {
        self.tenants.values()
    }

    pub(crate) fn tenant(&self, id: &str) -> Option<&Tenant> {
        self.tenants.get(&id.to_ascii_lowercase())
    }

    pub(crate) fn tenant_mut(&mut self, id: &str) -> Option<&mut Tenant> {
        self.tenants.get_mut(&id.to_ascii_lowercase())
    }

    /// Adds a tenant, unless it is there.
    pub(crate) fn add_tenant(&mut self, id: &str) {
        self.tenants
            .entry(id.to_ascii_lowercase())
            .or_insert_with(|| Tenant::new(id));
    }

    pub(crate) fn vaults(&self) -> impl Iterator<Item = &Vault> {
        self.vaults.values()
    }

    pub(crate) fn vaults_mut(&mut self) -> impl Iterator<Item = &mut Vault> {
        self.vaults.values_mut()
    }

    pub(crate) fn vault(&self, name: &str) -> Option<&Vault> {
        self.vaults.get(&name.to_ascii_lowercase())
    }

    pub(crate) fn vault_mut(&mut self, name: &str) -> Option<&mut Vault> {
        self.vaults.get_mut(&name.to_ascii_lowercase())
    }

    /// Adds a vault; the name must be free.
    pub(crate) fn add_vault(&mut self, vault: Vault) {
        self.vaults.insert(vault.name.to_ascii_lowercase(), vault);
    }

    /// Every secret of every application, to look for one.
    pub(crate) fn secrets_mut(&mut self) -> impl Iterator<Item = &mut Vec<ClientSecret>> {
        self.tenants
            .values_mut()
            .flat_map(|tenant| tenant.principals.values_mut())
            .map(|principal| &mut principal.secrets)
    }

    /// The id of the secret that has this value.
    pub(crate) fn secret_id(&self, value: &str) -> Option<&str> {
        self.tenants()
            .flat_map(|tenant| tenant.principals.values())
            .flat_map(|principal| &principal.secrets)
            .find(|secret| secret.value == value)
            .map(|secret| secret.id.as_str())
    }

    /// The moments at which something begins or ends to hold. Between two of them no answer changes.
    pub(crate) fn moments(&self) -> impl Iterator<Item = DateTime<Utc>> {
        let directory = self.tenants().flat_map(Tenant::moments);
        let vaults = self.vaults().flat_map(Vault::moments);
        directory.chain(vaults)
    }
}
