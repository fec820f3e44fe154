//! The stored static role: what was asked for, the secrets, and how rotation goes.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::atlas::{ClientId, Hours, Level, OrgId, ProjectId};
use crate::base::time::serde_go_nanos;
use crate::engine::origin::BoundTo;
use crate::engine::rotation_state::{
    ClientSecret, ExpiryStatus, OtherSecrets, Plan, RotationMode, RotationState,
};

/// Default of `overlap`.
pub(super) const DEFAULT_OVERLAP: Duration = Duration::from_hours(1);

/// What users choose about rotation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Options {
    /// Who rotates.
    pub(crate) rotation_mode: RotationMode,
    /// Lifetime asked of Atlas; zero leaves it to the engine.
    #[serde(with = "serde_go_nanos")]
    pub(crate) secret_ttl: Duration,
    /// How long a replaced secret lives on.
    #[serde(with = "serde_go_nanos")]
    pub(crate) overlap: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rotation_mode: RotationMode::default(),
            secret_ttl: Duration::ZERO,
            overlap: DEFAULT_OVERLAP,
        }
    }
}

impl Options {
    /// The lifetime of a new secret, unless the organization allows less. Left to the engine, it is
    /// twice what has to be covered, so that a missed rotation is no outage yet.
    pub(super) fn lifetime(&self, plan: &Plan, now: DateTime<Utc>) -> Hours {
        if self.secret_ttl.is_zero() {
            plan.secret_lifetime(now, self.overlap, Duration::ZERO)
        } else {
            Hours::of_secret(self.secret_ttl)
        }
    }
}

/// What is stored at `static-roles/<name>`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StaticRoleEntry {
    /// The account.
    pub(crate) client_id: ClientId,
    /// The organization it belongs to.
    pub(crate) organization_id: OrgId,
    /// The project at which it is managed; without one that is the organization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) project_id: Option<ProjectId>,
    /// Where the account is, and where its secrets go.
    #[serde(default, skip_serializing_if = "BoundTo::is_legacy")]
    pub(crate) origin: BoundTo,
    /// What the user chose.
    #[serde(flatten)]
    pub(crate) options: Options,
    /// The secret that readers are given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) current: Option<ClientSecret>,
    /// Other secrets of the account.
    #[serde(default, rename = "other_secrets")]
    pub(crate) others: OtherSecrets,
    /// When it is rotated, and how that goes.
    #[serde(flatten)]
    pub(crate) rotation: RotationState,
    /// Since when Atlas is known to have the present secret no more: somebody deleted it there.
    #[serde(
        default,
        rename = "lost_since",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) lost: Option<DateTime<Utc>>,
}

impl StaticRoleEntry {
    /// Where the account is managed.
    pub(super) fn level(&self) -> Level {
        match &self.project_id {
            Some(project) => Level::Project(project.clone()),
            None => Level::Org(self.organization_id.clone()),
        }
    }

    /// The lifetime of its next secret, unless the organization allows less.
    pub(super) fn lifetime(&self, now: DateTime<Utc>) -> Hours {
        self.options.lifetime(&self.rotation.plan(), now)
    }

    /// When Atlas stops taking the present secret.
    pub(super) fn expires_at(&self) -> Option<DateTime<Utc>> {
        self.current.as_ref()?.expires_at
    }

    /// When the rotation that comes by itself is due: as planned, but before the secret's end, and
    /// at once after the secret was lost.
    pub(super) fn due(&self) -> Option<DateTime<Utc>> {
        let due = self.rotation.due(self.expires_at())?;
        Some(self.lost.unwrap_or(due))
    }

    /// When the present secret stops to work, or did.
    pub(super) fn ends_at(&self) -> Option<DateTime<Utc>> {
        self.lost.or(self.expires_at())
    }

    /// When the rotation that is to be finished was begun. A role without a secret has its first one
    /// to come, whatever became of earlier tries.
    fn begun(&self) -> Option<DateTime<Utc>> {
        let pending = self.others.pending.as_ref().map(|pending| pending.since);
        pending.or_else(|| self.current.is_none().then_some(DateTime::UNIX_EPOCH))
    }

    /// When there is something to do next.
    pub(super) fn wake(&self) -> Option<DateTime<Utc>> {
        let rotation = self.begun().into_iter().chain(self.due()).min();
        let not_before = self
            .rotation
            .failure
            .as_ref()
            .map(|failure| failure.next_retry_time);
        let rotation = rotation.map(|due| not_before.map_or(due, |next| due.max(next)));
        let retiring = self.others.retiring.iter().map(|each| each.look_at);
        rotation.into_iter().chain(retiring).min()
    }

    /// Whether a rotation, new or begun, is to be worked on.
    pub(super) fn rotation_is_due(&self, now: DateTime<Utc>) -> bool {
        self.rotation
            .is_due(self.begun().is_some(), self.due(), now)
    }

    /// What is to be expected of the present secret; whether rotations are held is the
    /// configuration's to say.
    pub(super) fn expiry(&self) -> ExpiryStatus {
        self.rotation.expiry(self.ends_at(), self.due())
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use serde_json::json;

    use super::*;

    fn entry() -> StaticRoleEntry {
        let stored = json!({
            "client_id": "mdb_sa_id_5cf5a45a9ccf6400e60981b7",
            "organization_id": "5cf5a45a9ccf6400e60981b7",
        });
        serde_json::from_value(stored).expect("an entry with its ids alone")
    }

    #[test]
    fn what_is_written_is_read_back() {
        let now = DateTime::UNIX_EPOCH;
        let mut written = entry();
        written.rotation.timing.period = Duration::from_hours(24);
        written.options.rotation_mode = RotationMode::Own;
        written.rotation.next = Some(now);
        let text = serde_json::to_string(&written).expect("JSON");
        let read: StaticRoleEntry = serde_json::from_str(&text).expect("an entry");
        assert_eq!(read.options, written.options);
        assert_eq!(read.rotation.next, Some(now));
        assert!(text.contains("\"rotation_mode\":\"self\""), "{text}");
    }

    #[test]
    fn a_rotation_comes_before_the_end_of_its_secret() {
        let now = DateTime::UNIX_EPOCH;
        let mut entry = entry();
        entry.rotation.next = Some(now + TimeDelta::days(30));
        assert_eq!(entry.due(), entry.rotation.next);
        let secret = json!({"client_secret": "x", "expires_at": now + TimeDelta::days(7)});
        entry.current = serde_json::from_value(secret).expect("a secret");
        assert_eq!(entry.due(), Some(now + TimeDelta::days(6)));
        entry.rotation.last = Some(now + TimeDelta::days(7));
        assert!(entry.due() > entry.rotation.last);
        // A short life is used for the most part.
        entry.rotation.last = Some(now + TimeDelta::hours(6 * 24 + 16));
        assert_eq!(
            entry.due(),
            Some(now + TimeDelta::hours(7 * 24 - 2)),
            "two of eight hours"
        );
    }

    #[test]
    fn a_role_without_a_secret_is_due_even_where_rotation_is_by_hand() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(1);
        let mut entry = entry();
        assert!(entry.rotation_is_due(now));
        assert!(entry.wake().is_some_and(|wake| wake <= now));
        let secret = json!({"client_secret": "x"});
        entry.current = serde_json::from_value(secret).expect("a secret");
        assert!(!entry.rotation_is_due(now));
        assert_eq!(entry.wake(), None);
    }

    #[test]
    fn the_engine_chooses_a_lifetime_that_covers_a_missed_rotation() {
        let now = DateTime::UNIX_EPOCH;
        let mut options = Options::default();
        let every = |hours: u64| Plan::Every(Duration::from_hours(hours));
        let by_hand = options.lifetime(&Plan::Manual, now);
        assert_eq!(by_hand, Hours::LONGEST_SECRET);
        assert_eq!(options.lifetime(&every(23), now), Hours::new(48));
        assert_eq!(options.lifetime(&every(1), now), Hours::SHORTEST_SECRET);
        options.secret_ttl = Duration::from_secs(36_001);
        assert_eq!(options.lifetime(&every(1), now), Hours::new(11));
    }
}
