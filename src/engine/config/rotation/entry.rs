//! What follows from what the configuration stores of the rotation of its credential.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::atlas::Hours;
pub(super) use crate::engine::entries::RootType;
use crate::engine::entries::{ConfigEntry, RootRotation};
use crate::engine::rotation_state::{ExpiryStatus, OtherSecrets, Plan};

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
        self.state.plan()
    }

    /// The timing is another from now on.
    pub(in crate::engine::config) fn plan_anew(&mut self, now: DateTime<Utc>) {
        let plan = self.plan();
        self.state.plan_anew(&plan, NAME, now);
    }

    /// The credential is another from now on: what was known of the last one's rotation is not of it.
    pub(in crate::engine::config) fn reset(&mut self, now: DateTime<Utc>) {
        self.client_secret_id = None;
        self.others = OtherSecrets::default();
        self.state.last = None;
        self.plan_anew(now);
    }

    /// Notes that a rotation has succeeded.
    pub(super) fn note_success(&mut self, now: DateTime<Utc>) {
        let plan = self.plan();
        self.state.note_success(&plan, NAME, now);
    }

    /// Whether a rotation, new or begun, is to be worked on.
    pub(super) fn is_due(&self, due: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
        self.state.is_due(self.others.pending.is_some(), due, now)
    }

    /// The lifetime of a new secret, unless the organization allows less.
    pub(super) fn lifetime(&self, now: DateTime<Utc>) -> Hours {
        self.plan().secret_lifetime(now, Duration::ZERO, SPARE)
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
        let state = &self.rotation.state;
        state
            .expiry(self.client_secret_expires_at, self.due())
            .with_held(self.hold)
    }

    /// When the rotation that comes by itself is due.
    pub(super) fn due(&self) -> Option<DateTime<Utc>> {
        self.rotation.state.due(self.client_secret_expires_at)
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
        entry.rotation.state.next = Some(now + TimeDelta::days(90));
        assert_eq!(entry.due(), entry.rotation.state.next);
        entry.client_secret_expires_at = Some(now + TimeDelta::days(7));
        assert_eq!(entry.due(), Some(now + TimeDelta::days(6)));
        entry.rotation.state.last = Some(now);
        assert_eq!(entry.due(), Some(now + TimeDelta::days(6)));
        entry.client_secret_expires_at = Some(now + TimeDelta::hours(8));
        assert_eq!(entry.due(), Some(now + TimeDelta::hours(6)));
        entry.client_secret_expires_at = Some(now - TimeDelta::hours(8));
        assert_eq!(entry.due(), Some(now + TimeDelta::minutes(1)));
    }
}
