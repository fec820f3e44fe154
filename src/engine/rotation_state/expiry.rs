//! The end of a secret's life: whether people need to be warned of it, and at which distances.

use chrono::{DateTime, TimeDelta, Utc};

use crate::base::Rfc3339;

/// Distances from the end at which the log tells of it, with their names.
const WARNING_THRESHOLDS: [(TimeDelta, &str); 7] = [
    (TimeDelta::days(30), "30 days"),
    (TimeDelta::days(14), "14 days"),
    (TimeDelta::days(7), "7 days"),
    (TimeDelta::days(3), "3 days"),
    (TimeDelta::days(1), "a day"),
    (TimeDelta::hours(1), "an hour"),
    (TimeDelta::zero(), "no time"),
];

/// A rotation that was due longer ago than this is not relied on.
const GRACE: TimeDelta = TimeDelta::hours(1);

/// What is known of a secret's end and of the rotation that is to come before it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ExpiryStatus {
    /// When Atlas stops taking the secret, if known.
    pub(crate) expires_at: Option<DateTime<Utc>>,
    /// When it is rotated by itself, if it is.
    pub(crate) next_rotation: Option<DateTime<Utc>>,
    /// Whether rotations fail at present.
    pub(crate) failing: bool,
    /// Whether the last one did not start within its window.
    pub(crate) missed: bool,
    /// Whether the configuration holds deletions, and with them rotations.
    pub(crate) held: bool,
}

impl ExpiryStatus {
    /// The same, knowing whether rotations are held.
    pub(crate) fn with_held(&self, held: bool) -> Self {
        Self { held, ..*self }
    }

    /// Since when a rotation should have come that did not.
    fn overdue(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.next_rotation.filter(|next| *next <= now - GRACE)
    }

    /// The closest threshold passed; [`None`] while a rotation can be relied on, or the end is far.
    pub(crate) fn threshold(&self, now: DateTime<Utc>) -> Option<usize> {
        let expires_at = self.expires_at?;
        let in_time = self.next_rotation.is_some_and(|next| next < expires_at);
        let comes = in_time && !self.held && self.overdue(now).is_none();
        if comes && !self.failing && expires_at > now {
            return None;
        }
        let left = expires_at - now;
        WARNING_THRESHOLDS
            .iter()
            .rposition(|(distance, _)| left <= *distance)
    }

    /// The warning for whoever reads about `what`; `remedy` is what helps once it has expired.
    pub(crate) fn warning(&self, what: &str, remedy: &str, now: DateTime<Utc>) -> Option<String> {
        self.threshold(now)?;
        let expires_at = self.expires_at?;
        if expires_at <= now {
            return Some(format!(
                "{what} expired at {}: {remedy}",
                Rfc3339(expires_at)
            ));
        }
        let why = match self.overdue(now) {
            _ if self.held => " (rotations are on hold, see hold in status)".to_owned(),
            Some(since) => {
                format!(
                    " (its rotation is overdue since {}; see the server's log)",
                    Rfc3339(since)
                )
            }
            None => String::new(),
        };
        Some(format!(
            "{what} expires at {} and no automatic rotation is expected before that{why}: rotate it now; \
             once it has expired, it must be replaced manually",
            Rfc3339(expires_at)
        ))
    }
}

/// Logs `what` when another threshold was crossed; returns the one to remember.
pub(crate) fn warn_if_crossed(
    expiry: &ExpiryStatus,
    what: &str,
    warned: Option<usize>,
    now: DateTime<Utc>,
) -> Option<usize> {
    let threshold = expiry.threshold(now);
    if let (Some(threshold), Some(expires_at)) = (threshold, expiry.expires_at)
        && warned.is_none_or(|warned| warned < threshold)
    {
        let left = WARNING_THRESHOLDS
            .get(threshold)
            .map_or("", |(_, name)| *name);
        let (held, overdue_since) = (
            expiry.held,
            expiry
                .overdue(now)
                .map(Rfc3339)
                .map(tracing::field::display),
        );
        let has_expired = expires_at <= now;
        let expires_at = Rfc3339(expires_at);
        if has_expired {
            tracing::warn!(
                what, %expires_at, held, overdue_since,
                "client secret has expired and no rotation is expected"
            );
        } else {
            tracing::warn!(
                what, %expires_at, held, overdue_since,
                "client secret expires within {left} and no rotation is expected before that"
            );
        }
    }
    threshold
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expiry(left: TimeDelta, next: Option<TimeDelta>, failing: bool) -> ExpiryStatus {
        let now = DateTime::UNIX_EPOCH;
        ExpiryStatus {
            expires_at: Some(now + left),
            next_rotation: next.map(|next| now + next),
            failing,
            ..ExpiryStatus::default()
        }
    }

    #[test]
    fn a_rotation_to_rely_on_is_no_reason_to_warn() {
        let (now, hour) = (DateTime::UNIX_EPOCH, TimeDelta::hours(1));
        let fine = expiry(hour * 8, Some(hour), false);
        assert_eq!(fine.threshold(now), None);
        let failing = expiry(hour * 8, Some(hour), true);
        assert_eq!(failing.threshold(now), Some(4));
        let late = expiry(hour * 8, Some(hour * 9), false);
        assert_eq!(late.threshold(now), Some(4));
        assert_eq!(ExpiryStatus::default().threshold(now), None);
    }

    #[test]
    fn neither_a_held_nor_an_overdue_rotation_is_relied_on() {
        let (now, hour) = (DateTime::UNIX_EPOCH, TimeDelta::hours(1));
        let held = expiry(hour * 8, Some(hour), false).with_held(true);
        let told = held.warning("the secret", "mend it", now).expect("told");
        assert!(told.contains("hold in status"), "{told}");
        let late = expiry(hour * 8, Some(-hour), false);
        let told = late.warning("the secret", "mend it", now).expect("told");
        assert!(
            told.contains("overdue since 1969-12-31T23:00:00Z"),
            "{told}"
        );
        let a_little_late = expiry(hour * 8, Some(-hour / 2), false);
        assert_eq!(a_little_late.threshold(now), None);
    }

    #[test]
    fn thresholds_are_crossed_one_by_one() {
        let now = DateTime::UNIX_EPOCH;
        let threshold = |left: TimeDelta| expiry(left, None, false).threshold(now);
        assert_eq!(threshold(TimeDelta::days(31)), None);
        assert_eq!(threshold(TimeDelta::days(30)), Some(0));
        assert_eq!(threshold(TimeDelta::days(5)), Some(2));
        assert_eq!(threshold(TimeDelta::minutes(1)), Some(5));
        assert_eq!(threshold(TimeDelta::days(-1)), Some(6));
        let past = expiry(TimeDelta::days(-1), Some(TimeDelta::days(-2)), false);
        let told = past.warning("the secret", "mend it", now);
        let told = told.expect("a warning");
        assert!(
            told.contains("expired") && told.ends_with("mend it"),
            "{told}"
        );
    }

    #[test]
    fn each_threshold_is_warned_of_once() {
        let now = DateTime::UNIX_EPOCH;
        let soon = expiry(TimeDelta::days(5), None, false);
        assert_eq!(warn_if_crossed(&soon, "a", None, now), Some(2));
        assert_eq!(warn_if_crossed(&soon, "a", Some(2), now), Some(2));
    }
}
