//! One of Atlas's counters, as far as it is known here: tokens, who waits for them, what is under way.
//!
//! Pure arithmetic over a monotonic time that is passed in: nobody sets that forward or back. Which buckets there are is `limiter.rs`'s business.

use std::collections::BTreeSet;
use std::time::Duration;

use super::endpoints::{BucketKey, Rate};
use super::lesson::Lesson;
use super::limiter::Priority;

/// The most requests of one priority and those before it that wait for one bucket.
pub(super) const MAX_WAITING: usize = 512;
/// The longest debt a bucket can be put in, in seconds.
const MAX_DEBT_SECONDS: f64 = 3_600.0;

/// Whether a request may be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
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
pub(super) struct Mark {
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
    /// How many had been sent when Atlas last refused one: what their answers say of tokens left
    /// is older news than that refusal.
    sent_before_refusal: u64,
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
            waiting: BTreeSet::new(),
            keeps_reserve: key.serves_revocations(),
        }
    }

    fn per_second(&self) -> f64 {
        f64::from(self.rate.refill.max(1)) / f64::from(self.rate.seconds.max(1))
    }

    /// Adds what has flowed in since the last look.
    pub(super) fn refill(&mut self, now: Duration) {
        let elapsed = now.saturating_sub(self.counted_at);
        let tokens = self.tokens + elapsed.as_secs_f64() * self.per_second();
        self.tokens = tokens.min(f64::from(self.rate.capacity));
        self.counted_at = now;
    }

    /// Tokens that must be left after a request of this priority: a hundredth of the bucket is for
    /// revocations alone, a tenth is not for background work.
    fn reserve(&self, priority: Priority) -> f64 {
        let capacity = f64::from(self.rate.capacity);
        let share = |part: f64| (capacity / part).max(1.0).min(capacity / 2.0);
        match priority {
            Priority::Issue if self.keeps_reserve => share(100.0),
            Priority::Background => share(10.0),
            Priority::Revoke | Priority::Issue => 0.0,
        }
    }

    /// The stand of the request that was let go last.
    pub(super) fn mark(&self) -> Mark {
        Mark {
            number: self.sent,
            beside: self.in_flight.saturating_sub(1),
        }
    }

    /// Takes a token for the request in this place, if it is its turn; else it waits in the queue.
    pub(super) fn ask(&mut self, place: Place, now: Duration) -> Turn {
        self.refill(now);
        let ahead = self.waiting.range(..place).count();
        let ahead = f64::from(u32::try_from(ahead).unwrap_or(u32::MAX));
        let needed = 1.0 + ahead + self.reserve(place.priority);
        if self.tokens >= needed {
            self.waiting.remove(&place);
            self.tokens -= 1.0;
            self.in_flight = self.in_flight.saturating_add(1);
            self.sent = self.sent.saturating_add(1);
            return Turn::Go;
        }
        let wait = seconds((needed - self.tokens) / self.per_second());
        if self.waiting.contains(&place) || self.has_room(place.priority) {
            self.waiting.insert(place);
            Turn::Wait(wait)
        } else {
            Turn::Full(wait)
        }
    }

    /// Whether one more may wait. Those that come after it do not keep it out: so at most as many
    /// again wait as there are.
    fn has_room(&self, priority: Priority) -> bool {
        let not_after = Place {
            priority,
            number: u64::MAX,
        };
        self.waiting.range(..=not_after).count() < MAX_WAITING
    }

    /// A request that went was never sent.
    pub(super) fn take_back(&mut self, now: Duration) {
        self.refill(now);
        self.in_flight = self.in_flight.saturating_sub(1);
        self.tokens = (self.tokens + 1.0).min(f64::from(self.rate.capacity));
    }

    /// A request was answered, or will not be: `lesson` is what the answer told.
    pub(super) fn learn(&mut self, mark: Mark, lesson: Lesson, now: Duration) {
        self.refill(now);
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some(rate) = lesson.rate {
            self.rate = rate;
        }
        if let Some(limit) = lesson.limit.filter(|limit| *limit > 0) {
            self.rate.capacity = limit;
        }
        if let Some(remaining) = lesson.remaining {
            self.correct(mark, remaining);
        }
        if let Some(wait) = lesson.wait {
            // The next token is there when the wait is over.
            let debt = wait.as_secs_f64().min(MAX_DEBT_SECONDS) * self.per_second();
            self.tokens = self.tokens.min(1.0 - debt);
            self.sent_before_refusal = self.sent;
        }
        self.tokens = self.tokens.min(f64::from(self.rate.capacity));
    }

    /// Brings the count in line with what Atlas had left when it answered.
    ///
    /// Answers overtake each other, so that is no more than two bounds: Atlas has not more than it
    /// said, and not less than it said without all that was under way beside this request.
    fn correct(&mut self, mark: Mark, remaining: u32) {
        let remaining = f64::from(remaining);
        if mark.number > self.sent_before_refusal {
            let later = u32::try_from(self.sent.saturating_sub(mark.number)).unwrap_or(u32::MAX);
            let beside = f64::from(later) + f64::from(mark.beside);
            self.tokens = self.tokens.max(remaining - beside);
        }
        self.tokens = self.tokens.min(remaining);
    }

    pub(super) fn is_in_use(&self) -> bool {
        self.in_flight > 0 || !self.waiting.is_empty()
    }

    pub(super) fn is_idle(&self) -> bool {
        !self.is_in_use() && self.tokens >= f64::from(self.rate.capacity)
    }
}

fn seconds(seconds: f64) -> Duration {
    // Rounded up to a millisecond: a token that is short by a hair would be asked for in a circle.
    let rounded = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    rounded.saturating_add(Duration::from_millis(1))
}
