//! Keeps the pace that Atlas allows: one token bucket per endpoint set and scope.
//!
//! Pure arithmetic over a monotonic time that is passed in; who waits, and how long at most, is the
//! client's business. Requests that must wait stand in a queue by priority, so that a revocation goes before
//! a new credential; the last tokens of a bucket are kept for revocations alone. What other clients
//! of the same organization take is learnt from the headers of Atlas's answers.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::bucket::{Admission, Bucket, Place, SendPosition};
use super::endpoints::BucketKey;
use super::rate_limit_feedback::RateLimitFeedback;

/// The most buckets remembered; beyond it those without requests are forgotten.
const MAX_BUCKETS: usize = 1_024;

/// What a request is for; earlier ones go first when tokens are short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Priority {
    /// Takes something away, by order or by the periodic run: what is to end ends on time even
    /// under load.
    Revoke,
    /// Keeps what is in use alive: the rotation of a secret, the renewal of a lease. However many
    /// new credentials are wanted, none of what there is may end for that. And what a person sets up:
    /// it may be the remedy.
    Rotate,
    /// Somebody waits for a new credential, or for what is needed before there can be one.
    Issue,
    /// Nothing suffers if it comes late: reconciliation, checks, inventory. Under full load it may
    /// not come at all.
    Background,
}

/// How one of Atlas's counters stands, as far as is known here.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Queue {
    /// Which calls it counts.
    pub calls: &'static str,
    /// The organization, project or client id whose calls it counts; empty for the credential.
    pub scope: String,
    /// Calls that could be sent at once.
    pub tokens: f64,
    /// How long Atlas still wants no call at all, after it refused one.
    pub blocked_for: Option<Duration>,
    /// The most of them.
    pub capacity: u32,
    /// Requests that wait for their turn.
    pub waiting: usize,
    /// Requests sent and not answered.
    pub in_flight: u32,
}

#[derive(Default)]
struct State {
    buckets: HashMap<BucketKey, Bucket>,
    next_number: u64,
}

/// All buckets of one client.
#[derive(Default)]
pub(super) struct Limiter {
    state: Mutex<State>,
}

impl Limiter {
    /// A request that wants to be sent. It takes part once it asks.
    pub(super) fn request(&self, key: BucketKey, priority: Priority) -> Ticket<'_> {
        let mut state = self.locked();
        let number = state.next_number;
        state.next_number = number.wrapping_add(1);
        Ticket {
            limiter: self,
            key,
            place: Place { priority, number },
            position: None,
        }
    }

    /// The counters that are not at rest.
    pub(super) fn queues(&self, now: Duration) -> Vec<Queue> {
        let mut state = self.locked();
        let mut queues: Vec<_> = state
            .buckets
            .iter_mut()
            .filter_map(|(key, bucket)| {
                bucket.refill(now);
                (!bucket.is_idle()).then(|| Queue {
                    calls: key.set.name(),
                    scope: key.scope.id().to_owned(),
                    tokens: bucket.tokens,
                    blocked_for: bucket.blocked_for(now),
                    capacity: bucket.rate.capacity,
                    waiting: bucket.waiting.len(),
                    in_flight: bucket.in_flight,
                })
            })
            .collect();
        queues.sort_unstable_by(|a, b| (a.calls, &a.scope).cmp(&(b.calls, &b.scope)));
        queues
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn bucket(&mut self, key: &BucketKey, now: Duration) -> &mut Bucket {
        if self.buckets.len() >= MAX_BUCKETS && !self.buckets.contains_key(key) {
            self.buckets.retain(|_, bucket| {
                bucket.refill(now);
                !bucket.is_idle()
            });
            if self.buckets.len() >= MAX_BUCKETS {
                self.buckets.retain(|_, bucket| bucket.is_in_use());
            }
        }
        self.buckets
            .entry(key.clone())
            .or_insert_with(|| Bucket::new(key, now))
    }
}

/// One request's stand at its bucket: dropped, it leaves the queue.
pub(super) struct Ticket<'a> {
    limiter: &'a Limiter,
    key: BucketKey,
    place: Place,
    /// Set while the request is under way.
    position: Option<SendPosition>,
}

impl Ticket<'_> {
    /// Asks for a token.
    pub(super) fn admit(&mut self, now: Duration) -> Admission {
        let mut state = self.limiter.locked();
        let bucket = state.bucket(&self.key, now);
        let admission = bucket.admit(self.place, now);
        if admission == Admission::Go {
            self.position = Some(bucket.position());
        }
        admission
    }

    /// Ends the request, of which Atlas never heard: its token is there for the next one.
    pub(super) fn give_back(mut self, now: Duration) {
        if self.position.take().is_some() {
            self.limiter.locked().bucket(&self.key, now).take_back(now);
        }
    }

    /// Ends the request, with what its answer told.
    pub(super) fn release(mut self, feedback: RateLimitFeedback, now: Duration) {
        let Some(position) = self.position.take() else {
            return;
        };
        self.limiter
            .locked()
            .bucket(&self.key, now)
            .update(position, feedback, now);
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if let Some(bucket) = self.limiter.locked().buckets.get_mut(&self.key) {
            bucket.waiting.remove(&self.place);
            if self.position.is_some() {
                bucket.in_flight = bucket.in_flight.saturating_sub(1);
            }
        }
    }
}

#[cfg(test)]
#[path = "limiter_tests.rs"]
mod tests;
