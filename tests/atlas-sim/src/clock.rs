//! The simulator's clock: the machine's time plus an offset that can only be turned forward.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

/// Every expiry, bucket, nonce and token is judged by this clock.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    offset_millis: AtomicI64,
}

impl Clock {
    /// The present moment, offset included.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that asks the machine"
    )]
    pub(crate) fn now(&self) -> DateTime<Utc> {
        let offset = TimeDelta::try_milliseconds(self.offset_millis.load(Ordering::Relaxed))
            .unwrap_or_default();
        let now = Utc::now();
        now.checked_add_signed(offset).unwrap_or(now)
    }

    /// Turns the clock forward; a century at most in all, so that no date overflows.
    pub(crate) fn advance(&self, millis: u64) {
        const CENTURY_MILLIS: i64 = 100 * 365 * 86_400 * 1_000;
        let by = i64::try_from(millis).unwrap_or(CENTURY_MILLIS);
        let offset = self.offset_millis.load(Ordering::Relaxed);
        let turned = offset.saturating_add(by).min(CENTURY_MILLIS);
        self.offset_millis.store(turned, Ordering::Relaxed);
    }

    /// How far the clock is ahead of the machine's.
    pub(crate) fn offset_millis(&self) -> i64 {
        self.offset_millis.load(Ordering::Relaxed)
    }

    /// Back to the machine's time.
    pub(crate) fn reset(&self) {
        self.offset_millis.store(0, Ordering::Relaxed);
    }
}

/// A moment as Atlas writes it: UTC, whole seconds, `Z`.
pub(crate) fn text(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// `moment` plus seconds; stays at `moment` should that overflow.
pub(crate) fn after(moment: DateTime<Utc>, seconds: u64) -> DateTime<Utc> {
    i64::try_from(seconds)
        .ok()
        .and_then(TimeDelta::try_seconds)
        .and_then(|delta| moment.checked_add_signed(delta))
        .unwrap_or(moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_turns_forward_and_back_to_real_time() {
        let clock = Clock::default();
        let before = clock.now();
        clock.advance(3_600_000);
        assert!(clock.now() >= after(before, 3_600));
        clock.advance(u64::MAX);
        assert!(clock.offset_millis() > 0);
        clock.reset();
        assert_eq!(clock.offset_millis(), 0);
    }
}
