//! What the configuration stores of the rotation of its credential.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::atlas::{ApiKeyId, ClientId, OrgId, SecretId};
use crate::engine::origin::BoundTo;
use crate::engine::rotation_state::{OtherSecrets, RotationFailure, RotationState, Timing};

/// What a mount can sign in with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RootType {
    /// A programmatic API key.
    ProgrammaticApiKey,
    /// A service account with its secret.
    ServiceAccount,
}

impl RootType {
    /// The names users give.
    pub(crate) const NAMES: &'static [&'static str] = &["programmatic_api_key", "service_account"];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ProgrammaticApiKey => "programmatic_api_key",
            Self::ServiceAccount => "service_account",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::ProgrammaticApiKey, Self::ServiceAccount]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

/// A credential in Atlas that this mount made or used and still has to delete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Removal {
    /// What it is.
    pub(crate) credential_type: RootType,
    /// Where it is managed.
    pub(crate) organization_id: OrgId,
    /// Where it was made.
    #[serde(default, skip_serializing_if = "BoundTo::is_legacy")]
    pub(crate) origin: BoundTo,
    /// Unique description or name of one that was being made: finds it if its answer was lost.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) description: String,
    /// Of an API key, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) programmatic_api_key_id: Option<ApiKeyId>,
    /// Of an API key that was replaced: should a person write it back, it is not removed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) public_key: String,
    /// Of a service account, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<ClientId>,
    /// When it was begun, or replaced.
    pub(crate) since: DateTime<Utc>,
    /// It was the configuration's credential: requests under way may still use it.
    #[serde(default)]
    pub(crate) replaced: bool,
    /// Failed attempts to remove it.
    #[serde(default, rename = "trouble", skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<RotationFailure>,
}

/// What is stored beside the credential.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct RootRotation {
    /// When it is rotated, and how that goes.
    #[serde(flatten)]
    pub(crate) state: RotationState,
    /// Rotate by hand only, whatever the timing says.
    pub(crate) disable_automated_rotation: bool,
    /// Atlas's id of the service account's present secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_secret_id: Option<SecretId>,
    /// Other secrets of the service account.
    #[serde(rename = "renewal")]
    pub(crate) others: OtherSecrets,
    /// What is still to be deleted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) removals: Vec<Removal>,
}

impl RootRotation {
    /// Whether there is nothing to store: the configuration then has the Go engine's shape.
    pub(crate) fn is_default(&self) -> bool {
        self.state.timing == Timing::default()
            && !self.disable_automated_rotation
            && self.client_secret_id.is_none()
            && self.others.is_done()
            && self.removals.is_empty()
            && self.state.last.is_none()
            && self.state.failure.is_none()
    }
}
