//! Who rotates an account's secrets.

use serde::{Deserialize, Serialize};

/// Who makes and removes the account's secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RotationMode {
    /// The engine's configuration.
    #[default]
    Admin,
    /// The account itself.
    #[serde(rename = "self")]
    Own,
}

impl RotationMode {
    /// The names users give.
    pub(crate) const NAMES: &'static [&'static str] = &["admin", "self"];

    /// As users give it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Own => "self",
        }
    }

    /// Of the name that a user gave.
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::Admin, Self::Own]
            .into_iter()
            .find(|mode| mode.name() == name)
    }
}
