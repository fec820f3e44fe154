//! Moments of rotation: from a period, or from cron in UTC with an offset for each name.

use std::time::Duration;

use chrono::{DateTime, Days, NaiveTime, TimeDelta, Utc};
use croner::parser::{CronParser, Seconds, Year};
use croner::{Cron, Direction};
use md5::{Digest as _, Md5};

use super::timing::TICK;
use crate::atlas::Hours;

/// Without a window, rotations of one schedule are spread over this time at most.
const LONGEST_SPREAD: Duration = Duration::from_mins(10);
/// So many days with a moment are looked at to learn how far apart moments are: more than a year of
/// them, for lines that leave out some months.
const MOST_DAYS: usize = 400;
/// No day after this is looked at, but for the second: 29 February may be eight years away.
const HORIZON: TimeDelta = TimeDelta::days(9 * 366);

/// When something is rotated.
#[derive(Debug, Clone)]
pub(crate) enum Plan {
    /// Only when somebody asks for it.
    Manual,
    /// So long after the last time.
    Every(Duration),
    /// At the moments of a cron line.
    At {
        /// The moments, in UTC.
        cron: Box<Cron>,
        /// How long after a moment a rotation may begin; zero means no limit.
        window: Duration,
    },
}

/// How far apart rotations are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Intervals {
    pub(crate) shortest: Duration,
    pub(crate) longest: Duration,
}

impl Plan {
    /// The plan of a cron line; [`None`] if it is none, or never comes true.
    pub(crate) fn at(line: &str, window: Duration) -> Option<Self> {
        if has_empty_field(line) {
            return None;
        }
        let parser = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build();
        let cron = parser.parse(line).ok()?;
        cron.find_next_occurrence(&DateTime::<Utc>::UNIX_EPOCH, false)
            .ok()?;
        Some(Self::At {
            cron: Box::new(cron),
            window,
        })
    }

    /// The next moment for `name` after `after`; [`None`] where only people rotate.
    pub(crate) fn next(&self, after: DateTime<Utc>, name: &str) -> Option<DateTime<Utc>> {
        match self {
            Self::Manual => None,
            Self::Every(period) => after.checked_add_signed(delta(*period)),
            Self::At { cron, .. } => {
                let moment = cron.find_next_occurrence(&after, false).ok()?;
                moment.checked_add_signed(delta(self.offset(moment, name)))
            }
        }
    }

    /// Until when the rotation that is due at `due` may begin; [`None`] is no limit.
    pub(crate) fn closes(&self, due: DateTime<Utc>, name: &str) -> Option<DateTime<Utc>> {
        match self {
            Self::At { window, .. } if !window.is_zero() => {
                let left = window.saturating_sub(self.offset(due, name));
                due.checked_add_signed(delta(left))
            }
            Self::Manual | Self::Every(_) | Self::At { .. } => None,
        }
    }

    /// Spreads the names on one schedule: always the same for one name, and within the first half
    /// of the window, so that the other half is left for second tries.
    fn offset(&self, moment: DateTime<Utc>, name: &str) -> Duration {
        let Self::At { cron, window } = self else {
            return Duration::ZERO;
        };
        let spread = if window.is_zero() {
            let next = cron.find_next_occurrence(&moment, false);
            let gap = next.ok().and_then(|next| (next - moment).to_std().ok());
            gap.map_or(Duration::ZERO, |gap| (gap / 4).min(LONGEST_SPREAD))
        } else {
            window.saturating_sub(TICK) / 2
        };
        let digest = Md5::digest(name.as_bytes());
        let number = digest
            .iter()
            .take(8)
            .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        Duration::from_secs(number.checked_rem(spread.as_secs()).unwrap_or_default())
    }

    /// The lifetime of a secret that is replaced by this plan and lives on for an overlap: twice as long
    /// as that takes, so that a missed rotation is no outage yet, and `spare` more.
    pub(crate) fn secret_lifetime(
        &self,
        now: DateTime<Utc>,
        overlap: Duration,
        spare: Duration,
    ) -> Hours {
        let Some(intervals) = self.intervals(now) else {
            return Hours::LONGEST_SECRET;
        };
        let covered = intervals.longest.saturating_add(overlap).saturating_mul(2);
        Hours::of_secret(covered.saturating_add(spare))
    }

    /// How far apart rotations are from `now` on; [`None`] where only people rotate.
    pub(crate) fn intervals(&self, now: DateTime<Utc>) -> Option<Intervals> {
        match self {
            Self::Manual => None,
            Self::Every(period) => Some(Intervals {
                shortest: *period,
                longest: *period,
            }),
            Self::At { cron, .. } => cron_intervals(cron, now),
        }
    }
}

/// Whether a field is a list of nothing. The parser takes it, and then looks for its moment minute by minute
/// through thousands of years.
fn has_empty_field(line: &str) -> bool {
    let mut fields = line.split_whitespace();
    fields.any(|field| field.bytes().all(|byte| byte == b','))
}

/// The time of day at which a cron line comes true is the same on each of its days, so the moments
/// of one day and the distances between days tell all. Exact over the days that are looked at.
fn cron_intervals(cron: &Cron, now: DateTime<Utc>) -> Option<Intervals> {
    let from = |moment: DateTime<Utc>| cron.find_next_occurrence(&moment, true).ok();
    let first = midnight(from(now)?);
    let moments = cron
        .iter_from(first, Direction::Forward)
        .take_while(|moment| midnight(*moment) == first)
        .map(|moment| moment - first);
    let moments: Vec<TimeDelta> = moments.collect();
    let overnight = *moments.first()? - *moments.last()?;
    let days = std::iter::successors(Some(first), |day| {
        let next = midnight(from(day.checked_add_days(Days::new(1))?)?);
        (next - now < HORIZON || *day == first).then_some(next)
    });
    let days: Vec<TimeDelta> = days.take(MOST_DAYS).map(|day| day - first).collect();
    let intervals = between(&moments).chain(between(&days).map(|gap| gap + overnight));
    let intervals: Vec<Duration> = intervals.filter_map(|gap| gap.to_std().ok()).collect();
    Some(Intervals {
        shortest: intervals.iter().min().copied()?,
        longest: intervals.iter().max().copied()?,
    })
}

fn between(moments: &[TimeDelta]) -> impl Iterator<Item = TimeDelta> {
    moments
        .iter()
        .zip(moments.iter().skip(1))
        .map(|(earlier, later)| *later - *earlier)
}

fn midnight(moment: DateTime<Utc>) -> DateTime<Utc> {
    moment.date_naive().and_time(NaiveTime::MIN).and_utc()
}

/// A duration for calculations with times; one too long to be one is the longest there is.
pub(super) fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    fn plan(line: &str, window: u64) -> Plan {
        Plan::at(line, Duration::from_secs(window)).expect("a plan")
    }

    #[test]
    fn cron_lines_are_utc() {
        let next = plan("30 3 * * SUN", 0).next(time("2025-06-04T12:00:00Z"), "a");
        let next = next.expect("a moment");
        let moment = time("2025-06-08T03:30:00Z");
        assert!(
            next >= moment && next < moment + TimeDelta::minutes(10),
            "{next}"
        );
    }

    #[test]
    fn broken_lines_are_refused() {
        for line in [
            "",
            "x",
            "* * * *",
            "0 0 3 * * *",
            "61 * * * *",
            "0 0 31 2 *",
        ] {
            assert!(Plan::at(line, Duration::ZERO).is_none(), "{line:?}");
        }
    }

    #[test]
    fn a_list_of_nothing_is_refused_before_its_moment_is_looked_for() {
        for line in [", 0 * * *", "0 , * * *", "0 0 ,, * *"] {
            assert!(has_empty_field(line), "{line}");
            assert!(Plan::at(line, Duration::ZERO).is_none(), "{line}");
        }
        assert!(!has_empty_field("0 3,15 * * SUN"));
    }

    #[test]
    fn many_names_on_one_schedule_are_spread_and_each_keeps_its_place() {
        let plan = plan("0 0 * * *", 7_200);
        let after = time("2025-06-04T12:00:00Z");
        let mut moments: Vec<_> = (0..1_000)
            .map(|n| plan.next(after, &format!("role-{n}")).expect("a moment"))
            .collect();
        assert_eq!(plan.next(after, "role-0").as_ref(), moments.first());
        let (first, half) = (time("2025-06-05T00:00:00Z"), TimeDelta::hours(1));
        assert!(moments.iter().all(|at| *at >= first && *at < first + half));
        moments.sort_unstable();
        moments.dedup();
        assert!(moments.len() > 500, "{} different moments", moments.len());
    }

    #[test]
    fn a_window_closes_as_long_after_the_scheduled_moment_as_it_says() {
        let plan = plan("0 0 * * *", 3_600);
        let due = plan.next(time("2025-06-04T12:00:00Z"), "a").expect("due");
        let closes = plan.closes(due, "a");
        assert_eq!(closes, Some(time("2025-06-05T01:00:00Z")));
    }

    #[test]
    fn the_distance_between_rotations_is_known() {
        let intervals = plan("0 0 1 * *", 0).intervals(time("2025-01-15T00:00:00Z"));
        let days = |days: u64| Duration::from_hours(days * 24);
        let want = Intervals {
            shortest: days(28),
            longest: days(31),
        };
        assert_eq!(intervals, Some(want));
        let intervals = |line: &str| {
            let intervals = plan(line, 0).intervals(time("2025-03-15T12:00:00Z"));
            let intervals = intervals.expect("it comes more than once");
            let minutes = |gap: Duration| gap.as_secs() / 60;
            (minutes(intervals.shortest), minutes(intervals.longest))
        };
        let (hour, day) = (60, 24 * 60);
        let week = 7 * day;
        assert_eq!(intervals("*/10 8-18 * * MON"), (10, week - 11 * hour + 10));
        assert_eq!(intervals("0 0 * 1-6 *"), (day, 185 * day));
        assert_eq!(intervals("* * * * *"), (1, 1));
        assert_eq!(intervals("30 3,15 * * *"), (12 * hour, 12 * hour));
        assert_eq!(intervals("0 3 * * SUN"), (week, week));
        assert_eq!(intervals("0 0 29 2 *").0, 4 * 365 * day + day);
        let every = Plan::Every(days(2));
        let now = time("2025-01-15T00:00:00Z");
        assert_eq!(
            every.intervals(now).map(|intervals| intervals.longest),
            Some(days(2))
        );
        assert_eq!(every.next(now, "a"), Some(time("2025-01-17T00:00:00Z")));
        assert_eq!(Plan::Manual.next(now, "a"), None);
    }
}
