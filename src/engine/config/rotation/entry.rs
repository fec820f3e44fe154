//! What follows from what the configuration stores of the rotation of its credential.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::atlas::Hours;
use crate::engine::entries::{ConfigEntry, RootRotation};
pub(super) use crate::engine::entries::{Removal, RootType};
use crate::engine::rotation_state::{self, ExpiryStatus, OtherSecrets, Plan};

/// The name by which the configuration's credential has its place on a schedule.
pub(super) const NAME: &str = "config";
/// Added to what a new secret has to cover, so that a missed rotation is no outage yet.
const SPARE: Duration = Duration::from_hours(24);

impl RootRotation {
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
        Some(rotation_state::due(self.rotation.next_rotation?, end, last))
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
