//! Time as an argument, the forms in which Vault's users write durations, and Go's nanoseconds.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

/// Tells the time; a test sets it and turns it.
pub(crate) trait Clock: Send + Sync {
    /// The present moment by the wall clock, which people and time services set forward and back.
    /// For moments that are stored or that others tell.
    fn now(&self) -> DateTime<Utc>;

    /// Time since an arbitrary start of this process, which nobody can set. For elapsed time within
    /// one process: it means nothing to another one, so it is never stored.
    fn monotonic(&self) -> Duration;
}

/// The machine's clocks.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct SystemClock;

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that asks the machine"
    )]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn monotonic(&self) -> Duration {
        START.elapsed()
    }
}

/// A clock that stands still until it is turned.
#[cfg(any(test, fuzzing))]
pub(crate) struct TestClock(std::sync::Mutex<Turned>);

#[cfg(any(test, fuzzing))]
#[derive(Clone, Copy)]
struct Turned {
    wall: DateTime<Utc>,
    monotonic: Duration,
}

#[cfg(any(test, fuzzing))]
impl TestClock {
    /// Stands at the machine's present moment.
    pub(crate) fn new() -> Self {
        Self::at(SystemClock.now())
    }

    /// Stands at this moment.
    pub(crate) fn at(wall: DateTime<Utc>) -> Self {
        let monotonic = Duration::ZERO;
        Self(std::sync::Mutex::new(Turned { wall, monotonic }))
    }

    /// Time passes: both clocks go forward.
    pub(crate) fn advance(&self, by: Duration) {
        self.change(|turned| {
            turned.wall += by;
            turned.monotonic += by;
        });
    }

    /// Somebody sets the wall clock, forward or back; no time passes.
    pub(crate) fn jump(&self, by: chrono::TimeDelta) {
        self.change(|turned| turned.wall += by);
    }

    fn change<T>(&self, change: impl FnOnce(&mut Turned) -> T) -> T {
        let turned = self.0.lock();
        change(&mut turned.unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

#[cfg(any(test, fuzzing))]
impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        self.change(|turned| turned.wall)
    }

    fn monotonic(&self) -> Duration {
        self.change(|turned| turned.monotonic)
    }
}

/// Why a text is no duration. The text itself is not repeated: it may be a misplaced secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DurationError {
    /// Not one of the accepted forms.
    #[error("not a duration; give seconds, or a number with a unit such as 90s, 30m, 2h or 1d")]
    Form,
    /// Below zero.
    #[error("a duration cannot be negative")]
    Negative,
    /// More than 2^63 - 1 nanoseconds, about 292 years.
    #[error("the duration is too long")]
    Overflow,
}

const NANOS_PER_SECOND: i128 = 1_000_000_000;
const SECONDS_PER_DAY: i128 = 86_400;

/// Makes a duration of whole seconds, refusing what Go's 64-bit nanoseconds cannot hold.
pub(crate) fn whole_seconds(seconds: i128) -> Result<Duration, DurationError> {
    if seconds < 0 {
        return Err(DurationError::Negative);
    }
    if seconds.saturating_mul(NANOS_PER_SECOND) > i128::from(i64::MAX) {
        return Err(DurationError::Overflow);
    }
    u64::try_from(seconds)
        .map(Duration::from_secs)
        .map_err(|_| DurationError::Overflow)
}

/// Reads a duration as Vault's users write it, cut to whole seconds.
///
/// Accepted: nothing (zero), an integer (seconds), an integer with `d` (days), and Go's sequence of
/// decimal numbers with the units `ns us µs ms s m h`, such as `1h30m` or `1.5h`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    if text.is_empty() {
        return Ok(Duration::ZERO);
    }
    if let Some(seconds) = integer(text) {
        return whole_seconds(seconds);
    }
    if let Some(days) = text.strip_suffix('d').and_then(integer) {
        return whole_seconds(days.saturating_mul(SECONDS_PER_DAY));
    }
    whole_seconds(go_nanoseconds(text)? / NANOS_PER_SECOND)
}

fn integer(text: &str) -> Option<i128> {
    // Anything longer than 19 digits overflows anyway; the bound keeps i128 arithmetic exact.
    (text.len() <= 24)
        .then(|| text.parse::<i128>().ok())
        .flatten()
}

/// Go's `time.ParseDuration`, in nanoseconds.
fn go_nanoseconds(text: &str) -> Result<i128, DurationError> {
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest.is_empty() {
        return Err(DurationError::Form);
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let digits_end = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (whole, after) = rest.split_at(digits_end);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(tail) => {
                let end = tail
                    .find(|c: char| !c.is_ascii_digit())
                    .unwrap_or(tail.len());
                tail.split_at(end)
            }
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(DurationError::Form);
        }
        let unit_end = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, tail) = after.split_at(unit_end);
        total = total.saturating_add(component(whole, fraction, unit_nanoseconds(unit)?)?);
        if total > i128::from(i64::MAX) {
            return Err(DurationError::Overflow);
        }
        rest = tail;
    }
    Ok(if negative { -total } else { total })
}

fn unit_nanoseconds(unit: &str) -> Result<i128, DurationError> {
    Ok(match unit {
        "ns" => 1,
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => NANOS_PER_SECOND,
        "m" => 60 * NANOS_PER_SECOND,
        "h" => 3_600 * NANOS_PER_SECOND,
        _ => return Err(DurationError::Form),
    })
}

fn component(whole: &str, fraction: &str, unit: i128) -> Result<i128, DurationError> {
    let whole = if whole.is_empty() {
        0
    } else {
        integer(whole).ok_or(DurationError::Overflow)?
    };
    let mut nanoseconds = whole.saturating_mul(unit);
    let mut scale = unit;
    // Digits below a nanosecond are cut off, as Go does.
    for digit in fraction.bytes().take(19) {
        scale /= 10;
        nanoseconds = nanoseconds.saturating_add(i128::from(digit - b'0') * scale);
    }
    Ok(nanoseconds)
}

/// The nanoseconds Go would store; what does not fit is cut to the largest value.
#[must_use]
pub(crate) fn go_nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// A duration from Go's nanoseconds; a negative one counts as none.
#[must_use]
pub(crate) fn from_go_nanos(nanoseconds: i64) -> Duration {
    u64::try_from(nanoseconds).map_or(Duration::ZERO, Duration::from_nanos)
}

/// For `#[serde(with = "serde_go_nanos")]`: a duration stored as Go stores it.
pub(crate) mod serde_go_nanos {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes the integer of nanoseconds.
    pub(crate) fn serialize<S: Serializer>(
        value: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(super::go_nanos(*value))
    }

    /// Reads an integer of nanoseconds; `null` is zero.
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        Ok(super::from_go_nanos(
            Option::<i64>::deserialize(deserializer)?.unwrap_or_default(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(text: &str) -> Result<u64, DurationError> {
        parse_duration(text).map(|duration| duration.as_secs())
    }

    #[test]
    fn every_form_is_read() {
        for (text, want) in [
            ("", 0),
            ("90", 90),
            ("90s", 90),
            ("30m", 1_800),
            ("2h", 7_200),
            ("1d", 86_400),
            ("1h30m", 5_400),
            ("1.5h", 5_400),
            ("1500ms", 1),
            (".5m", 30),
            ("+5s", 5),
            ("1\u{b5}s", 0),
        ] {
            assert_eq!(seconds(text), Ok(want), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "x", "5 s", "1h2", "h", "-", "1dd", "1d1h", ".", "1.s2", "5S",
        ] {
            assert_eq!(seconds(text), Err(DurationError::Form), "{text}");
        }
        assert_eq!(seconds("-5"), Err(DurationError::Negative));
        assert_eq!(seconds("-5s"), Err(DurationError::Negative));
        assert_eq!(seconds("9223372037"), Err(DurationError::Overflow));
        assert_eq!(seconds("9999999h"), Err(DurationError::Overflow));
    }

    proptest! {
        #[test]
        fn any_text_is_answered_without_panic(text in "\\PC{0,40}") {
            let _ = parse_duration(&text);
        }

        #[test]
        fn numbers_and_units_in_any_order_are_answered(text in "[-+.0-9nuµmshd]{0,40}") {
            let _ = parse_duration(&text);
        }

        #[test]
        fn nanoseconds_come_back(seconds in 0_u64..9_000_000_000) {
            let duration = Duration::from_secs(seconds);
            prop_assert_eq!(from_go_nanos(go_nanos(duration)), duration);
        }
    }
}
