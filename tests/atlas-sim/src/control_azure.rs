//! The control port's hands on Azure: who is known there, which vaults there are, and who may use them.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::azure::{
    Azure, ClientSecret, Environment, Grant, Key, KeyPermission, Principal, Right, Role, Tenant,
    Vault,
};
use crate::clock::{after, text};
use crate::control::{Input, Outcome, Refused};
use crate::ids;
use crate::server::Sim;

/// Azure's longest lifetime of a client secret. Source: Azure documentation; two years.
const LONGEST_SECRET_SECONDS: u64 = 2 * 366 * 86_400;

/// Everything in Azure, without any secret in clear.
pub(crate) fn describe(azure: &Azure, now: DateTime<Utc>) -> Value {
    let tenants = azure.tenants().map(|tenant| describe_tenant(tenant, now));
    let vaults = azure.vaults().map(|vault| describe_vault(vault, now));
    json!({"tenants": tenants.collect::<Vec<_>>(), "vaults": vaults.collect::<Vec<_>>()})
}

fn describe_tenant(tenant: &Tenant, now: DateTime<Utc>) -> Value {
    let principals = tenant.principals.values().map(|principal| {
        let secrets = principal.secrets.iter().map(|secret| {
            json!({
                "id": secret.id, "works": secret.works_from <= now && now < secret.expires_at,
                "expires_at": text(secret.expires_at),
            })
        });
        json!({
            "service_principal_id": principal.id, "app_id": principal.app_id,
            "works": principal.works_from <= now, "secrets": secrets.collect::<Vec<_>>(),
        })
    });
    json!({"tenant_id": tenant.id, "principals": principals.collect::<Vec<_>>()})
}

fn describe_vault(vault: &Vault, now: DateTime<Utc>) -> Value {
    let keys = vault.keys.iter().map(|(name, key)| {
        json!({
            "key_identifier": vault.key_identifier(name), "enabled": key.enabled,
            "not_before": key.not_before.map(text), "expires_at": key.expires_at.map(text),
        })
    });
    let grants = vault.grants.iter().map(|grant| {
        let mut body = json!({
            "service_principal_id": grant.principal_id, "in_force": grant.holds(now),
        });
        match &grant.right {
            Right::Role(role) => body["role"] = json!(role),
            Right::Keys(permissions) => body["key_permissions"] = json!(permissions),
        }
        body
    });
    json!({
        "vault": vault.name, "tenant_id": vault.tenant_id,
        "subscription_id": vault.subscription_id, "resource_group": vault.resource_group,
        "azure_environment": vault.environment, "rbac": vault.rbac,
        "public_network": vault.public_network, "reachable": vault.reachable,
        "keys": keys.collect::<Vec<_>>(), "grants": grants.collect::<Vec<_>>(),
    })
}

pub(crate) async fn read(State(sim): State<Arc<Sim>>) -> Json<Value> {
    let now = sim.clock.now();
    Json(describe(&sim.caught_up(now).world.azure, now))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTenant {
    #[serde(default)]
    tenant_id: Option<String>,
}

pub(crate) async fn create_tenant(
    State(sim): State<Arc<Sim>>,
    Input(new): Input<NewTenant>,
) -> Outcome {
    let id = new.tenant_id.unwrap_or_else(ids::uuid);
    sim.caught_up(sim.clock.now()).world.azure.add_tenant(&id);
    Ok(Json(json!({"tenant_id": id})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPrincipal {
    tenant_id: String,
    /// Atlas's own application, if not given.
    #[serde(default)]
    app_id: Option<String>,
    #[serde(default, rename = "service_principal_id")]
    object: Option<String>,
}

/// What `az ad sp create --id` does.
pub(crate) async fn create_principal(
    State(sim): State<Arc<Sim>>,
    Input(new): Input<NewPrincipal>,
) -> Outcome {
    let now = sim.clock.now();
    let core = &mut *sim.caught_up(now);
    let own_app = || core.settings.atlas_azure_app_id.clone();
    let app_id = new.app_id.unwrap_or_else(own_app);
    let tenant = tenant(&mut core.world.azure, &new.tenant_id)?;
    if tenant.principal_of(&app_id).is_some() {
        let text = format!("application {app_id} has a service principal in this tenant already");
        return Err(Refused::bad(text));
    }
    let principal = Principal {
        id: new.object.unwrap_or_else(ids::uuid),
        app_id,
        works_from: after(now, core.settings.azure_principal_delay_seconds),
        secrets: Vec::new(),
    };
    let answer = json!({"service_principal_id": principal.id, "app_id": principal.app_id});
    let id = principal.id.to_ascii_lowercase();
    tenant.principals.insert(id, principal);
    Ok(Json(answer))
}

fn tenant<'a>(azure: &'a mut Azure, id: &str) -> Result<&'a mut Tenant, Refused> {
    azure
        .tenant_mut(id)
        .ok_or_else(|| Refused::missing("tenant", id))
}

/// Deletes a service principal wherever it is; its grants stay and serve nobody.
pub(crate) async fn delete_principal(
    State(sim): State<Arc<Sim>>,
    Path((tenant_id, id)): Path<(String, String)>,
) -> Result<StatusCode, Refused> {
    let azure = &mut sim.caught_up(sim.clock.now()).world.azure;
    let principals = &mut tenant(azure, &tenant_id)?.principals;
    let gone = principals.remove(&id.to_ascii_lowercase());
    gone.map(|_| StatusCode::NO_CONTENT)
        .ok_or_else(|| Refused::missing("service principal", &id))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSecret {
    tenant_id: String,
    app_id: String,
    /// Made up, if not given.
    #[serde(default)]
    client_secret: Option<String>,
    #[serde(default = "half_a_year")]
    seconds: u64,
}

fn half_a_year() -> u64 {
    180 * 86_400
}

/// What `az ad app credential reset --append` does.
pub(crate) async fn create_secret(
    State(sim): State<Arc<Sim>>,
    Input(new): Input<NewSecret>,
) -> Outcome {
    if !(1..=LONGEST_SECRET_SECONDS).contains(&new.seconds) {
        return Err(Refused::bad(
            "seconds: a client secret lives for two years at most",
        ));
    }
    let now = sim.clock.now();
    let core = &mut *sim.caught_up(now);
    let tenant = tenant(&mut core.world.azure, &new.tenant_id)?;
    let principal = tenant.principal_of_mut(&new.app_id);
    let principal = principal.ok_or_else(|| Refused::missing("application", &new.app_id))?;
    let secret = ClientSecret {
        id: ids::uuid(),
        value: new.client_secret.unwrap_or_else(ids::azure_secret),
        works_from: after(now, core.settings.azure_secret_delay_seconds),
        expires_at: after(now, new.seconds),
    };
    let answer = json!({
        "id": secret.id, "client_secret": secret.value, "expires_at": text(secret.expires_at),
    });
    principal.secrets.push(secret);
    Ok(Json(answer))
}

/// Ends a secret's life now.
pub(crate) async fn expire_secret(
    State(sim): State<Arc<Sim>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Refused> {
    let now = sim.clock.now();
    let core = &mut *sim.caught_up(now);
    let mut secrets = core.world.azure.secrets_mut().flatten();
    let secret = secrets.find(|secret| secret.id == id);
    secret
        .ok_or_else(|| Refused::missing("client secret", &id))?
        .expires_at = now;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a secret out of Azure.
pub(crate) async fn delete_secret(
    State(sim): State<Arc<Sim>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Refused> {
    let core = &mut *sim.caught_up(sim.clock.now());
    let mut lists = core.world.azure.secrets_mut();
    let list = lists.find(|list| list.iter().any(|secret| secret.id == id));
    list.ok_or_else(|| Refused::missing("client secret", &id))?
        .retain(|secret| secret.id != id);
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewVault {
    tenant_id: String,
    vault: String,
    #[serde(default)]
    subscription_id: Option<String>,
    #[serde(default)]
    resource_group: Option<String>,
    #[serde(default)]
    azure_environment: Option<Environment>,
    #[serde(default)]
    rbac: Option<bool>,
    #[serde(default)]
    public_network: Option<bool>,
}

/// Makes a vault with one key, and gives the fields of encryption at rest that name them.
pub(crate) async fn create_vault(
    State(sim): State<Arc<Sim>>,
    Input(new): Input<NewVault>,
) -> Outcome {
    let azure = &mut sim.caught_up(sim.clock.now()).world.azure;
    tenant(azure, &new.tenant_id)?;
    if azure.vault(&new.vault).is_some() {
        return Err(Refused::bad(format!("the name {} is taken", new.vault)));
    }
    let name = new_key_name("key");
    let vault = Vault {
        name: new.vault,
        tenant_id: new.tenant_id,
        subscription_id: new.subscription_id.unwrap_or_else(ids::uuid),
        resource_group: new.resource_group.unwrap_or_else(|| "group".to_owned()),
        environment: new.azure_environment.unwrap_or(Environment::Azure),
        rbac: new.rbac.unwrap_or(true),
        public_network: new.public_network.unwrap_or(true),
        reachable: true,
        keys: BTreeMap::from([(name.clone(), new_key())]),
        grants: Vec::new(),
    };
    let answer = json!({
        "azureEnvironment": vault.environment, "subscriptionID": vault.subscription_id,
        "resourceGroupName": vault.resource_group, "keyVaultName": vault.name,
        "keyIdentifier": vault.key_identifier(&name),
    });
    azure.add_vault(vault);
    Ok(Json(answer))
}

fn new_key_name(name: &str) -> String {
    let version = ids::uuid().replace('-', "");
    format!("{}/{version}", name.to_ascii_lowercase())
}

fn new_key() -> Key {
    Key {
        enabled: true,
        not_before: None,
        expires_at: None,
    }
}

fn vault<'a>(azure: &'a mut Azure, name: &str) -> Result<&'a mut Vault, Refused> {
    azure
        .vault_mut(name)
        .ok_or_else(|| Refused::missing("vault", name))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VaultChange {
    #[serde(default)]
    rbac: Option<bool>,
    #[serde(default)]
    public_network: Option<bool>,
    #[serde(default)]
    reachable: Option<bool>,
}

pub(crate) async fn change_vault(
    State(sim): State<Arc<Sim>>,
    Path(name): Path<String>,
    Input(change): Input<VaultChange>,
) -> Result<StatusCode, Refused> {
    let azure = &mut sim.caught_up(sim.clock.now()).world.azure;
    let vault = vault(azure, &name)?;
    vault.rbac = change.rbac.unwrap_or(vault.rbac);
    vault.public_network = change.public_network.unwrap_or(vault.public_network);
    vault.reachable = change.reachable.unwrap_or(vault.reachable);
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewKey {
    vault: String,
    name: String,
}

/// Makes a key, or a new version of one.
pub(crate) async fn create_key(State(sim): State<Arc<Sim>>, Input(new): Input<NewKey>) -> Outcome {
    let azure = &mut sim.caught_up(sim.clock.now()).world.azure;
    let vault = vault(azure, &new.vault)?;
    let name = new_key_name(&new.name);
    let answer = json!({"keyIdentifier": vault.key_identifier(&name)});
    vault.keys.insert(name, new_key());
    Ok(Json(answer))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyChange {
    vault: String,
    key_identifier: String,
    #[serde(default)]
    enabled: Option<bool>,
    #[serde(default)]
    expires_in_seconds: Option<u64>,
    #[serde(default)]
    not_before_in_seconds: Option<u64>,
}

pub(crate) async fn change_key(
    State(sim): State<Arc<Sim>>,
    Input(change): Input<KeyChange>,
) -> Result<StatusCode, Refused> {
    let now = sim.clock.now();
    let azure = &mut sim.caught_up(now).world.azure;
    let key = vault(azure, &change.vault)?.key_mut(&change.key_identifier);
    let key = key.ok_or_else(|| Refused::missing("key", &change.key_identifier))?;
    let moment = |seconds: Option<u64>| seconds.map(|seconds| after(now, seconds));
    key.enabled = change.enabled.unwrap_or(key.enabled);
    key.expires_at = moment(change.expires_in_seconds).or(key.expires_at);
    key.not_before = moment(change.not_before_in_seconds).or(key.not_before);
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GrantInput {
    vault: String,
    service_principal_id: String,
    #[serde(default)]
    role: Option<Role>,
    #[serde(default)]
    key_permissions: Option<Vec<KeyPermission>>,
    /// How long until it counts; the setting, if not given.
    #[serde(default)]
    delay_seconds: Option<u64>,
}

impl GrantInput {
    fn right(&self) -> Result<Option<Right>, Refused> {
        match (self.role, &self.key_permissions) {
            (None, None) => Ok(None),
            (Some(role), None) => Ok(Some(Right::Role(role))),
            (None, Some(permissions)) => Ok(Some(Right::Keys(permissions.clone()))),
            (Some(_), Some(_)) => Err(Refused::bad("give role or key_permissions, not both")),
        }
    }
}

/// Grants a role on a vault, or sets the principal's entry in the vault's access policy.
pub(crate) async fn grant(
    State(sim): State<Arc<Sim>>,
    Input(input): Input<GrantInput>,
) -> Result<StatusCode, Refused> {
    let right = input
        .right()?
        .ok_or_else(|| Refused::bad("give role or key_permissions"))?;
    let now = sim.clock.now();
    let core = &mut *sim.caught_up(now);
    let delay = core.settings.azure_grant_delay_seconds;
    let vault = vault(&mut core.world.azure, &input.vault)?;
    vault.grants.push(Grant {
        principal_id: input.service_principal_id,
        right,
        from: after(now, input.delay_seconds.unwrap_or(delay)),
        until: None,
    });
    Ok(StatusCode::NO_CONTENT)
}

/// Revokes what was granted: that role, that entry, or all if neither is named.
pub(crate) async fn revoke(
    State(sim): State<Arc<Sim>>,
    Input(input): Input<GrantInput>,
) -> Result<StatusCode, Refused> {
    let right = input.right()?;
    let now = sim.clock.now();
    let core = &mut *sim.caught_up(now);
    let delay = core.settings.azure_grant_delay_seconds;
    let until = after(now, input.delay_seconds.unwrap_or(delay));
    let vault = vault(&mut core.world.azure, &input.vault)?;
    let same = |id: &str| id.eq_ignore_ascii_case(&input.service_principal_id);
    let mut found = false;
    for grant in &mut vault.grants {
        let is_meant = right.as_ref().is_none_or(|right| grant.right == *right);
        if is_meant && same(&grant.principal_id) && grant.until.is_none() {
            grant.until = Some(until);
            found = true;
        }
    }
    if found {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Refused::missing("grant", &input.service_principal_id))
    }
}
