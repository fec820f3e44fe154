//! One of Atlas's counters, as far as it is known here: tokens, who waits for them, what is under way.
//!
//! Pure arithmetic over a monotonic time that is passed in: nobody sets that forward or back. Which
//! buckets there are is `limiter.rs`'s business.

use std::collections::BTreeSet;
use std::time::Duration;

use super::endpoints::{BucketKey, Rate};
use super::limiter::Priority;
use super::rate_limit_feedback::RateLimitFeedback;
use super::retry::MAX_WAIT;

/// The most requests that wait for one bucket before one more that somebody waits for, or that
/// nothing suffers without. What ends a credential or keeps one in use always has a place.
pub(super) const MAX_WAITING: usize = 1_024;

/// No more is kept for revocations than flows in within so many seconds. A capacity that Atlas
/// raised says nothing of how fast the bucket fills.
const REVOCATIONS_SECONDS: f64 = 2.0;
/// The same for what background work leaves to all others.
const OTHERS_SECONDS: f64 = 20.0;

/// Whether a request may be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// It may; a token is taken for it.
    Go,
    /// Ask again after this long.
    Wait(Duration),
    /// Too many wait already; a place may be free after this long.
    Full(Duration),
}

/// A place in the queue of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) priority: Priority,
    pub(super) number: u64,
}

/// Where a request stands among those sent to its bucket.
#[derive(Debug, Clone, Copy)]
pub(super) struct SendPosition {
    /// How many had been sent, itself included.
    number: u64,
    /// So many others were under way when it was sent.
    beside: u32,
}

#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) rate: Rate,
    pub(super) tokens: f64,
    counted_at: Duration,
    /// Requests sent whose answer has not come: Atlas may not have counted them yet.
    pub(super) in_flight: u32,
    /// Requests sent ever.
    sent: u64,
    /// How many had been sent when Atlas last refused one: what their answers say of tokens left is
    /// older than that refusal.
    sent_before_refusal: u64,
    /// A refusal of Atlas's keeps everybody away until then. That is a time and no debt in tokens:
    /// how fast they flow in is only guessed where Atlas has not told.
    blocked_until: Option<Duration>,
    /// Nothing was sent since that time was over: one request goes whatever is kept back, and its
    /// answer tells how many tokens there are.
    probes: bool,
    pub(super) waiting: BTreeSet<Place>,
    keeps_reserve: bool,
}

impl Bucket {
    pub(super) fn new(key: &BucketKey, now: Duration) -> Self {
        let rate = key.documented_rate();
        Self {
            rate,
            tokens: f64::from(rate.capacity),
            counted_at: now,
            in_flight: 0,
            sent: 0,
            sent_before_refusal: 0,
            blocked_until: None,
            probes: false,
            waiting: BTreeSet::new(),
            keeps_reserve: key.serves_revocations(),
        }
    }

    fn per_second(&self) -> f64 {
        f64::from(self.rate.refill.max(1)) / f64::from(self.rate.seconds.max(1))
    }

    /// Adds what has flowed in since the last look.
    pub(super) fn refill(&mut self, now: Duration) {
        if let Some(until) = self.blocked_until {
            if now < until {
                return;
            }
            self.blocked_until = None;
            self.counted_at = until;
        }
        let elapsed = now.saturating_sub(self.counted_at);
        let tokens = self.tokens + elapsed.as_secs_f64() * self.per_second();
        self.tokens = tokens.min(f64::from(self.rate.capacity));
        self.counted_at = now;
    }

    /// How long Atlas still wants nobody to come.
    pub(super) fn blocked_for(&self, now: Duration) -> Option<Duration> {
        self.blocked_until?.checked_sub(now)
    }

    /// Tokens that must be left after a request of this priority: a hundredth of the bucket is for
    /// revocations alone, a tenth is not for background work.
    fn reserve(&self, priority: Priority) -> f64 {
        let capacity = f64::from(self.rate.capacity);
        let share = |part: f64, seconds: f64| {
            let tokens = (capacity / part).max(1.0).min(capacity / 2.0);
            tokens.min(self.per_second() * seconds)
        };
        match priority {
            Priority::Rotate | Priority::Issue if self.keeps_reserve => {
                share(100.0, REVOCATIONS_SECONDS)
            }
            Priority::Background => share(10.0, OTHERS_SECONDS),
            Priority::Revoke | Priority::Rotate | Priority::Issue => 0.0,
        }
    }

    /// The stand of the request that was let go last.
    pub(super) fn position(&self) -> SendPosition {
        SendPosition {
            number: self.sent,
            beside: self.in_flight.saturating_sub(1),
        }
    }

    /// Takes a token for the request in this place, if it comes first; else it waits in the queue.
    pub(super) fn admit(&mut self, place: Place, now: Duration) -> Admission {
        self.refill(now);
        let ahead = self.waiting.range(..place).count();
        let kept = if self.probes && ahead == 0 {
            0.0
        } else {
            self.reserve(place.priority)
        };
        let ahead = f64::from(u32::try_from(ahead).unwrap_or(u32::MAX));
        let needed = 1.0 + ahead + kept;
        if self.blocked_until.is_none() && self.tokens >= needed {
            self.waiting.remove(&place);
            self.tokens -= 1.0;
            self.probes = false;
            self.in_flight = self.in_flight.saturating_add(1);
            self.sent = self.sent.saturating_add(1);
            return Admission::Go;
        }
        let missing = (needed - self.tokens).max(0.0) / self.per_second();
        let wait = self.blocked_for(now).unwrap_or_default();
        let wait = wait.saturating_add(seconds(missing)).min(MAX_WAIT);
        if self.waiting.contains(&place) || self.has_room(place.priority) {
            self.waiting.insert(place);
            Admission::Wait(wait)
        } else {
            Admission::Full(wait)
        }
    }

    /// Whether one more may wait. Those that come after it do not keep it out.
    fn has_room(&self, priority: Priority) -> bool {
        let not_after = Place {
            priority,
            number: u64::MAX,
        };
        match priority {
            Priority::Revoke | Priority::Rotate => true,
            Priority::Issue | Priority::Background => {
                self.waiting.range(..=not_after).count() < MAX_WAITING
            }
        }
    }

    /// A request that went was never sent.
    pub(super) fn take_back(&mut self, now: Duration) {
        self.refill(now);
        self.in_flight = self.in_flight.saturating_sub(1);
        self.tokens = (self.tokens + 1.0).min(f64::from(self.rate.capacity));
    }

    /// A request was answered, or will not be: `feedback` is what the answer told.
    pub(super) fn update(
        &mut self,
        position: SendPosition,
        feedback: RateLimitFeedback,
        now: Duration,
    ) {
        self.refill(now);
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some(rate) = feedback.rate {
            self.rate = rate;
        }
        if let Some(limit) = feedback.limit.filter(|limit| *limit > 0) {
            self.rate.capacity = limit;
        }
        if let Some(remaining) = feedback.remaining {
            self.correct(position, remaining);
        }
        if let Some(wait) = feedback.wait {
            self.block(wait, now);
        }
        self.tokens = self.tokens.min(f64::from(self.rate.capacity));
    }

    /// Keeps everybody away as long as a refusal asks. Then one token is there, as Atlas says; how
    /// many more is not known.
    fn block(&mut self, wait: Duration, now: Duration) {
        let until = now.saturating_add(wait.min(MAX_WAIT));
        self.blocked_until = Some(self.blocked_until.map_or(until, |other| other.max(until)));
        self.tokens = 1.0;
        self.probes = true;
        self.sent_before_refusal = self.sent;
    }

    /// Brings the count in line with what Atlas had left when it answered.
    ///
    /// Answers overtake each other, so that is no more than two bounds: Atlas has not more than it
    /// said, and not less than it said without all that was under way beside this request. What was
    /// sent before the last refusal says nothing any more.
    fn correct(&mut self, position: SendPosition, remaining: u32) {
        if position.number <= self.sent_before_refusal {
            return;
        }
        let remaining = f64::from(remaining);
        let later = u32::try_from(self.sent.saturating_sub(position.number)).unwrap_or(u32::MAX);
        let beside = f64::from(later) + f64::from(position.beside);
        self.tokens = self.tokens.max(remaining - beside).min(remaining);
    }

    pub(super) fn is_in_use(&self) -> bool {
        self.in_flight > 0 || !self.waiting.is_empty()
    }

    pub(super) fn is_idle(&self) -> bool {
        !self.is_in_use()
            && self.blocked_until.is_none()
            && self.tokens >= f64::from(self.rate.capacity)
    }
}

fn seconds(seconds: f64) -> Duration {
    // Rounded up to a millisecond: a token that is short by a hair would be asked for in a circle.
    let rounded = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    rounded.saturating_add(Duration::from_millis(1))
}
