//! Encryption at rest. Only Azure Key Vault can be configured; other providers' blocks are shown.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::azure::{Fault, KeyCheck};
use crate::body::Fields;
use crate::core::Call;
use crate::dispatch::unknown_project;
use crate::encryption::{Encryption, STATIC, is_private, text};
use crate::errors::ApiError;
use crate::http::Answer;
use crate::resources::key_vault;
use crate::settings::{AfterRole, Omitted, Settings, Verdict};
use crate::state::Project;
use crate::world::World;

const PROVIDERS: [&str; 4] = [
    "azureKeyVault",
    "awsKms",
    "googleCloudKms",
    "enabledForSearchNodes",
];
/// Parts of other providers' blocks that are never shown.
const HIDDEN: [&str; 2] = ["secretAccessKey", "serviceAccountKey"];
/// What cannot be changed while there are private endpoints. Source: Atlas API, `AzureKeyVault`.
const FROZEN: [&str; 3] = ["keyVaultName", "subscriptionID", "resourceGroupName"];

pub(crate) fn read(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let id = call.param("groupId").to_owned();
    let project = call.world.projects.get_mut(&id);
    let project = project.ok_or_else(|| unknown_project(&id, call.settings))?;
    let check = project.key_check(&call.world.azure, call.now);
    if check == Some(KeyCheck::Usable) {
        project.encryption.prove();
    }
    Ok(Answer::ok(show(&project.encryption, check, call.settings)))
}

fn show(encryption: &Encryption, check: Option<KeyCheck>, settings: &Settings) -> Value {
    let mut vault = encryption.vault.clone();
    vault.remove("secret");
    if encryption.is_on() {
        let valid = match check {
            Some(KeyCheck::Usable) => true,
            Some(KeyCheck::Refused(_)) => false,
            Some(KeyCheck::Unreachable) => settings.valid_while_unreachable,
            None => settings.private_valid_before_verdict,
        };
        vault.insert("valid".to_owned(), json!(valid));
    } else {
        vault.insert("enabled".to_owned(), json!(false));
    }
    let other = |name: &str| {
        let mut block = encryption.others.get(name).cloned();
        if let Some(Value::Object(block)) = &mut block {
            block.retain(|field, _| !HIDDEN.contains(&field.as_str()));
        }
        block.unwrap_or_else(|| json!({"enabled": false}))
    };
    json!({
        "azureKeyVault": vault, "awsKms": other("awsKms"),
        "googleCloudKms": other("googleCloudKms"),
        "enabledForSearchNodes": encryption.search_nodes,
    })
}

pub(crate) fn update(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let body = call.take_body();
    let id = call.param("groupId").to_owned();
    change(call.world, call.settings, call.now, &id, &body)?;
    read(call)
}

/// Carries out a change, whoever asks for it.
pub(crate) fn change(
    world: &mut World,
    settings: &Settings,
    now: DateTime<Utc>,
    id: &str,
    body: &Value,
) -> Result<(), ApiError> {
    let fields = Fields::new(body, &PROVIDERS)?;
    let search_nodes = fields.flag("enabledForSearchNodes")?;
    for other in ["awsKms", "googleCloudKms"] {
        check_off(fields, other)?;
    }
    let change = fields.value("azureKeyVault");
    if change.is_none() && search_nodes.is_none() {
        let detail = "No encryption at rest provider was given.";
        let code = "MISSING_ENCRYPTION_AT_REST_PROVIDER";
        return Err(ApiError::new(400, code, detail));
    }
    if let Some(change) = change {
        let change = key_vault::checked(change, settings)?;
        configure(world, settings, now, id, change)?;
    }
    if let Some(project) = world.projects.get_mut(id) {
        let encryption = &mut project.encryption;
        for other in ["awsKms", "googleCloudKms"] {
            if fields.has(other) {
                encryption.others.remove(other);
            }
        }
        let after = search_nodes.unwrap_or(encryption.search_nodes);
        encryption.search_node_changes += u64::from(after != encryption.search_nodes);
        encryption.search_nodes = after;
    }
    Ok(())
}

/// Another provider than Azure may only be named as switched off.
fn check_off(fields: Fields<'_>, name: &str) -> Result<(), ApiError> {
    match fields.value(name) {
        None => Ok(()),
        Some(provider) if *provider == json!({"enabled": false}) => Ok(()),
        Some(_) => Err(ApiError::bad_field(
            name,
            "only Azure Key Vault is served here",
        )),
    }
}

/// Carries out a change of the Azure block, if Atlas and Azure have nothing against it.
fn configure(
    world: &mut World,
    settings: &Settings,
    now: DateTime<Utc>,
    id: &str,
    change: Map<String, Value>,
) -> Result<(), ApiError> {
    let project = world.projects.get(id);
    let project = project.ok_or_else(|| unknown_project(id, settings))?;
    let azure = &world.azure;
    let present = project.key_check(azure, now);
    let is_lost = matches!(present, Some(KeyCheck::Refused(_) | KeyCheck::Unreachable));
    let proved = if change.get("enabled") == Some(&json!(false)) {
        may_switch_off(project, is_lost, settings)?;
        None
    } else {
        let after = changed(project, change, settings)?;
        may_change(project, &after, is_lost, settings)?;
        let is_private = is_private(&after);
        // With private networking the data nodes try it later.
        if !is_private {
            usable(
                azure.check_new(&project.key_use(&after, now), now),
                settings,
            )?;
        }
        Some((after, !is_private))
    };
    if let Some(project) = world.projects.get_mut(id) {
        match proved {
            None => project.encryption.clear(),
            Some((after, proved)) => project.encryption.set(after, proved, settings, now),
        }
    }
    Ok(())
}

fn may_switch_off(project: &Project, is_lost: bool, settings: &Settings) -> Result<(), ApiError> {
    let refused = |status, code, detail| Err(ApiError::new(status, code, detail));
    if !project.encryption.is_on() {
        Ok(())
    } else if !project.private_endpoints.is_empty() {
        let detail = "Encryption at Rest cannot be disabled when private endpoints are present.";
        let code = "CANNOT_DISABLE_ENCRYPTION_AT_REST_DUE_TO_PRIVATE_ENDPOINTS";
        refused(400, code, detail)
    } else if is_lost {
        Err(access_lost())
    } else if settings.encrypted_clusters {
        let detail = "Encryption at Rest cannot be disabled while clusters use it.";
        refused(409, "CANNOT_DISABLE_ENCRYPTION_AT_REST", detail)
    } else {
        Ok(())
    }
}

fn access_lost() -> ApiError {
    let detail = "Atlas is unable to access your encryption key. You cannot change your encryption \
                  key until access to your current encryption key has been restored.";
    ApiError::new(400, "ENCRYPTION_AT_REST_SETTINGS_INVALID", detail)
}

/// The Azure block after the change.
fn changed(
    project: &Project,
    change: Map<String, Value>,
    settings: &Settings,
) -> Result<Map<String, Value>, ApiError> {
    let encryption = &project.encryption;
    if settings.partial_key_vault == Verdict::Refuse {
        key_vault::is_whole(&change)?;
    }
    let mut after = encryption.vault.clone();
    if settings.omitted_private_networking == Omitted::Off {
        after.remove("requirePrivateNetworking");
    }
    let gives_static = STATIC.iter().any(|name| change.contains_key(*name));
    if gives_static {
        may_be_static(encryption, settings)?;
        after.remove("roleId");
    }
    let takes_role = change.contains_key("roleId");
    after.extend(change);
    // What is not proved on the data nodes yet does not displace what is.
    let stays = is_private(&after) && !settings.private_static_dropped_at_once;
    if takes_role && !stays {
        after.retain(|name, _| !STATIC.contains(&name.as_str()));
    }
    key_vault::is_complete(&after)?;
    Ok(after)
}

fn may_be_static(encryption: &Encryption, settings: &Settings) -> Result<(), ApiError> {
    let detail = "Credentials based authentication is no longer supported for Azure Key Vault.";
    if settings.static_azure_credentials == Verdict::Refuse {
        let code = "AZURE_KEY_VAULT_CREDENTIALS_DEPRECATED";
        return Err(ApiError::new(400, code, detail));
    }
    let is_free = encryption.role_id().is_none()
        || match settings.static_credentials_after_role {
            AfterRole::Refuse => false,
            AfterRole::Unproved => !encryption.watch.proved,
            AfterRole::Accept => true,
        };
    if is_free {
        Ok(())
    } else {
        Err(ApiError::set(&settings.static_after_role_refusal, detail))
    }
}

/// Whether Atlas lets the block be replaced by this one, before it asks Azure.
fn may_change(
    project: &Project,
    after: &Map<String, Value>,
    is_lost: bool,
    settings: &Settings,
) -> Result<(), ApiError> {
    let before = &project.encryption.vault;
    let differs = |name: &str| text(before, name) != text(after, name);
    let regions = project.private_endpoints.values();
    let regions: Vec<&str> = regions.map(|endpoint| endpoint.region.as_str()).collect();
    if !regions.is_empty() && !is_private(after) {
        let code = "CANNOT_DISABLE_ENCRYPTION_AT_REST_REQUIRE_PRIVATE_NETWORKING_WHILE_PRIVATE_\
                    ENDPOINTS_EXIST";
        let regions = regions.join(", ");
        let detail = format!(
            "Cannot disable requirePrivateNetworking field when there are private endpoints. Remove \
             private endpoints in region(s) {regions} to disable requirePrivateNetworking."
        );
        return Err(ApiError::new(400, code, detail).with(regions));
    }
    if project.encryption.is_on()
        && !regions.is_empty()
        && let Some(name) = FROZEN.iter().find(|name| differs(name))
    {
        let detail = format!("{name} cannot be changed while there are private endpoints.");
        return Err(ApiError::set(&settings.frozen_vault_field, detail));
    }
    if is_lost && (differs("keyIdentifier") || FROZEN.iter().any(|name| differs(name))) {
        return Err(access_lost());
    }
    let Some(role_id) = after.get("roleId").and_then(Value::as_str) else {
        return Ok(());
    };
    let principal = project.azure_principals.get(role_id);
    if principal.is_some_and(|known| known.authorized || !settings.azure_role_needs_authorization) {
        return Ok(());
    }
    let detail =
        format!("The specified Cloud Provider Access role ({role_id}) has not been authorized.");
    let code = "CLOUD_PROVIDER_ACCESS_ROLE_NOT_AUTHORIZED";
    Err(ApiError::new(400, code, detail).with(role_id))
}

/// Azure's verdict as Atlas tells it. Source: Atlas documentation, list of error codes.
fn usable(check: KeyCheck, settings: &Settings) -> Result<(), ApiError> {
    let fault = match check {
        KeyCheck::Usable => return Ok(()),
        KeyCheck::Unreachable => {
            let detail = "The key vault did not answer.";
            return Err(ApiError::set(&settings.unreachable_vault, detail));
        }
        KeyCheck::Refused(fault) => fault,
    };
    let (code, detail) = match fault {
        Fault::SignIn => ("INVALID_AZURE_CREDENTIALS", "Invalid Azure credentials."),
        Fault::MayNotReadVault => {
            let detail = "Invalid Azure credentials.";
            return Err(ApiError::set(&settings.missing_vault_read, detail));
        }
        Fault::MayNotUseKeys => {
            let detail = "The provided credentials do not have permission to encrypt or decrypt \
                          with the key.";
            return Err(ApiError::set(&settings.missing_key_use, detail));
        }
        Fault::NoVault | Fault::NoKey => (
            "AZURE_KEY_VAULT_KEY_NOT_FOUND",
            "No Azure Key Vault key found for the provided credentials.",
        ),
        Fault::KeyDisabled => ("AZURE_KEY_VAULT_KEY_NOT_ENABLED", "Key not enabled."),
        Fault::KeyNotActive => (
            "AZURE_KEY_VAULT_KEY_NOT_ACTIVE",
            "The key must not be used before its \"nbf\".",
        ),
        Fault::KeyExpired => ("AZURE_KEY_VAULT_KEY_EXPIRED", "The key has expired."),
        Fault::KeyExpiring => (
            "AZURE_KEY_VAULT_KEY_EXPIRING",
            "The key cannot be used because it will expire within the next 48 hours.",
        ),
    };
    Err(ApiError::new(400, code, detail))
}
