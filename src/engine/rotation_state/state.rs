//! When a secret is rotated, and how that goes: one state and one planner for all that rotate.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::expiry::ExpiryStatus;
use super::failure::RotationFailure;
use super::min_interval;
use super::plan::Plan;
use super::timing::Timing;
use crate::base::{Counted, Entropy, Rfc3339};
use crate::engine::error::EngineError;
use crate::vault::Data;

/// What is stored of it, among the fields of whatever rotates.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct RotationState {
    /// When to rotate, as users say it.
    #[serde(flatten)]
    pub(crate) timing: Timing,
    /// When the present secret was published.
    #[serde(rename = "last_rotated", skip_serializing_if = "Option::is_none")]
    pub(crate) last: Option<DateTime<Utc>>,
    /// When it is to be replaced, but for its end: see [`due`](Self::due).
    #[serde(rename = "next_rotation", skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<DateTime<Utc>>,
    /// The present series of failures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<RotationFailure>,
    /// The last rotation that did not start within its window, until one succeeds.
    #[serde(
        rename = "last_missed_rotation",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) missed: Option<DateTime<Utc>>,
}

impl RotationState {
    /// Nothing was rotated yet, and nothing is planned.
    pub(crate) fn of(timing: Timing) -> Self {
        Self {
            timing,
            ..Self::default()
        }
    }

    /// The plan that the timing says.
    pub(crate) fn plan(&self) -> Plan {
        self.timing.plan().unwrap_or(Plan::Manual)
    }

    /// Plans the next rotation for `name`, from the last one or else from now.
    pub(crate) fn plan_next(&mut self, plan: &Plan, name: &str, now: DateTime<Utc>) {
        let after = match plan {
            Plan::Every(_) => self.last.unwrap_or(now),
            Plan::Manual | Plan::At { .. } => now,
        };
        self.next = plan.next(after, name);
    }

    /// The timing is another from now on: what was is not held against it.
    pub(crate) fn plan_anew(&mut self, plan: &Plan, name: &str, now: DateTime<Utc>) {
        self.failure = None;
        self.missed = None;
        self.plan_next(plan, name, now);
    }

    /// A rotation has succeeded.
    pub(crate) fn note_success(&mut self, plan: &Plan, name: &str, now: DateTime<Utc>) {
        self.last = Some(now);
        self.plan_anew(plan, name, now);
    }

    /// A rotation, or a look that prepares one, has failed.
    pub(crate) fn note_failure(
        &mut self,
        error: &EngineError,
        now: DateTime<Utc>,
        entropy: &dyn Entropy,
    ) -> &RotationFailure {
        let failure = RotationFailure::after(self.failure.as_ref(), error, now, entropy);
        self.failure.insert(failure)
    }

    /// When the rotation that comes by itself is due: as planned, but before the secret's `end`.
    pub(crate) fn due(&self, end: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
        Some(min_interval::due(self.next?, end, self.last))
    }

    /// Whether a rotation is to be worked on, one that has `begun` before all: that is finished even
    /// where rotation is by hand.
    pub(crate) fn is_due(
        &self,
        begun: bool,
        due: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> bool {
        let waits = self.failure.as_ref();
        let waits = waits.is_some_and(|failure| failure.next_retry_time > now);
        !waits && (begun || due.is_some_and(|due| due <= now))
    }

    /// Passes over a rotation that could not begin within its window: it waits for the next, unless its
    /// secret would not live to see that. Answers the moment that was missed; the caller stores it.
    pub(crate) fn pass_over_missed(
        &mut self,
        plan: &Plan,
        name: &str,
        end: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        let due = self.next?;
        let is_missed = plan.closes(due, name).is_some_and(|closed| closed < now);
        let next = plan.next(now, name);
        let ends_before = end.is_some_and(|end| next.is_some_and(|next| end <= next));
        if !is_missed || ends_before {
            return None;
        }
        (self.missed, self.next) = (Some(due), next);
        self.missed
    }

    /// What is to be expected of a secret with this end, and of the rotation that is due then. Whether
    /// rotations are held is the caller's to add.
    pub(crate) fn expiry(
        &self,
        expires_at: Option<DateTime<Utc>>,
        due: Option<DateTime<Utc>>,
    ) -> ExpiryStatus {
        ExpiryStatus {
            expires_at,
            next_rotation: due,
            failing: self.failure.is_some(),
            missed: self.missed.is_some(),
            held: false,
        }
    }

    /// Shows it in an answer.
    pub(crate) fn show(&self, due: Option<DateTime<Utc>>, data: &mut Data) {
        self.timing.show(data);
        data.insert("last_rotated".to_owned(), json!(self.last.map(Rfc3339)));
        data.insert("next_rotation".to_owned(), json!(due.map(Rfc3339)));
        if let Some(failure) = &self.failure {
            failure.show(data);
        }
        if let Some(missed) = self.missed {
            data.insert("last_missed_rotation".to_owned(), json!(Rfc3339(missed)));
        }
    }

    /// What readers should know.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let failed = self.failure.as_ref().map(|failure| {
            format!(
                "rotation has failed {} since {}; the next attempt is at {}: {}",
                Counted(failure.failures, "time"),
                Rfc3339(failure.since),
                Rfc3339(failure.next_retry_time),
                failure.error
            )
        });
        let missed = self.missed.map(|missed| {
            format!(
                "the rotation of {} missed its window; the next one is at the next scheduled time",
                Rfc3339(missed)
            )
        });
        failed.into_iter().chain(missed).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::TimeDelta;

    use super::*;
    use crate::base::SystemEntropy;

    const NAME: &str = "app";

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    /// Rotated on the 1st, at midnight with a window of an hour; planned from then on.
    fn daily() -> (RotationState, Plan) {
        let mut state = RotationState::of(Timing {
            schedule: "0 0 * * *".to_owned(),
            window: Duration::from_hours(1),
            ..Timing::default()
        });
        let plan = state.plan();
        state.note_success(&plan, NAME, time("2026-06-01T00:10:00Z"));
        (state, plan)
    }

    #[test]
    fn what_missed_its_window_waits_for_the_next_unless_the_secret_ends_before() {
        let (mut state, plan) = daily();
        let due = state.next.expect("planned");
        let within = time("2026-06-02T00:59:00Z");
        assert_eq!(state.pass_over_missed(&plan, NAME, None, within), None);
        let late = time("2026-06-02T01:01:00Z");
        let next = plan.next(late, NAME).expect("the next one");
        let ends = Some(next);
        assert_eq!(state.pass_over_missed(&plan, NAME, ends, late), None);
        assert_eq!((state.next, state.missed), (Some(due), None));
        let lives = Some(next + TimeDelta::seconds(1));
        let missed = state.pass_over_missed(&plan, NAME, lives, late);
        assert_eq!(missed, Some(due));
        assert_eq!((state.next, state.missed), (Some(next), Some(due)));
        assert_eq!(state.warnings().len(), 1);
        state.note_success(&plan, NAME, next);
        assert_eq!((state.last, state.missed), (Some(next), None));
    }

    #[test]
    fn by_hand_and_by_period_no_window_is_missed() {
        let now = time("2026-06-01T00:00:00Z");
        for plan in [Plan::Manual, Plan::Every(Duration::from_hours(1))] {
            let mut state = RotationState::default();
            state.plan_next(&plan, NAME, now);
            let much_later = now + TimeDelta::days(9);
            assert_eq!(state.pass_over_missed(&plan, NAME, None, much_later), None);
        }
    }

    #[test]
    fn a_period_runs_from_the_last_rotation_and_a_schedule_from_now() {
        let (mut state, plan) = daily();
        let now = time("2026-06-09T12:00:00Z");
        state.plan_next(&plan, NAME, now);
        assert_eq!(state.next, plan.next(now, NAME));
        let week = Plan::Every(Duration::from_hours(7 * 24));
        state.plan_next(&week, NAME, now);
        assert_eq!(state.next, Some(time("2026-06-08T00:10:00Z")));
        state.plan_next(&Plan::Manual, NAME, now);
        assert_eq!(state.next, None);
    }

    #[test]
    fn what_failed_waits_for_its_next_try_even_if_it_has_begun() {
        let now = time("2026-06-01T00:00:00Z");
        let mut state = RotationState::default();
        assert!(state.is_due(true, None, now));
        assert!(!state.is_due(false, None, now));
        assert!(state.is_due(false, Some(now), now));
        let error = EngineError::NotConfigured;
        let next_retry_time = state
            .note_failure(&error, now, &SystemEntropy)
            .next_retry_time;
        assert!(!state.is_due(true, Some(now), now));
        assert!(state.is_due(true, None, next_retry_time));
        assert!(state.expiry(None, None).failing);
        let again = state.note_failure(&error, next_retry_time, &SystemEntropy);
        assert_eq!((again.failures, again.since), (2, now));
    }
}
