//! What the configuration stores about the rotation of its credential.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::atlas::{ApiKeyId, ClientId, Hours, OrgId, SecretId};
use crate::engine::config::ConfigEntry;
use crate::engine::origin::BoundTo;
use crate::engine::rotation::{self, OtherSecrets};
use crate::engine::rotation::{ExpiryStatus, Plan, RotationFailure, Timing};

/// The name by which the configuration's credential has its place on a schedule.
pub(super) const NAME: &str = "config";
/// Added to what a new secret has to cover, so that a missed rotation is no outage yet.
const SPARE: Duration = Duration::from_hours(24);

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
    pub(super) const NAMES: &'static [&'static str] = &["programmatic_api_key", "service_account"];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ProgrammaticApiKey => "programmatic_api_key",
            Self::ServiceAccount => "service_account",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
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
    /// When to rotate.
    #[serde(flatten)]
    pub(crate) timing: Timing,
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
    /// When the present credential was made here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_rotated: Option<DateTime<Utc>>,
    /// When it is to be replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_rotation: Option<DateTime<Utc>>,
    /// The present series of failures.
    #[serde(rename = "trouble", skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<RotationFailure>,
    /// The last rotation that did not start within its window, until one succeeds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) missed_window: Option<DateTime<Utc>>,
}

impl RootRotation {
    /// Whether there is nothing to store: the configuration then has the Go engine's shape.
    pub(in crate::engine::config) fn is_default(&self) -> bool {
        self.timing == Timing::default()
            && !self.disable_automated_rotation
            && self.client_secret_id.is_none()
            && self.others.is_done()
            && self.removals.is_empty()
            && self.last_rotated.is_none()
            && self.failure.is_none()
    }

    /// The plan, as far as rotation comes by itself.
    pub(super) fn plan(&self) -> Plan {
        if self.disable_automated_rotation {
            return Plan::Manual;
        }
        self.timing.plan().unwrap_or(Plan::Manual)
    }

    /// Plans the next rotation, from the last one or else from now.
    pub(in crate::engine::config) fn plan_next(&mut self, now: DateTime<Utc>) {
        let plan = self.plan();
        let after = match &plan {
            Plan::Every(_) => self.last_rotated.unwrap_or(now),
            Plan::Manual | Plan::At { .. } => now,
        };
        self.next_rotation = plan.next(after, NAME);
    }

    /// The credential is another from now on: what was known of the last one's rotation is not of it.
    pub(in crate::engine::config) fn reset(&mut self, now: DateTime<Utc>) {
        self.client_secret_id = None;
        self.others = OtherSecrets::default();
        self.last_rotated = None;
        self.failure = None;
        self.missed_window = None;
        self.plan_next(now);
    }

    /// The lifetime of a new secret, unless the organization allows less.
    pub(super) fn lifetime(&self, now: DateTime<Utc>) -> Hours {
        self.plan().secret_lifetime(now, Duration::ZERO, SPARE)
    }
}

impl Removal {
    /// By what it is found in Atlas: its id, or its name if that is all there is.
    pub(super) fn name(&self) -> String {
        let key = self.programmatic_api_key_id.as_ref();
        let account = self.client_id.as_ref();
        key.map(ToString::to_string)
            .or_else(|| account.map(ToString::to_string))
            .unwrap_or_else(|| self.description.clone())
    }

    /// Whether it is what the configuration signs in with: a person has written it back.
    pub(super) fn is_credential_of(&self, entry: &ConfigEntry) -> bool {
        let key = !self.public_key.is_empty() && self.public_key == entry.public_key;
        key || (self.client_id.is_some() && self.client_id == entry.client_id)
    }
}

impl ConfigEntry {
    /// What this mount signs in with.
    pub(super) fn root_type(&self) -> RootType {
        if self.client_id.is_some() {
            RootType::ServiceAccount
        } else {
            RootType::ProgrammaticApiKey
        }
    }

    /// What is to be expected of the present secret; an API key has no end.
    pub(crate) fn expiry(&self) -> ExpiryStatus {
        ExpiryStatus {
            expires_at: self.client_secret_expires_at,
            next_rotation: self.due(),
            failing: self.rotation.failure.is_some(),
            held: self.hold,
        }
    }

    /// When the rotation that comes by itself is due.
    pub(super) fn due(&self) -> Option<DateTime<Utc>> {
        let (end, last) = (self.client_secret_expires_at, self.rotation.last_rotated);
        Some(rotation::due(self.rotation.next_rotation?, end, last))
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn a_rotation_comes_before_the_end_of_its_secret_by_a_day_or_a_quarter_of_its_life() {
        let now = DateTime::UNIX_EPOCH;
        let mut entry = ConfigEntry::default();
        entry.rotation.next_rotation = Some(now + TimeDelta::days(90));
        assert_eq!(entry.due(), entry.rotation.next_rotation);
        entry.client_secret_expires_at = Some(now + TimeDelta::days(7));
        assert_eq!(entry.due(), Some(now + TimeDelta::days(6)));
        entry.rotation.last_rotated = Some(now);
        assert_eq!(entry.due(), Some(now + TimeDelta::days(6)));
        entry.client_secret_expires_at = Some(now + TimeDelta::hours(8));
        assert_eq!(entry.due(), Some(now + TimeDelta::hours(6)));
        entry.client_secret_expires_at = Some(now - TimeDelta::hours(8));
        assert_eq!(entry.due(), Some(now + TimeDelta::minutes(1)));
    }
}
