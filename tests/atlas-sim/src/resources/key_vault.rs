//! The Azure block of encryption at rest: its fields and their forms.

use serde_json::{Map, Value};

use crate::body::{Fields, required};
use crate::encryption::STATIC;
use crate::errors::ApiError;
use crate::ids;
use crate::resources::cloud_access::uuid;
use crate::settings::{Settings, Verdict};

const FIELDS: [&str; 11] = [
    "enabled",
    "azureEnvironment",
    "subscriptionID",
    "resourceGroupName",
    "keyVaultName",
    "keyIdentifier",
    "roleId",
    "tenantID",
    "clientID",
    "secret",
    "requirePrivateNetworking",
];
/// What a configuration needs beside the credentials.
const NEEDED: [&str; 6] = [
    "enabled",
    "azureEnvironment",
    "subscriptionID",
    "resourceGroupName",
    "keyVaultName",
    "keyIdentifier",
];
const ENVIRONMENTS: [&str; 3] = ["AZURE", "AZURE_CHINA", "AZURE_US_GOVERNMENT"];

/// A change whose fields have the right form.
pub(super) fn checked(change: &Value, settings: &Settings) -> Result<Map<String, Value>, ApiError> {
    let fields = Fields::new(change, &FIELDS)?;
    for flag in ["enabled", "requirePrivateNetworking"] {
        fields.flag(flag)?;
    }
    for id in ["subscriptionID", "tenantID", "clientID"] {
        uuid(fields, id)?;
    }
    for text in ["resourceGroupName", "keyVaultName", "secret"] {
        fields.text(text)?;
    }
    if fields
        .text("roleId")?
        .is_some_and(|id| !ids::is_object_id(id))
    {
        return Err(ApiError::bad_field("roleId", "is not a valid id"));
    }
    if fields
        .text("azureEnvironment")?
        .is_some_and(|name| !ENVIRONMENTS.contains(&name))
    {
        let detail = "Environment not supported for Azure Key Vault.";
        let code = "AZURE_KEY_VAULT_ENVIRONMENT_NOT_SUPPORTED";
        return Err(ApiError::new(400, code, detail));
    }
    if fields
        .text("keyIdentifier")?
        .is_some_and(|key| !is_key_identifier(key))
    {
        let detail = "Invalid format for Azure Key Vault Key Identifier.";
        let code = "AZURE_KEY_VAULT_KEY_IDENTIFIER_INVALID_FORMAT";
        return Err(ApiError::new(400, code, detail));
    }
    let mut change = change.as_object().cloned().unwrap_or_default();
    let gives_static = STATIC.iter().any(|name| change.contains_key(*name));
    if change.contains_key("roleId") && gives_static {
        if settings.both_azure_credentials == Verdict::Refuse {
            let description = "cannot be given with static credentials";
            return Err(ApiError::bad_field("roleId", description));
        }
        change.retain(|name, _| !STATIC.contains(&name.as_str()));
    }
    Ok(change)
}

/// `https://{vault}/keys/{name}/{version}`
fn is_key_identifier(text: &str) -> bool {
    let parts: Vec<&str> = text.split('/').collect();
    matches!(parts[..], ["https:", "", host, "keys", name, version]
        if !host.is_empty() && !name.is_empty() && !version.is_empty())
}

/// Whether a change names all that a configuration needs, one kind of credentials included.
pub(super) fn is_whole(change: &Map<String, Value>) -> Result<(), ApiError> {
    let missing = NEEDED.iter().find(|name| !change.contains_key(**name));
    if let Some(name) = missing {
        return Err(ApiError::missing_field(name));
    }
    if change.contains_key("roleId") {
        return Ok(());
    }
    let missing = STATIC.iter().find(|name| !change.contains_key(**name));
    missing.map_or(Ok(()), |name| Err(ApiError::missing_field(name)))
}

/// Whether a configuration as it would be stored is whole.
pub(super) fn is_complete(vault: &Map<String, Value>) -> Result<(), ApiError> {
    let whole = Value::Object(vault.clone());
    let fields = Fields::new(&whole, &FIELDS)?;
    required(fields.flag("enabled")?, "enabled")?;
    is_whole(vault)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_identifier_needs_a_version() {
        assert!(is_key_identifier("https://v.vault.azure.net/keys/k/0123"));
        assert!(!is_key_identifier("https://v.vault.azure.net/keys/k"));
        assert!(!is_key_identifier("k"));
    }

    #[test]
    fn both_kinds_of_credentials_are_refused() {
        let both = json!({"roleId": "507f1f77bcf86cd799439011", "secret": "x"});
        let settings = Settings::default();
        assert!(checked(&both, &settings).is_err());
        assert!(checked(&json!({"valid": true}), &settings).is_err());
    }
}
