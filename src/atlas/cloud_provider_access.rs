//! Cloud provider access: the registration of an Azure service principal in a project.
//!
//! The principal is Atlas's own application in the customer's directory. One serves all projects of
//! that directory; each project has a registration of its own, whose id other features call role.

use serde::Deserialize;
use serde_json::{Value, json};

use super::api_keys::{Deletion, mismatch, null_as_default};
use super::azure_ids::{ApplicationId, ServicePrincipalId, TenantId};
use super::call::{Call, RequestBudget};
use super::client::Atlas;
use super::endpoints::{EndpointSet, Scope};
use super::error::AtlasError;
use super::ids::{ProjectId, RoleId};
use super::presence::{Presence, after_look_in_project};
use super::success::Success;

const SET: EndpointSet = EndpointSet::CloudProviderAccess;

/// Atlas's application in a customer's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AzurePrincipal {
    /// The directory.
    pub tenant: TenantId,
    /// The object id that the application has there.
    pub object: ServicePrincipalId,
    /// The application.
    pub application: ApplicationId,
}

/// A registration as Atlas shows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AzureRegistration {
    /// What encryption at rest calls the role. The description names it `_id`; the documentation and
    /// other providers' registrations have other names for it.
    #[serde(rename = "_id", alias = "roleId", alias = "id")]
    pub id: RoleId,
    /// The directory.
    pub tenant_id: TenantId,
    /// The object id in it.
    pub service_principal_id: ServicePrincipalId,
    /// What uses it.
    #[serde(default, deserialize_with = "null_as_default")]
    pub feature_usages: Vec<FeatureUsage>,
}

/// A feature of the project that uses a registration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FeatureUsage {
    /// Such as `ENCRYPTION_AT_REST`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub feature_type: String,
}

/// All registrations of a project. Without the list of Azure's it is none of Atlas's answers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Registrations {
    azure_service_principals: Vec<AzureRegistration>,
}

impl AzurePrincipal {
    fn content(&self) -> Value {
        json!({
            "providerName": "AZURE",
            "tenantId": self.tenant,
            "servicePrincipalId": self.object,
            "atlasAzureAppId": self.application,
        })
    }
}

impl AzureRegistration {
    /// Whether it is of this principal.
    pub(crate) fn is_of(&self, principal: &AzurePrincipal) -> bool {
        self.tenant_id == principal.tenant && self.service_principal_id == principal.object
    }
}

impl Atlas {
    /// Registers a principal in a project. One request; never sent twice unless the first certainly had
    /// no effect.
    ///
    /// Atlas signs in at once, which takes some seconds. After a failure whose
    /// [`AtlasError::outcome_unknown`] is true, or one that
    /// [says so](AtlasError::says_principal_is_registered), look for it among the registrations.
    /// Source: Atlas API `createCloudProviderAccess`.
    pub(crate) async fn register_azure_principal(
        &self,
        project: &ProjectId,
        principal: &AzurePrincipal,
        budget: RequestBudget,
    ) -> Result<AzureRegistration, AtlasError> {
        let operation = "createCloudProviderAccess";
        let scope = Scope::Project(project.clone());
        let call = Call::create(operation, &path(project), SET, scope, &principal.content());
        let made: AzureRegistration = self.fetch(&call.answered(Success::OK), budget).await?;
        shows(operation, made, principal)
    }

    /// The second step of a registration. Whether Azure's need it is not documented; it can be repeated.
    ///
    /// Source: Atlas API `authorizeProviderAccessRole`.
    pub(crate) async fn authorize_azure_principal(
        &self,
        project: &ProjectId,
        role: &RoleId,
        principal: &AzurePrincipal,
        budget: RequestBudget,
    ) -> Result<AzureRegistration, AtlasError> {
        let operation = "authorizeProviderAccessRole";
        let path = format!("{}/{role}", path(project));
        let scope = Scope::Project(project.clone());
        let call = Call::patch(operation, &path, SET, scope, &principal.content());
        let seen: AzureRegistration = self.fetch(&call, budget).await?;
        if seen.id == *role {
            shows(operation, seen, principal)
        } else {
            Err(mismatch(operation))
        }
    }

    /// The registrations of Azure principals in a project. Source: Atlas API
    /// `listCloudProviderAccess`, which has no pages.
    pub(crate) async fn azure_registrations(
        &self,
        project: &ProjectId,
        budget: RequestBudget,
    ) -> Result<Vec<AzureRegistration>, AtlasError> {
        let scope = Scope::Project(project.clone());
        let call = Call::get("listCloudProviderAccess", &path(project), SET, scope);
        let all: Registrations = self.fetch(&call, budget).await?;
        Ok(all.azure_service_principals)
    }

    /// Removes a registration. Atlas refuses that while [something uses
    /// it](AtlasError::says_principal_is_in_use).
    ///
    /// It counts as gone once two complete lists, seconds apart, do not show it. Source: Atlas API
    /// `deauthorizeProviderAccessRole`.
    pub(crate) async fn deauthorize_azure_principal(
        &self,
        project: &ProjectId,
        role: &RoleId,
        budget: RequestBudget,
    ) -> Result<Deletion, AtlasError> {
        let path = format!("{}/AZURE/{role}", path(project));
        let scope = Scope::Project(project.clone());
        let call = Call::delete("deauthorizeProviderAccessRole", &path, SET, scope);
        match self.send(&call, budget).await {
            Ok(_) => Ok(Deletion::Deleted),
            Err(error) if error.outcome_unknown() || error.says_not_found() => {
                let look = self.registration_presence(project, role, budget).await;
                after_look_in_project(error, look)
            }
            Err(error) => Err(error),
        }
    }

    async fn registration_presence(
        &self,
        project: &ProjectId,
        role: &RoleId,
        budget: RequestBudget,
    ) -> Result<Presence, AtlasError> {
        for look in [1, 2] {
            let listed = self.azure_registrations(project, budget).await?;
            if listed.iter().any(|registration| registration.id == *role) {
                return Ok(Presence::Present);
            }
            if look == 1 {
                self.pause_between_looks(budget).await?;
            }
        }
        Ok(Presence::Gone)
    }
}

fn path(project: &ProjectId) -> String {
    format!("/groups/{project}/cloudProviderAccess")
}

fn shows(
    operation: &'static str,
    registration: AzureRegistration,
    principal: &AzurePrincipal,
) -> Result<AzureRegistration, AtlasError> {
    if registration.is_of(principal) {
        Ok(registration)
    } else {
        Err(mismatch(operation))
    }
}

#[cfg(test)]
#[path = "cloud_provider_access_tests.rs"]
mod tests;
