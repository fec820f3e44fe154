//! Whether Atlas answers, and what last became of each kind of call: in memory, since the process began.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::base::chain;

use super::error::{AtlasError, TransportFault};

/// How often calls came to what, since the process began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct OutcomeCounts {
    success: u64,
    refused: u64,
    rate_limited: u64,
    no_answer: u64,
    fault: u64,
}

impl OutcomeCounts {
    /// Each with its name.
    pub(crate) fn named(&self) -> [(&'static str, u64); 5] {
        [
            ("success", self.success),
            ("refused", self.refused),
            ("rate_limited", self.rate_limited),
            ("no_answer", self.no_answer),
            ("fault", self.fault),
        ]
    }

    fn count(&mut self, error: Option<&AtlasError>) {
        let count = match error {
            None => &mut self.success,
            Some(AtlasError::Refused { .. } | AtlasError::Unauthenticated { .. }) => {
                &mut self.refused
            }
            Some(AtlasError::RateLimited { .. }) => &mut self.rate_limited,
            Some(AtlasError::NoAnswer { .. }) => &mut self.no_answer,
            Some(
                AtlasError::ServerFault { .. }
                | AtlasError::UnexpectedAnswer { .. }
                | AtlasError::MalformedAnswer { .. },
            ) => &mut self.fault,
        };
        *count += 1;
    }

    fn add(&mut self, other: Self) {
        self.success += other.success;
        self.refused += other.refused;
        self.rate_limited += other.rate_limited;
        self.no_answer += other.no_answer;
        self.fault += other.fault;
    }
}

/// What waited for Atlas's rate limits, since the process began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LimiterWaits {
    /// Requests that waited.
    pub waits: u64,
    /// How long they waited together.
    pub waited: Duration,
    /// Requests that were given up, as nobody would have waited so long.
    pub refused: u64,
}

/// What last became of the calls of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CallOutcome {
    /// When Atlas last did what was asked.
    pub last_success: Option<DateTime<Utc>>,
    /// When one last failed, and why. Never a secret.
    pub last_error: Option<(DateTime<Utc>, String)>,
    /// How often they came to what.
    pub counts: OutcomeCounts,
}

/// Whether Atlas answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reached {
    /// The last answer of any kind that was not a failure on Atlas's side.
    pub last_answer: Option<DateTime<Utc>>,
    /// The first failure since then; [`None`]: Atlas answers, or was never asked.
    pub unreachable_since: Option<DateTime<Utc>>,
    /// By the API's names of the operations, of which there are few.
    pub calls: BTreeMap<&'static str, CallOutcome>,
    /// What waited to be sent.
    pub limiter: LimiterWaits,
}

impl Reached {
    /// Whether Atlas answered when it was last asked; [`None`]: it was not asked yet.
    #[must_use]
    pub(crate) fn reachable(&self) -> Option<bool> {
        let asked = self.last_answer.is_some() || self.unreachable_since.is_some();
        asked.then_some(self.unreachable_since.is_none())
    }
}

/// The record of the calls of one mount, whichever client sends them.
#[derive(Debug, Default)]
pub(crate) struct Reachability(Mutex<Reached>);

impl Reachability {
    /// How it stands.
    #[must_use]
    pub(crate) fn state(&self) -> Reached {
        self.locked().clone()
    }

    /// Takes over what another record knows; what that saw came later.
    pub(crate) fn absorb(&self, other: &Self) {
        let other = other.state();
        let mut state = self.locked();
        if other.last_answer.is_some() || other.unreachable_since.is_some() {
            state.last_answer = other.last_answer.or(state.last_answer);
            state.unreachable_since = other.unreachable_since;
        }
        for (operation, outcome) in other.calls {
            let known = state.calls.entry(operation).or_default();
            known.last_success = outcome.last_success.or(known.last_success);
            known.last_error = outcome.last_error.or_else(|| known.last_error.take());
            known.counts.add(outcome.counts);
        }
        state.limiter.waits += other.limiter.waits;
        state.limiter.waited += other.limiter.waited;
        state.limiter.refused += other.limiter.refused;
    }

    /// Notes that a request waited for Atlas's rate limits.
    pub(super) fn note_wait(&self, waited: Duration) {
        let mut state = self.locked();
        state.limiter.waits += 1;
        state.limiter.waited += waited;
    }

    /// Notes that a request was not sent, as it would have waited for too long.
    pub(super) fn note_no_room(&self) {
        self.locked().limiter.refused += 1;
    }

    /// Notes what became of a call.
    pub(super) fn note(
        &self,
        operation: &'static str,
        error: Option<&AtlasError>,
        now: DateTime<Utc>,
    ) {
        let says = error.map_or(Says::Answers, Says::of);
        let mut state = self.locked();
        match says {
            Says::Answers => {
                state.last_answer = Some(now);
                state.unreachable_since = None;
            }
            Says::Unreachable => {
                state.unreachable_since.get_or_insert(now);
            }
            // Nothing was sent, so nothing is known.
            Says::Nothing => return,
        }
        let outcome = state.calls.entry(operation).or_default();
        // Where no token could be had, that request counts, and this one was not sent.
        if error.is_none_or(|error| error.operation() == operation) {
            outcome.counts.count(error);
        }
        match error {
            None => outcome.last_success = Some(now),
            Some(error) => outcome.last_error = Some((now, chain(error))),
        }
    }

    fn locked(&self) -> MutexGuard<'_, Reached> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the end of a call says of whether Atlas can be reached.
enum Says {
    Answers,
    Unreachable,
    Nothing,
}

impl Says {
    fn of(error: &AtlasError) -> Self {
        match error {
            AtlasError::Refused { .. }
            | AtlasError::Unauthenticated { .. }
            | AtlasError::RateLimited { answered: true, .. } => Self::Answers,
            AtlasError::NoAnswer {
                source: TransportFault::NoTimeLeft | TransportFault::GivenUp,
                ..
            }
            // Told by the limiter here, without a request.
            | AtlasError::RateLimited { .. } => Self::Nothing,
            AtlasError::NoAnswer { .. }
            | AtlasError::ServerFault { .. }
            | AtlasError::UnexpectedAnswer { .. }
            | AtlasError::MalformedAnswer { .. } => Self::Unreachable,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + chrono::TimeDelta::seconds(second)
    }

    fn silent() -> AtlasError {
        AtlasError::NoAnswer {
            operation: "listOrgs",
            attempts: 1,
            source: TransportFault::Timeout {
                after: Duration::from_secs(30),
            },
        }
    }

    fn refused() -> AtlasError {
        AtlasError::Refused {
            operation: "listOrgs",
            status: 403,
            code: "ACCESS_FORBIDDEN".to_owned(),
            detail: String::new(),
        }
    }

    #[test]
    fn atlas_is_unreachable_since_its_first_silence_and_until_its_first_answer() {
        let record = Reachability::default();
        record.note("listOrgs", None, at(1));
        record.note("listOrgs", Some(&silent()), at(2));
        record.note("getGroup", Some(&silent()), at(3));
        let state = record.state();
        assert_eq!(state.unreachable_since, Some(at(2)));
        assert_eq!(state.last_answer, Some(at(1)));
        record.note("listOrgs", Some(&refused()), at(4));
        let state = record.state();
        assert_eq!(state.unreachable_since, None, "a refusal is an answer");
        assert_eq!(state.calls["listOrgs"].last_success, Some(at(1)));
        let error = state.calls["listOrgs"].last_error.clone();
        assert!(error.is_some_and(|(when, text)| when == at(4) && text.contains("FORBIDDEN")));
    }

    fn limited(answered: bool) -> AtlasError {
        AtlasError::RateLimited {
            operation: "listOrgs",
            retry_after: Duration::from_secs(1),
            answered,
        }
    }

    #[test]
    fn what_was_not_sent_says_nothing() {
        let record = Reachability::default();
        record.note("listOrgs", Some(&limited(false)), at(1));
        assert_eq!(record.state(), Reached::default());
    }

    #[test]
    fn outcomes_are_told_apart_and_what_waited_for_a_token_was_not_sent() {
        let record = Reachability::default();
        let no_token = AtlasError::Unauthenticated {
            operation: "generateServiceAccountToken",
            code: String::new(),
            detail: String::new(),
        };
        record.note("listOrgs", Some(&no_token), at(1));
        let fault = AtlasError::ServerFault {
            operation: "listOrgs",
            status: 503,
            code: String::new(),
            detail: String::new(),
            attempts: 1,
        };
        for error in [&fault, &silent(), &refused(), &limited(true)] {
            record.note("listOrgs", Some(error), at(2));
        }
        record.note("listOrgs", None, at(3));
        let outcome = record.state().calls["listOrgs"].clone();
        let counts = outcome.counts.named().map(|(_, count)| count);
        assert_eq!(counts, [1; 5], "{outcome:?}");
    }

    #[test]
    fn that_atlas_limits_requests_is_an_answer() {
        let record = Reachability::default();
        record.note("getGroup", Some(&silent()), at(1));
        record.note("listOrgs", Some(&limited(true)), at(2));
        let state = record.state();
        assert_eq!(state.reachable(), Some(true));
        assert_eq!(state.last_answer, Some(at(2)));
        let error = state.calls["listOrgs"].last_error.clone();
        assert!(error.is_some_and(|(when, text)| when == at(2) && text.contains("rate limit")));
    }

    #[test]
    fn the_record_of_a_client_that_is_taken_into_use_continues_in_the_mounts() {
        let (mount, client) = (Reachability::default(), Reachability::default());
        mount.note("listOrgs", Some(&silent()), at(1));
        client.note("getGroup", None, at(2));
        mount.absorb(&client);
        let state = mount.state();
        assert_eq!(state.unreachable_since, None);
        assert_eq!(state.calls.len(), 2);
        mount.absorb(&Reachability::default());
        assert_eq!(mount.state(), state);
    }
}
