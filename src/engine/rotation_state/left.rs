//! What is still to be removed of an account's secrets once nothing here rotates it any more.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::mode::RotationMode;
use super::secrets::{OtherSecrets, Pending, Retiring};
use crate::atlas::{ClientId, Level, OrgId, ProjectId, SecretId};
use crate::base::time::serde_go_nanos;

/// Secrets that an account was left with: its static role was deleted, or the configuration signs in with
/// another credential. The account stays, and so does its present secret. Never the value of a secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LeftSecrets {
    /// The account.
    pub(crate) client_id: ClientId,
    /// The project at which it is managed; without one that is its organization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) project_id: Option<ProjectId>,
    /// Who removes them.
    #[serde(default)]
    pub(crate) rotation_mode: RotationMode,
    /// How long a replaced secret lives on.
    #[serde(default, with = "serde_go_nanos")]
    pub(crate) overlap: Duration,
    /// The account's present secret, once its id is known: it is never removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) present_secret_id: Option<SecretId>,
    /// What is to be removed.
    #[serde(flatten)]
    pub(crate) others: OtherSecrets,
}

impl LeftSecrets {
    /// Of an account whose other secrets these are. One that was made and never published was given to
    /// nobody: its time is over, and its value is forgotten.
    pub(crate) fn of(
        client_id: ClientId,
        others: OtherSecrets,
        overlap: Duration,
        now: DateTime<Utc>,
    ) -> Self {
        let OtherSecrets {
            pending,
            mut retiring,
        } = others;
        let (pending, unpublished) = without_value(pending);
        retiring.extend(unpublished.map(|id| Retiring {
            id,
            since: now - overlap * 2,
            look_at: now,
            in_use: false,
            failures: 0,
        }));
        Self {
            client_id,
            project_id: None,
            rotation_mode: RotationMode::Admin,
            overlap,
            present_secret_id: None,
            others: OtherSecrets { pending, retiring },
        }
    }

    /// Where the account is managed, which is of this organization.
    pub(crate) fn level(&self, organization: OrgId) -> Level {
        match &self.project_id {
            Some(project) => Level::Project(project.clone()),
            None => Level::Org(organization),
        }
    }

    /// When there is something to do next; [`None`]: nothing is left to be removed.
    pub(crate) fn wake(&self) -> Option<DateTime<Utc>> {
        let pending = self.others.pending.iter().map(|pending| pending.since);
        let retiring = self.others.retiring.iter().map(|each| each.look_at);
        pending.chain(retiring).min()
    }

    /// When the last of them goes, in use or not.
    pub(crate) fn removed_by(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let retiring = self.others.retiring.iter();
        let ends = retiring.map(|each| each.since + self.overlap * 2);
        ends.max().map_or(now, |end| end.max(now))
    }
}

/// What is looked for among the account's secrets, or the id of what was made.
fn without_value(pending: Option<Pending>) -> (Option<Pending>, Option<SecretId>) {
    let Some(mut pending) = pending else {
        return (None, None);
    };
    match pending.made.take().and_then(|made| made.id) {
        Some(id) => (None, Some(id)),
        None => (Some(pending), None),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn left(others: serde_json::Value) -> LeftSecrets {
        let others = serde_json::from_value(others).expect("secrets");
        let account = "mdb_sa_id_6b02741eb9c9ed02f9000011".parse();
        let now = DateTime::UNIX_EPOCH + HOUR * 10;
        LeftSecrets::of(account.expect("an id"), others, HOUR, now)
    }

    #[test]
    fn the_value_of_a_secret_that_was_made_and_never_published_is_forgotten() {
        let now = DateTime::UNIX_EPOCH + HOUR * 10;
        let left = left(json!({"pending": {
            "known_secret_ids": [], "since": now, "new_secret": {
                "id": "6b02741fb9c9ed02f9000013", "client_secret": "mdb_sa_sk_hidden",
            },
        }}));
        let stored = serde_json::to_string(&left).expect("JSON");
        assert!(!stored.contains("hidden"), "{stored}");
        assert_eq!(left.wake(), Some(now), "nobody has it: it goes at once");
        assert_eq!(left.removed_by(now), now);
        let [unpublished] = left.others.retiring.try_into().expect("one");
        assert_eq!(unpublished.since + HOUR * 2, now);
        assert!(left.others.pending.is_none());
    }

    #[test]
    fn the_first_that_is_to_be_looked_at_wakes() {
        let at = |hours: u32| DateTime::<Utc>::UNIX_EPOCH + HOUR * hours;
        let retiring = |id: &str, since: u32| json!({"id": id, "since": at(since), "next_check_time": at(since + 1)});
        let left = left(json!({"retiring": [
            retiring("6b02741fb9c9ed02f9000013", 12), retiring("6b02741fb9c9ed02f9000014", 11),
        ]}));
        assert_eq!(left.wake(), Some(at(12)));
        assert_eq!(left.removed_by(at(10)), at(14));
        assert_eq!(self::left(json!({})).wake(), None);
    }
}
