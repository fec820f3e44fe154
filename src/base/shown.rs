//! Times and durations as people are shown them, in answers, errors and log lines.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};

/// A time in RFC 3339 with whole seconds, the precision that Atlas and Vault's leases have.
///
/// Only for what is shown: what is stored keeps its precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rfc3339(pub DateTime<Utc>);

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_rfc3339_opts(SecondsFormat::Secs, true))
    }
}

impl Serialize for Rfc3339 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The error and its causes in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    std::iter::successors(error.source(), |&cause| cause.source())
        .fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// A duration of whole seconds as Vault's core shows one: `768h`, `1h30m`, `20m`, `1m5s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Short(pub Duration);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        match (hours, minutes, seconds) {
            (0, 0, seconds) => write!(f, "{seconds}s"),
            (0, minutes, 0) => write!(f, "{minutes}m"),
            (0, minutes, seconds) => write!(f, "{minutes}m{seconds}s"),
            (hours, 0, 0) => write!(f, "{hours}h"),
            (hours, minutes, 0) => write!(f, "{hours}h{minutes}m"),
            (hours, minutes, seconds) => write!(f, "{hours}h{minutes}m{seconds}s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_without_parts_of_a_second() {
        let time: DateTime<Utc> = "2026-08-10T03:02:57.123456789Z".parse().expect("a time");
        assert_eq!(Rfc3339(time).to_string(), "2026-08-10T03:02:57Z");
        let json = serde_json::json!({ "at": Some(Rfc3339(time)), "none": None::<Rfc3339> });
        assert_eq!(json["at"], "2026-08-10T03:02:57Z");
        assert!(json["none"].is_null());
    }

    #[test]
    fn durations_are_shown_without_empty_units() {
        for (seconds, shown) in [
            (0, "0s"),
            (17, "17s"),
            (65, "1m5s"),
            (1_200, "20m"),
            (3_600, "1h"),
            (3_605, "1h0m5s"),
            (5_400, "1h30m"),
            (2_764_800, "768h"),
        ] {
            assert_eq!(Short(Duration::from_secs(seconds)).to_string(), shown);
        }
    }
}
