//! What the configuration stores of the rotation of its credential.

use serde::{Deserialize, Serialize};

use super::CredentialType;
use crate::atlas::SecretId;
use crate::engine::rotation_state::{OtherSecrets, RotationState, Timing};

/// What a mount can sign in with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

impl From<RootType> for CredentialType {
    fn from(kind: RootType) -> Self {
        match kind {
            RootType::ProgrammaticApiKey => Self::ProgrammaticApiKey,
            RootType::ServiceAccount => Self::ServiceAccount,
        }
    }
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
    #[serde(rename = "other_secrets")]
    pub(crate) others: OtherSecrets,
}

impl RootRotation {
    /// Whether there is nothing to store: the configuration then has the Go engine's shape.
    pub(crate) fn is_default(&self) -> bool {
        self.state.timing == Timing::default()
            && !self.disable_automated_rotation
            && self.client_secret_id.is_none()
            && self.others.is_done()
            && self.state.last.is_none()
            && self.state.failure.is_none()
    }
}
