//! Encryption at rest; only Azure Key Vault is served.

use serde_json::{Map, Value, json};

use crate::body::{Fields, required};
use crate::core::Call;
use crate::dispatch::unknown_project;
use crate::errors::ApiError;
use crate::http::Answer;
use crate::ids;
use crate::resources::cloud_access::uuid;
use crate::settings::{Settings, Verdict};
use crate::state::Project;

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
/// What a first configuration needs beside the credentials.
const NEEDED: [&str; 5] = [
    "azureEnvironment",
    "subscriptionID",
    "resourceGroupName",
    "keyVaultName",
    "keyIdentifier",
];
const PROVIDERS: [&str; 4] = [
    "azureKeyVault",
    "awsKms",
    "googleCloudKms",
    "enabledForSearchNodes",
];
const STATIC: [&str; 3] = ["tenantID", "clientID", "secret"];
const ENVIRONMENTS: [&str; 3] = ["AZURE", "AZURE_CHINA", "AZURE_US_GOVERNMENT"];

pub(crate) fn read(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let id = call.param("groupId");
    let project = call.world.projects.get(id);
    let project = project.ok_or_else(|| unknown_project(id, call.settings))?;
    Ok(Answer::ok(show(project, call.settings.key_vault_valid)))
}

fn show(project: &Project, valid: bool) -> Value {
    let mut vault = project.key_vault.clone();
    vault.remove("secret");
    if vault.is_empty() {
        vault.insert("enabled".to_owned(), json!(false));
    } else {
        vault.insert("valid".to_owned(), json!(valid));
    }
    json!({
        "azureKeyVault": vault, "awsKms": {"enabled": false},
        "googleCloudKms": {"enabled": false}, "enabledForSearchNodes": project.search_nodes,
    })
}

pub(crate) fn update(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let body = call.take_body();
    let fields = Fields::new(&body, &PROVIDERS)?;
    let search_nodes = fields.flag("enabledForSearchNodes")?;
    for other in ["awsKms", "googleCloudKms"] {
        check_off(fields, other)?;
    }
    let id = call.param("groupId").to_owned();
    if let Some(change) = fields.value("azureKeyVault") {
        let change = checked(change, call.settings)?;
        let vault = changed(call, &id, change)?;
        if let Some(project) = call.world.projects.get_mut(&id) {
            project.key_vault = vault;
        }
    } else if search_nodes.is_none() {
        let detail = "No encryption at rest provider was given.";
        return Err(ApiError::new(
            400,
            "MISSING_ENCRYPTION_AT_REST_PROVIDER",
            detail,
        ));
    }
    if let (Some(search_nodes), Some(project)) = (search_nodes, call.world.projects.get_mut(&id)) {
        project.search_nodes = search_nodes;
    }
    read(call)
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

fn checked(change: &Value, settings: &Settings) -> Result<Map<String, Value>, ApiError> {
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
        let detail = "The Azure environment is not supported.";
        return Err(ApiError::new(
            400,
            "AZURE_KEY_VAULT_ENVIRONMENT_NOT_SUPPORTED",
            detail,
        ));
    }
    if fields
        .text("keyIdentifier")?
        .is_some_and(|key| !is_key_identifier(key))
    {
        let detail = "The key identifier must be the full address of a key version.";
        return Err(ApiError::new(
            400,
            "AZURE_KEY_VAULT_KEY_IDENTIFIER_INVALID_FORMAT",
            detail,
        ));
    }
    let mut change = change.as_object().cloned().unwrap_or_default();
    if change.contains_key("roleId") && has_static(&change) {
        if settings.both_azure_credentials == Verdict::Refuse {
            return Err(ApiError::bad_field(
                "roleId",
                "cannot be given with static credentials",
            ));
        }
        change.retain(|name, _| !STATIC.contains(&name.as_str()));
    }
    Ok(change)
}

fn has_static(change: &Map<String, Value>) -> bool {
    STATIC.iter().any(|name| change.contains_key(*name))
}

/// `https://{vault}/keys/{name}/{version}`
fn is_key_identifier(text: &str) -> bool {
    let parts: Vec<&str> = text.split('/').collect();
    matches!(parts[..], ["https:", "", host, "keys", name, version]
        if !host.is_empty() && !name.is_empty() && !version.is_empty())
}

/// The configuration after the change; an empty one is switched off.
fn changed(
    call: &Call<'_>,
    group_id: &str,
    change: Map<String, Value>,
) -> Result<Map<String, Value>, ApiError> {
    let project = call.world.projects.get(group_id);
    let project = project.ok_or_else(|| unknown_project(group_id, call.settings))?;
    if change.get("enabled") == Some(&json!(false)) {
        return Ok(Map::new());
    }
    let mut vault = project.key_vault.clone();
    // One kind of credentials takes the place of the other.
    if change.contains_key("roleId") {
        for name in STATIC {
            vault.remove(name);
        }
    }
    if has_static(&change)
        && vault.remove("roleId").is_some()
        && call.settings.static_credentials_after_role == Verdict::Refuse
    {
        let detail = "The project uses a cloud provider access role.";
        return Err(ApiError::new(
            400,
            "ENCRYPTION_AT_REST_SETTINGS_INVALID",
            detail,
        ));
    }
    vault.extend(change);
    let whole = Value::Object(vault.clone());
    let fields = Fields::new(&whole, &FIELDS)?;
    required(fields.flag("enabled")?, "enabled")?;
    for name in NEEDED {
        required(fields.value(name), name)?;
    }
    check_credentials(call, project, fields)?;
    let private = fields.flag("requirePrivateNetworking")?.unwrap_or(false);
    match &call.settings.key_vault_error {
        // With private networking the check comes later, on the data nodes.
        Some(code) if !private => Err(ApiError::new(
            400,
            code.clone(),
            "The key vault check failed.",
        )),
        _ => Ok(vault),
    }
}

fn check_credentials(
    call: &Call<'_>,
    project: &Project,
    fields: Fields<'_>,
) -> Result<(), ApiError> {
    if let Some(role_id) = fields.text("roleId")? {
        if project.azure_principals.contains_key(role_id) {
            return Ok(());
        }
        let detail = "The cloud provider access role is not authorized.";
        return Err(
            ApiError::new(400, "CLOUD_PROVIDER_ACCESS_ROLE_NOT_AUTHORIZED", detail).with(role_id),
        );
    }
    for name in STATIC {
        required(fields.value(name), name)?;
    }
    if call.settings.static_azure_credentials == Verdict::Accept {
        return Ok(());
    }
    let detail = "Static Azure credentials are no longer accepted.";
    Err(ApiError::new(
        400,
        "AZURE_KEY_VAULT_CREDENTIALS_DEPRECATED",
        detail,
    ))
}

#[cfg(test)]
mod tests {
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
