//! What is stored of a migration: what was asked, and a row for each project.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::super::entry::{Accepted, Principal};
use super::row::{Row, Step, shortened};
use crate::atlas::{ProjectId, VaultKey};
use crate::base::time::serde_go_nanos;
use crate::engine::origin::BoundTo;

/// The entry is written anew after each step, and a server's storage takes about a megabyte.
pub(super) const MOST_PROJECTS: usize = 1_000;

/// What is accepted for unseen changes counts as long as its order goes on, and so long after it last did:
/// not once a hold, a limit of Atlas's or a server that was away is over after days.
const ACCEPTED_LASTS: Duration = Duration::from_mins(65);
/// So often it is noted that an order goes on.
const ACCEPTED_NOTED: Duration = Duration::from_mins(5);

/// A plan without a name of its own.
const UNNAMED: &str = "unnamed";

/// A migration's entry. Its key is its name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct MigrationEntry {
    /// How far it is.
    pub(super) state: State,
    /// Since when.
    pub(super) since: DateTime<Utc>,
    /// Why it does not go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    /// What a pause interrupted, or what comes after the plan.
    #[serde(default)]
    pub(super) then: Then,
    /// What was asked.
    pub(super) order: Order,
    /// Names the plan that the rows are of: what is accepted for them goes with it.
    #[serde(default)]
    pub(super) plan_id: String,
    /// Who goes first, and is watched to the end before anybody else is changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) canary: Option<ProjectId>,
    /// In the order in which they are changed.
    #[serde(default)]
    pub(super) rows: Vec<Row>,
    /// The vaults that hold the projects' keys, each once, without the key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) vaults: Vec<VaultKey>,
    /// When it was first started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) started_at: Option<DateTime<Utc>>,
    /// When the next step is due; [`None`]: at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) next_step_time: Option<DateTime<Utc>>,
    /// How often in a row nobody could tell what became of a step.
    #[serde(default)]
    pub(super) tries: u32,
    /// Where it belongs.
    #[serde(default)]
    pub(super) origin: BoundTo,
}

/// What was asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Order {
    /// Whether the projects are all those that sign in with static credentials.
    #[serde(default)]
    pub(super) all_static: bool,
    /// The principal that all of them get.
    pub(super) principal: Principal,
    /// Who is to be the canary; [`None`]: the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) canary: Option<ProjectId>,
    /// How long the canary and private projects are watched, each on its own.
    #[serde(with = "serde_go_nanos")]
    pub(super) observe: Duration,
    /// How long between two looks at a project.
    #[serde(with = "serde_go_nanos")]
    pub(super) interval: Duration,
    /// So many failures end it.
    pub(super) max_failures: u32,
    /// As for a single project, by the last order. What it holds for is noted with each project.
    #[serde(default)]
    pub(super) accept_unvalidated: bool,
    /// The same.
    #[serde(default)]
    pub(super) accept_no_way_back: bool,
    /// When that was given, or the order was last seen to go on; [`None`]: nothing is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) accepted_at: Option<DateTime<Utc>>,
    /// As for a single project; [`None`]: what stands in its entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) keep_static: Option<bool>,
}

impl Order {
    pub(super) fn accepted(&self) -> Accepted {
        Accepted {
            unvalidated: self.accept_unvalidated,
            no_way_back: self.accept_no_way_back,
        }
    }

    /// What the order accepts takes the place of what an earlier one did.
    pub(super) fn accept(&mut self, accepted: Accepted, now: DateTime<Utc>) {
        self.accept_unvalidated = accepted.unvalidated;
        self.accept_no_way_back = accepted.no_way_back;
        self.accepted_at = (!accepted.is_nothing()).then_some(now);
    }

    /// How long ago what it accepts was seen to be of an order that goes on.
    fn accepted_since(&self, now: DateTime<Utc>) -> Option<Duration> {
        // What a clock says that was set back is no shorter.
        self.accepted_at
            .map(|at| (now - at).abs().to_std().unwrap_or_default())
    }

    /// Whether what it accepts counts no more: it was for how things stood before they lay still so long, or
    /// nobody knows since when.
    pub(super) fn is_accepted_no_more(&self, now: DateTime<Utc>) -> bool {
        let since = self.accepted_since(now);
        !self.accepted().is_nothing() && since.is_none_or(|since| since > ACCEPTED_LASTS)
    }

    /// Whether it is time to note that the order goes on.
    pub(super) fn is_accepted_long_since(&self, now: DateTime<Utc>) -> bool {
        let since = self.accepted_since(now);
        since.is_some_and(|since| since >= ACCEPTED_NOTED)
    }
}

/// How far a migration is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// Atlas is being asked how the projects stand.
    Planning,
    /// It was, and nothing is changed.
    Planned,
    /// Projects are being changed.
    Running,
    /// Somebody paused it, or it stopped itself.
    Paused,
    /// Projects are being changed back.
    RollingBack,
    /// All were changed back that could be.
    RolledBack,
    /// All were changed that could be.
    Done,
}

impl State {
    /// As it is shown.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Planning => "planning",
            Self::Planned => "planned",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::RollingBack => "rolling_back",
            Self::RolledBack => "rolled_back",
            Self::Done => "done",
        }
    }

    /// Whether there is work to do.
    pub(super) fn is_at_work(self) -> bool {
        matches!(self, Self::Planning | Self::Running | Self::RollingBack)
    }
}

/// What comes after a plan or a pause.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Then {
    /// Nothing, until somebody says so.
    #[default]
    Rest,
    /// The projects are changed.
    Run,
    /// The projects are changed back.
    RollBack,
}

impl MigrationEntry {
    /// The same with a name for a plan that was stored before plans had names: who accepts something for its
    /// projects has to name it.
    pub(super) fn named(mut self) -> Self {
        if self.plan_id.is_empty() {
            UNNAMED.clone_into(&mut self.plan_id);
        }
        self
    }

    /// How many projects are at one of these steps.
    pub(super) fn count(&self, steps: &[Step]) -> usize {
        let rows = self.rows.iter();
        rows.filter(|row| steps.contains(&row.step)).count()
    }

    /// Nothing is accepted any more, for the way over or for the way back.
    pub(super) fn accept_nothing(&mut self, now: DateTime<Utc>) {
        self.order.accept(Accepted::default(), now);
        for row in &mut self.rows {
            row.consented = false;
        }
    }

    /// It goes over to this state.
    pub(super) fn enter(&mut self, state: State, now: DateTime<Utc>) {
        self.state = state;
        self.since = now;
        self.reason = None;
        self.next_step_time = None;
        self.tries = 0;
    }

    /// It stops, and says why. One that is paused stays so, and what that interrupted is not forgotten.
    pub(super) fn stop(&mut self, reason: &str, now: DateTime<Utc>) {
        self.then = match self.state {
            State::Paused => return,
            State::Planning => self.then,
            State::RollingBack => Then::RollBack,
            _ => Then::Run,
        };
        self.enter(State::Paused, now);
        self.reason = Some(shortened(reason));
    }

    /// Notes the vault that holds this key, unless it is known.
    pub(super) fn note_vault(&mut self, key: VaultKey) {
        let place = |key: &VaultKey| {
            let vault = key.vault.to_ascii_lowercase();
            (
                key.subscription_id.clone(),
                key.resource_group.clone(),
                vault,
            )
        };
        if self.vaults.iter().all(|known| place(known) != place(&key)) {
            // What grants do not name takes room a thousand times.
            self.vaults.push(VaultKey {
                key_identifier: String::new(),
                ..key
            });
        }
    }

    /// The row of a project.
    pub(super) fn row_mut(&mut self, project: &ProjectId) -> Option<&mut Row> {
        self.rows.iter_mut().find(|row| row.project == *project)
    }

    /// Whether a project is watched through the whole of `observe` before the next one is changed.
    pub(super) fn is_watched_to_the_end(&self, row: &Row) -> bool {
        row.private || self.canary.as_ref() == Some(&row.project)
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::Verdict;
    use super::*;
    use crate::engine::encryption_at_rest::entry::AzureEntry;
    use crate::engine::testing::fixtures::assert_written_as_read;

    #[test]
    fn what_is_kept_of_this_version_is_what_it_writes() {
        assert_written_as_read::<MigrationEntry>("encryption-at-rest-migrations/");
        assert_written_as_read::<AzureEntry>("encryption-at-rest/azure/");
    }

    #[test]
    fn a_full_migration_stays_below_a_megabyte() {
        let entry = full(MOST_PROJECTS);
        let size = serde_json::to_vec(&entry).expect("JSON").len();
        assert!(size < 1_000_000, "{size}");
    }

    /// As much as there can be in one: a vault, a verdict and a long error for each project.
    fn full(projects: usize) -> MigrationEntry {
        let now = DateTime::UNIX_EPOCH + chrono::TimeDelta::nanoseconds(123_456_789);
        let id = |number: usize| format!("{number:024x}").parse::<ProjectId>();
        let uuid = "11111111-1111-4111-8111-111111111111";
        let principal = Principal {
            tenant: uuid.parse().expect("an id"),
            object: uuid.parse().expect("an id"),
            application: uuid.parse().expect("an id"),
        };
        let mut entry = MigrationEntry {
            state: State::RollingBack,
            since: now,
            reason: None,
            then: Then::RollBack,
            order: Order {
                all_static: true,
                principal,
                canary: None,
                observe: Duration::from_hours(24),
                interval: Duration::from_hours(1),
                max_failures: u32::MAX,
                accept_unvalidated: true,
                accept_no_way_back: true,
                accepted_at: Some(now),
                keep_static: Some(true),
            },
            plan_id: String::new(),
            canary: None,
            rows: Vec::new(),
            vaults: Vec::new(),
            started_at: None,
            next_step_time: None,
            tries: 0,
            origin: BoundTo::default(),
        };
        for number in 0..projects {
            entry.note_vault(VaultKey {
                environment: "AZURE_US_GOVERNMENT".to_owned(),
                subscription_id: uuid.to_owned(),
                resource_group: "g".repeat(90),
                vault: format!("{number:024}"),
                key_identifier: "k".repeat(200),
                require_private_networking: Some(true),
            });
            let mut row = Row::new(id(number).expect("an id"));
            row.verdict = Some(Verdict::ProvedBy(id(number + 1).expect("an id")));
            row.consented = true;
            row.end(Step::RolledBack, &"\u{e4}".repeat(1_000), now);
            entry.rows.push(row);
        }
        entry
    }

    #[test]
    fn a_pause_of_the_way_back_is_one_of_the_way_back_whatever_fails_then() {
        let now = DateTime::UNIX_EPOCH;
        let mut entry = full(0);
        entry.stop("paused by request", now);
        entry.stop("the credential was refused", now);
        assert_eq!((entry.state, entry.then), (State::Paused, Then::RollBack));
        assert_eq!(entry.reason.as_deref(), Some("paused by request"));
    }
}
