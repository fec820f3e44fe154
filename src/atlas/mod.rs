//! Client of the `MongoDB` Atlas Administration API, version 2.
//!
//! [`Atlas`] holds one credential and one set of connections; every call says in a [`Patience`] how
//! long its caller waits. Pace, retries, sign-in and limits on answers are decided in here, what to
//! do about a failure is decided by the caller from an [`AtlasError`].

mod access_list;
mod api_keys;
mod atlas_time;
mod bucket;
mod call;
mod client;
mod digest;
mod endpoints;
mod error;
mod error_body;
#[cfg(test)]
mod fake;
mod ids;
mod lesson;
mod limiter;
mod nonces;
mod oauth;
mod organizations;
mod origin;
mod paging;
mod presence;
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

pub use access_list::{AccessEntry, AccessEntryError, AccessList};
pub use api_keys::{ApiKey, CreatedApiKey, Deletion, NewApiKey};
pub use atlas_time::AtlasTime;
pub use call::Patience;
pub use client::Atlas;
pub use error::{AnswerFault, AtlasError};
pub use ids::{ApiKeyId, ClientId, Hours, Level, OrgId, ProjectId, SecretId};
pub use limiter::{Priority, Queue};
pub use oauth::AccessToken;
pub use organizations::OrganizationSettings;
pub use origin::Origin;
pub use presence::Presence;
pub use reachability::{CallOutcome, Reachability, Reached};
pub use rights::Lack;
pub use service_accounts::{
    CreatedSecret, CreatedServiceAccount, MOST_SECRETS, NewServiceAccount, SecretState,
    ServiceAccount,
};
pub use settings::{ApiVersion, Credential, Fingerprint, Pem, Settings, SettingsError};
