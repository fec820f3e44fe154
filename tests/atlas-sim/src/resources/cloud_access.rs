//! Cloud provider access; only Azure is served.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value, json};

use crate::body::{Fields, required};
use crate::clock::text;
use crate::core::Call;
use crate::dispatch::unknown_project;
use crate::errors::ApiError;
use crate::http::Answer;
use crate::ids;
use crate::state::{AzurePrincipal, Project};

const FIELDS: [&str; 4] = [
    "providerName",
    "tenantId",
    "servicePrincipalId",
    "atlasAzureAppId",
];

static UUID: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$").ok());

/// Checks a UUID field.
pub(super) fn uuid(fields: Fields<'_>, name: &str) -> Result<Option<String>, ApiError> {
    match fields.text(name)? {
        Some(value) if !UUID.as_ref().is_some_and(|uuid| uuid.is_match(value)) => {
            Err(ApiError::bad_field(name, "is not a UUID"))
        }
        value => Ok(value.map(str::to_owned)),
    }
}

fn show(principal: &AzurePrincipal, project: &Project) -> Value {
    let used = project.encryption.role_id() == Some(&principal.id);
    let usages = if used {
        json!([{"featureType": "ENCRYPTION_AT_REST", "featureId": {"groupId": project.id}}])
    } else {
        json!([])
    };
    json!({
        "_id": principal.id, "providerName": "AZURE", "tenantId": principal.tenant_id,
        "servicePrincipalId": principal.principal_id, "atlasAzureAppId": principal.app_id,
        "createdDate": text(principal.created_at), "lastUpdatedDate": text(principal.updated_at),
        "featureUsages": usages,
    })
}

fn project<'a>(call: &'a Call<'_>) -> Result<&'a Project, ApiError> {
    let id = call.param("groupId");
    call.world
        .projects
        .get(id)
        .ok_or_else(|| unknown_project(id, call.settings))
}

pub(crate) fn list(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let project = project(call)?;
    let principals = project.azure_principals.values();
    let shown: Vec<Value> = principals
        .map(|principal| show(principal, project))
        .collect();
    Ok(Answer::ok(json!({
        "awsIamRoles": [], "azureServicePrincipals": shown, "gcpServiceAccounts": [],
    })))
}

pub(crate) fn read(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let id = call.param("roleId");
    let project = project(call)?;
    let principal = project.azure_principals.get(id);
    let principal =
        principal.ok_or_else(|| ApiError::not_found("cloud provider access role", id))?;
    Ok(Answer::ok(show(principal, project)))
}

pub(crate) fn create(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let body = call.take_body();
    let fields = Fields::new(&body, &FIELDS)?;
    check_provider(required(fields.text("providerName")?, "providerName")?)?;
    let tenant_id = required(uuid(fields, "tenantId")?, "tenantId")?;
    let principal_id = required(uuid(fields, "servicePrincipalId")?, "servicePrincipalId")?;
    let app_id = uuid(fields, "atlasAzureAppId")?;
    let app_id = app_id.unwrap_or_else(|| call.settings.atlas_azure_app_id.clone());
    check_new(call, &tenant_id, &principal_id)?;
    check_azure(call, &tenant_id, &principal_id, &app_id)?;
    let principal = AzurePrincipal {
        id: ids::object_id(call.now),
        tenant_id,
        principal_id,
        app_id,
        authorized: false,
        created_at: call.now,
        updated_at: call.now,
    };
    let answer = show(&principal, project(call)?);
    let group_id = call.param("groupId").to_owned();
    if let Some(project) = call.world.projects.get_mut(&group_id) {
        project
            .azure_principals
            .insert(principal.id.clone(), principal);
    }
    Ok(Answer::ok(answer))
}

fn check_provider(name: &str) -> Result<(), ApiError> {
    match name {
        "AZURE" => Ok(()),
        // Known to Atlas, but not served here.
        _ => Err(ApiError::bad_field("providerName", "must be AZURE")),
    }
}

/// Atlas signs in at once, with its own application and no other.
fn check_azure(
    call: &Call<'_>,
    tenant_id: &str,
    principal_id: &str,
    app_id: &str,
) -> Result<(), ApiError> {
    let (azure, settings) = (&call.world.azure, call.settings);
    if azure.tenant(tenant_id).is_none() {
        return Err(wrong_ids(principal_id));
    }
    let is_own = app_id.eq_ignore_ascii_case(&settings.atlas_azure_app_id);
    if is_own && azure.knows(tenant_id, principal_id, app_id, call.now) {
        return Ok(());
    }
    let detail = format!("Atlas cannot authenticate with the service principal ({principal_id}).");
    let code = "CANNOT_AUTHENTICATE_SERVICE_PRINCIPAL";
    Err(ApiError::new(400, code, detail).with(principal_id))
}

fn wrong_ids(principal_id: &str) -> ApiError {
    let code = "CLOUD_PROVIDER_ACCESS_AZURE_SERVICE_PRINCIPAL_INVALID";
    let detail = format!(
        "The specified Azure Service Principal ({principal_id}) contains invalid tenant id or \
         service principal id."
    );
    ApiError::new(400, code, detail).with(principal_id)
}

fn check_new(call: &Call<'_>, tenant_id: &str, principal_id: &str) -> Result<(), ApiError> {
    let same = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
    let group_id = call.param("groupId");
    let everywhere = call.settings.azure_principal_unique_everywhere;
    let projects = call.world.projects.values();
    let taken = projects
        .filter(|project| everywhere || project.id == group_id)
        .flat_map(|project| project.azure_principals.values())
        .any(|known| same(&known.tenant_id, tenant_id) && same(&known.principal_id, principal_id));
    if !taken {
        return Ok(());
    }
    let detail = format!(
        "An Azure Service Principal has already been configured for the specified Azure Service \
         Principal ID ({principal_id})."
    );
    Err(ApiError::new(409, "DUPLICATE_AZURE_SERVICE_PRINCIPAL", detail).with(principal_id))
}

/// The second step: the ids must be the ones registered. Whether Azure needs it is a setting.
pub(crate) fn authorize(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let body = call.take_body();
    let fields = Fields::new(&body, &FIELDS)?;
    check_provider(required(fields.text("providerName")?, "providerName")?)?;
    let id = call.param("roleId").to_owned();
    let group_id = call.param("groupId").to_owned();
    let given = [
        uuid(fields, "tenantId")?,
        uuid(fields, "servicePrincipalId")?,
        uuid(fields, "atlasAzureAppId")?,
    ];
    let now = call.now;
    let projects = &mut call.world.projects;
    if let Some(principal) = projects
        .get_mut(&group_id)
        .and_then(|project| project.azure_principals.get_mut(&id))
    {
        let own = [
            &principal.tenant_id,
            &principal.principal_id,
            &principal.app_id,
        ];
        let differs = given.iter().zip(own).any(|(given, own)| {
            given
                .as_deref()
                .is_some_and(|given| !given.eq_ignore_ascii_case(own))
        });
        if differs {
            return Err(wrong_ids(&principal.principal_id));
        }
        principal.updated_at = now;
        principal.authorized = true;
    }
    read(call)
}

pub(crate) fn delete(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let id = call.param("roleId").to_owned();
    let group_id = call.param("groupId").to_owned();
    if call.param("cloudProvider") != "AZURE" {
        let detail = "Invalid path parameter cloudProvider.";
        return Err(ApiError::new(400, "INVALID_PATH_PARAMETER", detail).with("cloudProvider"));
    }
    let project = project(call)?;
    if !project.azure_principals.contains_key(&id) {
        return Err(ApiError::not_found("cloud provider access role", &id));
    }
    if project.encryption.role_id() == Some(&id) {
        let detail = "Cannot remove the Azure Service Principal because it is still in use.";
        return Err(ApiError::new(400, "AZURE_SERVICE_PRINCIPAL_IN_USE", detail).with(id));
    }
    if let Some(project) = call.world.projects.get_mut(&group_id) {
        project.azure_principals.remove(&id);
    }
    Ok(Answer::no_content())
}
