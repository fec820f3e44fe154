//! The fields by which users say when something is rotated, as they are given and stored.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::plan::Plan;
use crate::base::Counted;
use crate::base::time::serde_go_nanos;
use crate::framework::{Faults, Field, Fields};
use crate::vault::Data;

/// The engine looks for what is due once in this time, in the periodic function.
pub(super) const TICK: Duration = Duration::from_mins(1);

/// `rotation_period`, `rotation_schedule` and `rotation_window`; empty and zero mean "not given".
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Timing {
    /// Time from one rotation to the next.
    #[serde(
        rename = "rotation_period",
        with = "serde_go_nanos",
        skip_serializing_if = "Duration::is_zero"
    )]
    pub(crate) period: Duration,
    /// Five cron fields, in UTC.
    #[serde(rename = "rotation_schedule", skip_serializing_if = "String::is_empty")]
    pub(crate) schedule: String,
    /// How long after a scheduled moment the rotation may still begin.
    #[serde(
        rename = "rotation_window",
        with = "serde_go_nanos",
        skip_serializing_if = "Duration::is_zero"
    )]
    pub(crate) window: Duration,
}

impl Timing {
    /// The fields, for the table of paths.
    pub(crate) fn fields() -> [Field; 3] {
        [
            Field::seconds("rotation_period").refuse_empty_text().about(
                "Time from one rotation to the next, at least 60 s; 0 means manually only. Giving \
                 it, even as 0, removes a schedule.",
            ),
            Field::text("rotation_schedule").about(
                "When to rotate: five cron fields (minute, hour, day of month, month, day of week), \
                 in UTC. Giving it replaces a period.",
            ),
            Field::seconds("rotation_window").refuse_empty_text().about(
                "Grace period after the scheduled time, at least 60 s: a rotation that has not \
                 started by then waits for the next scheduled time. 0 means no limit.",
            ),
        ]
    }

    /// Takes over what is given; one way of timing replaces the other, and a period of zero both.
    pub(crate) fn apply(&mut self, fields: &Fields, faults: &mut Faults) {
        let period = fields.duration("rotation_period");
        let schedule = fields.text("rotation_schedule").map(str::trim);
        let by_period = period.is_some_and(|period| !period.is_zero());
        let by_schedule = schedule.is_some_and(|schedule| !schedule.is_empty());
        if by_period && by_schedule {
            faults.add(
                "rotation_schedule",
                "give rotation_period or rotation_schedule, not both",
            );
        }
        if let Some(period) = period {
            self.period = period;
        }
        if let Some(schedule) = schedule {
            schedule.clone_into(&mut self.schedule);
            if !by_schedule {
                self.window = Duration::ZERO;
            }
        }
        if by_schedule {
            self.period = Duration::ZERO;
        } else if period.is_some() {
            self.schedule.clear();
            self.window = Duration::ZERO;
        }
        if let Some(window) = fields.duration("rotation_window") {
            self.window = window;
        }
    }

    /// The plan, with everything that is wrong told.
    pub(crate) fn check(&self, now: DateTime<Utc>, faults: &mut Faults) -> Plan {
        let at_least = |duration: Duration| duration.is_zero() || duration >= TICK;
        if !at_least(self.period) {
            let reason = "must be at least 60 s: the periodic function runs once a minute (0: \
                          manually only)";
            faults.add("rotation_period", reason);
        }
        let plan = self.plan();
        if plan.is_none() {
            faults.add("rotation_schedule", wrong_schedule(&self.schedule));
        }
        let window = self.window;
        if !window.is_zero() && self.schedule.is_empty() {
            faults.add(
                "rotation_window",
                "has no meaning without rotation_schedule",
            );
        } else if !at_least(window) {
            faults.add(
                "rotation_window",
                "must be at least 60 s: the periodic function runs once a minute",
            );
        }
        let plan = plan.unwrap_or(Plan::Manual);
        if plan
            .intervals(now)
            .is_some_and(|intervals| window > intervals.shortest)
        {
            faults.add(
                "rotation_window",
                "must not be longer than the time between two scheduled times",
            );
        }
        plan
    }

    /// The plan of what is stored; [`None`] if its schedule cannot be read.
    pub(crate) fn plan(&self) -> Option<Plan> {
        if !self.schedule.is_empty() {
            return Plan::at(&self.schedule, self.window);
        }
        Some(if self.period.is_zero() {
            Plan::Manual
        } else {
            Plan::Every(self.period)
        })
    }

    /// Shows the fields in an answer.
    pub(crate) fn show(&self, data: &mut Data) {
        let values = [
            ("rotation_period", self.period.as_secs().into()),
            ("rotation_schedule", self.schedule.as_str().into()),
            ("rotation_window", self.window.as_secs().into()),
        ];
        data.extend(values.map(|(name, value)| (name.to_owned(), value)));
    }
}

/// What is wrong with a schedule that is no plan: the usual slips are named.
fn wrong_schedule(line: &str) -> String {
    const WANTED: &str = "give five cron fields in UTC (minute, hour, day of month, month, day of \
                          week), such as \"0 3 * * SUN\"";
    let fields = line.split_whitespace().count();
    let upper = line.to_ascii_uppercase();
    if upper.starts_with("CRON_TZ=") || upper.starts_with("TZ=") {
        format!("takes no time zone: {WANTED}")
    } else if fields == 5 {
        format!("not a schedule that ever matches; {WANTED}")
    } else {
        format!("has {}: {WANTED}", Counted(fields, "field"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_schedule_is_named() {
        for (line, part) in [
            ("0 0 3 * * *", "has 6 fields: give five cron fields in UTC"),
            ("0 3 * *", "has 4 fields: "),
            (
                "CRON_TZ=Europe/Vienna 0 3 * * *",
                "takes no time zone: give five",
            ),
            ("TZ=UTC 0 3 * * *", "takes no time zone: "),
            ("0 0 31 2 *", "not a schedule that ever matches; give five"),
        ] {
            let timing = Timing {
                schedule: line.to_owned(),
                ..Timing::default()
            };
            let mut faults = Faults::new();
            timing.check(DateTime::UNIX_EPOCH, &mut faults);
            let told = faults.to_string();
            assert!(told.contains(part), "{line}: {told}");
        }
    }
}
