//! The stored configuration: the Go engine's shape and what came later, all of it optional.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{CredentialType, Draining, RootRotation};
use crate::atlas::{ClientId, Credential, OrgId, Pem, Settings, SettingsError};
use crate::base::Sensitive;
use crate::base::time::serde_go_nanos;
use crate::engine::error::EngineError;
use crate::engine::origin::{BoundTo, DEFAULT_ORIGIN};
use crate::engine::stored::{null_as_default, plain_text};

/// Default of `base_url`.
pub(crate) const DEFAULT_BASE_URL: &str = DEFAULT_ORIGIN;
/// Default of `api_version`.
pub(crate) const DEFAULT_API_VERSION: &str = "2025-03-12";
/// Default of `request_timeout`.
pub(crate) const DEFAULT_REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// What people are told of a configuration that Atlas was not asked about.
pub(crate) const UNVERIFIED: &str = "the configuration was stored unverified: Atlas has not accepted \
    its credential yet; read check once this server can reach Atlas";

/// What is stored at `config`. Empty texts and zero durations stand for "not given".
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ConfigEntry {
    /// Public part of the API key; empty when a service account is configured.
    #[serde(deserialize_with = "null_as_default")]
    pub(crate) public_key: String,
    /// Private part of the API key.
    #[serde(serialize_with = "plain_text")]
    pub(crate) private_key: Sensitive,
    /// The service account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<ClientId>,
    /// The service account's secret.
    #[serde(
        serialize_with = "plain_text",
        skip_serializing_if = "Sensitive::is_empty"
    )]
    pub(crate) client_secret: Sensitive,
    /// When the service account's secret expires, if Atlas told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_secret_expires_at: Option<DateTime<Utc>>,
    /// The organization of the credential.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) organization_id: Option<OrgId>,
    /// Whether the credential is an Organization Owner, if Atlas told when it was configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) organization_owner: Option<bool>,
    /// Atlas was not asked when it was written, and has accepted no request since.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) unverified: bool,
    /// Atlas's address, if not the default.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) base_url: String,
    /// The origin that the secret was given for, whatever the address is now.
    #[serde(skip_serializing_if = "BoundTo::is_legacy")]
    pub(crate) origin: BoundTo,
    /// The API's version, if not the default.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) api_version: String,
    /// PEM certificates added to the trust roots.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) ca_certificate: String,
    /// Time for one HTTP request, if not the default.
    #[serde(with = "serde_go_nanos", skip_serializing_if = "Duration::is_zero")]
    pub(crate) request_timeout: Duration,
    /// Rotation of the credential.
    #[serde(skip_serializing_if = "RootRotation::is_default")]
    pub(crate) rotation: RootRotation,
    /// Nothing is written to Atlas unasked.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) hold: bool,
    /// Everything that was issued is being ended, and nothing new is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) draining: Option<Draining>,
}

impl ConfigEntry {
    /// Atlas's address.
    pub(crate) fn base_url(&self) -> &str {
        given(&self.base_url, DEFAULT_BASE_URL)
    }

    /// The API's version.
    pub(crate) fn api_version(&self) -> &str {
        given(&self.api_version, DEFAULT_API_VERSION)
    }

    /// Time for one HTTP request.
    pub(crate) fn request_timeout(&self) -> Duration {
        let timeout = self.request_timeout;
        if timeout.is_zero() {
            DEFAULT_REQUEST_TIMEOUT
        } else {
            timeout
        }
    }

    /// Certificates to trust beside the system's.
    pub(crate) fn trusted(&self) -> Result<Option<Pem>, SettingsError> {
        let text = self.ca_certificate.as_str();
        (!text.is_empty()).then(|| text.parse()).transpose()
    }

    /// How the client is set up.
    pub(crate) fn settings(&self) -> Result<Settings, SettingsError> {
        Ok(Settings {
            base_url: Settings::base_url(self.base_url())?,
            api_version: self.api_version().parse()?,
            ca_certificate: self.trusted()?,
            request_timeout: self.request_timeout(),
            user_agent: user_agent(),
        })
    }

    /// What the client signs in with. The Go engine may have stored half a pair.
    pub(crate) fn credential(&self) -> Result<Credential, EngineError> {
        if let Some(client_id) = &self.client_id {
            return Ok(Credential::ServiceAccount {
                client_id: client_id.clone(),
                client_secret: self.client_secret.clone(),
            });
        }
        if self.public_key.is_empty() || self.private_key.is_empty() {
            return Err(EngineError::NotConfigured);
        }
        Ok(Credential::ApiKey {
            public_key: self.public_key.clone(),
            private_key: self.private_key.clone(),
        })
    }

    /// The name of the kind of credential.
    pub(crate) fn credential_type(&self) -> CredentialType {
        if self.client_id.is_some() {
            CredentialType::ServiceAccount
        } else {
            CredentialType::ProgrammaticApiKey
        }
    }
}

fn given<'a>(text: &'a str, default: &'a str) -> &'a str {
    if text.is_empty() { default } else { text }
}

/// `name/version (os;arch)`, the convention of Atlas's clients.
fn user_agent() -> String {
    format!(
        "{}/{} ({};{})",
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH
    )
}
