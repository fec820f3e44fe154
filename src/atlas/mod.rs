//! Client of the `MongoDB` Atlas Administration API, version 2.
//!
//! [`Atlas`] holds one credential and one set of connections; every call says in a [`RequestBudget`] how
//! long its caller waits. Pace, retries, sign-in and limits on answers are decided in here, what to
//! do about a failure is decided by the caller from an [`AtlasError`].
//!
//! `example_tests.rs` shows it in use. (An example here could not be run: the layer is private.)

mod access_list;
mod api_keys;
mod atlas_time;
mod azure_ids;
mod azure_refusals;
#[cfg(test)]
mod azure_tests;
mod bucket;
mod call;
mod client;
mod cloud_provider_access;
mod clusters;
mod connections;
mod database_user_changes;
mod database_users;
mod digest;
mod encryption_at_rest;
mod endpoints;
mod error;
mod error_body;
#[cfg(test)]
mod example_tests;
#[cfg(test)]
mod fake;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod hidden;
mod ids;
mod lag;
mod limiter;
mod lookups;
mod model_keys;
mod name_files;
mod names;
mod nonces;
mod oauth;
mod organizations;
mod origin;
mod paging;
mod presence;
mod private_endpoints;
mod rate_limit_feedback;
mod reachability;
mod retry;
mod rights;
mod secret_removal;
mod service_accounts;
mod settings;
mod sign_in;
mod success;
mod token_cache;
mod transport;

pub(crate) use access_list::{AccessEntry, AccessEntryError, AccessList};
pub(crate) use api_keys::{ApiKey, CreatedApiKey, Deletion, NewApiKey};
pub(crate) use atlas_time::AtlasTime;
pub(crate) use azure_ids::{ApplicationId, ServicePrincipalId, TenantId};
pub(crate) use azure_refusals::KeyVaultRefusal;
pub(crate) use call::RequestBudget;
pub(crate) use client::Atlas;
pub(crate) use cloud_provider_access::{AzurePrincipal, AzureRegistration};
pub(crate) use clusters::ChangeStatus;
pub(crate) use connections::{Transports, check_platform_trust};
pub(crate) use database_user_changes::Kept;
pub(crate) use database_users::{
    DatabaseRole, DatabaseScope, MOST_DATABASE_USERS, NewDatabaseUser, OwnDatabaseUser,
    SIGN_IN_DATABASE,
};
pub(crate) use encryption_at_rest::{
    AzureKeyVault, CHANGE_PATIENCE, KeyVaultSetup, VaultCredential, VaultKey,
};
pub(crate) use error::{AnswerFault, AtlasError};
pub(crate) use ids::{
    ApiKeyId, ClientId, ClusterName, DatabaseUsername, Hours, IdError, Level, ModelKeyId, OrgId,
    ProjectId, RoleId, SecretId,
};
pub(crate) use lag::{
    ISSUED_SHOWN_WITHIN, LOOK_AGAIN_AFTER, NEW_SECRET_WORKS_WITHIN, ROTATION_SHOWN_WITHIN,
    SHOWN_WITHIN,
};
pub(crate) use limiter::{Priority, Queue};
pub(crate) use model_keys::{CreatedModelKey, ModelKey, ModelScope, NewModelKey};
pub(crate) use oauth::AccessToken;
pub(crate) use organizations::OrganizationSettings;
pub(crate) use origin::Origin;
pub(crate) use presence::Presence;
pub(crate) use private_endpoints::{EndpointStatus, PrivateEndpoint};
pub(crate) use reachability::{CallOutcome, Reachability, Reached};
pub(crate) use rights::Lack;
pub(crate) use service_accounts::{
    CreatedSecret, CreatedServiceAccount, MOST_SECRETS, NewServiceAccount, SecretState,
    ServiceAccount,
};
pub(crate) use settings::{ApiVersion, Credential, Fingerprint, Pem, Settings, SettingsError};
