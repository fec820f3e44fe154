//! The client and its one way to send a call: pace, exchange, judgement, retry.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use http::header::HeaderMap;
use http::{HeaderValue, Method, StatusCode};
use serde::de::DeserializeOwned;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::base::{Clock, Entropy};

use super::atlas_time::{AtlasTime, LastDate};
use super::bucket::Admission;
use super::call::{Call, Manner, RequestBudget};
use super::connections::Transports;
use super::error::{AnswerFault, AtlasError, TransportFault};
use super::lag::LOOK_AGAIN_AFTER;
use super::limiter::{Limiter, Queue, Ticket};
use super::origin::Origin;
use super::rate_limit_feedback::RateLimitFeedback;
use super::reachability::Reachability;
use super::retry::{self, Failure, Tries};
use super::settings::{Credential, Settings, SettingsError};
use super::sign_in::SignIn;
use super::token_cache::TokenCache;
use super::transport::{Answer, Transport};

/// Up to this size an answer is parsed at once, in a millisecond or two.
const LARGE_BYTES: usize = 256 * 1_024;

/// So long what Atlas told of its clock says what that shows now.
const TOLD_LATELY: Duration = Duration::from_hours(1);

const MAX_POLL_INTERVAL: Duration = Duration::from_secs(1);

/// A client of the Atlas Administration API with one credential.
///
/// Clones share connections, sign-in state and the count of requests. Every call takes a
/// [`RequestBudget`]; none waits beyond it.
#[derive(Clone)]
pub(crate) struct Atlas {
    inner: Arc<Inner>,
    /// Cancelled once nothing has time to wait any more.
    closing: CancellationToken,
    /// Cancelled once nobody wants what this clone is asked for.
    gone: CancellationToken,
    /// The time between two looks which together prove that something is gone.
    look_again_after: Duration,
    /// Where is noted what becomes of calls.
    reachability: Arc<Reachability>,
}

struct Inner {
    transport: Arc<Transport>,
    media_type: HeaderValue,
    sign_in: SignIn,
    limiter: Arc<Limiter>,
    last_date: Arc<LastDate>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    sunset_told: AtomicBool,
    /// Whether Atlas took the credential in some request.
    accepted: AtomicBool,
}

/// What an attempt came to that was no success.
#[derive(Debug)]
pub(super) enum Tried {
    /// Another may follow.
    Again(AtlasError),
    /// No other follows: it is of no use, or there is no time for it.
    Last(AtlasError),
}

impl Atlas {
    /// Makes a client; nothing is sent yet. It shares connections with the others of `transports` that
    /// reach Atlas in the same way, and nothing else.
    pub(crate) fn new(
        settings: &Settings,
        credential: Credential,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        transports: &Transports,
    ) -> Result<Self, SettingsError> {
        settings.check()?;
        credential.check()?;
        let media_type = HeaderValue::try_from(settings.api_version.media_type())
            .map_err(|_| SettingsError::ApiVersion)?;
        let sign_in = SignIn::new(credential, &clock, &entropy);
        let inner = Inner {
            transport: Arc::new(Transport::new(settings, transports)?),
            media_type,
            sign_in,
            limiter: Arc::default(),
            last_date: Arc::default(),
            clock,
            entropy,
            sunset_told: AtomicBool::new(false),
            accepted: AtomicBool::new(false),
        };
        Ok(Self {
            inner: Arc::new(inner),
            closing: CancellationToken::new(),
            gone: CancellationToken::new(),
            look_again_after: LOOK_AGAIN_AFTER,
            reachability: Arc::default(),
        })
    }

    /// A client with another credential that shares this one's connections and count of requests:
    /// Atlas counts most calls by organization and project, not by who sends them.
    pub(crate) fn signed_in_as(&self, credential: Credential) -> Result<Self, SettingsError> {
        credential.check()?;
        let Inner {
            transport,
            media_type,
            limiter,
            last_date,
            clock,
            entropy,
            ..
        } = &*self.inner;
        let inner = Inner {
            transport: Arc::clone(transport),
            media_type: media_type.clone(),
            sign_in: SignIn::new(credential, clock, entropy),
            limiter: Arc::clone(limiter),
            last_date: Arc::clone(last_date),
            clock: Arc::clone(clock),
            entropy: Arc::clone(entropy),
            sunset_told: AtomicBool::new(true),
            accepted: AtomicBool::new(false),
        };
        Ok(Self {
            inner: Arc::new(inner),
            ..self.clone()
        })
    }

    /// The same client, in which no call waits any more to be sent, or to be sent again, once
    /// `closing` is cancelled. What can be sent at once still is.
    #[must_use]
    pub(crate) fn closing_with(self, closing: CancellationToken) -> Self {
        Self { closing, ..self }
    }

    /// The same client for one who may go away: once `gone` is cancelled nothing more is sent. What
    /// was sent is waited for.
    #[must_use]
    pub(crate) fn until(&self, gone: &CancellationToken) -> Self {
        Self {
            gone: gone.clone(),
            ..self.clone()
        }
    }

    /// Where everything goes that this client sends.
    #[must_use]
    pub(crate) fn origin(&self) -> &Origin {
        self.inner.transport.origin()
    }

    /// The same client with another time between two looks that together prove something gone.
    #[must_use]
    pub(crate) fn looking_again_after(self, look_again_after: Duration) -> Self {
        Self {
            look_again_after,
            ..self
        }
    }

    pub(super) fn look_again_after(&self) -> Duration {
        self.look_again_after
    }

    /// The same client, which notes what becomes of its calls in this record.
    #[must_use]
    pub(crate) fn reporting_to(self, reachability: Arc<Reachability>) -> Self {
        Self {
            reachability,
            ..self
        }
    }

    /// The record of what became of the client's calls.
    #[must_use]
    pub(crate) fn reachability(&self) -> &Arc<Reachability> {
        &self.reachability
    }

    /// The cache of the client's own access token, if it signs in with one.
    pub(super) fn token_cache(&self) -> Option<&TokenCache> {
        match &self.inner.sign_in {
            SignIn::Bearer(cache) => Some(cache),
            SignIn::Digest(_) => None,
        }
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.inner.clock
    }

    pub(super) fn transport(&self) -> &Transport {
        &self.inner.transport
    }

    pub(super) fn sign_in(&self) -> &SignIn {
        &self.inner.sign_in
    }

    /// The media type of the API's version in use.
    pub(super) fn media_type(&self) -> &HeaderValue {
        &self.inner.media_type
    }

    /// Whether Atlas has accepted this client's credential in any request so far.
    #[must_use]
    pub(crate) fn was_accepted(&self) -> bool {
        self.inner.accepted.load(Ordering::Relaxed)
    }

    /// How Atlas's counters of requests stand, those that are not at rest.
    #[must_use]
    pub(crate) fn queues(&self) -> Vec<Queue> {
        self.inner.limiter.queues(self.inner.clock.monotonic())
    }

    /// Atlas's own time, as it told last: to this client or one that shares its connections.
    #[must_use]
    pub(crate) fn atlas_time(&self) -> Option<AtlasTime> {
        self.inner.last_date.last()
    }

    /// What Atlas's clock shows now: as Atlas told within the hour, else as ours does.
    ///
    /// To be asked after an answer, not before it: a machine that slept has not counted the time since the
    /// last one, and a new client knows of none.
    #[must_use]
    pub(crate) fn atlas_now(&self) -> DateTime<Utc> {
        let clock = &self.inner.clock;
        let monotonic = clock.monotonic();
        let told = self.atlas_time();
        let told = told.filter(|time| time.age(monotonic) < TOLD_LATELY);
        told.map_or_else(|| clock.now(), |time| time.at(monotonic))
    }

    /// Sends a call and reads its answer as JSON.
    pub(super) async fn fetch<T: DeserializeOwned + Send + 'static>(
        &self,
        call: &Call,
        budget: RequestBudget,
    ) -> Result<T, AtlasError> {
        let answer = self.send(call, budget).await?;
        let operation = call.operation;
        if answer.body.len() <= LARGE_BYTES {
            return parsed(operation, &answer);
        }
        // Beside the runtime, so that nobody else waits for it.
        let parsing = spawn_blocking(move || parsed(operation, &answer)).await;
        parsing.unwrap_or_else(|_| {
            Err(AtlasError::NoAnswer {
                operation,
                attempts: 1,
                source: TransportFault::GivenUp,
            })
        })
    }

    /// Sends a call until it succeeds, is refused, or the caller's budget is used up.
    ///
    /// The error is that of the last attempt, unless that had surely no effect and an earlier one may
    /// have had it.
    pub(super) async fn send(
        &self,
        call: &Call,
        budget: RequestBudget,
    ) -> Result<Answer, AtlasError> {
        let mut tries = Tries::default();
        let mut unknown_outcome = None;
        loop {
            // Boxed, as whatever asks Atlas for something holds it.
            let attempt = Box::pin(self.send_once(call, &mut tries, budget));
            let error = match attempt.await {
                Ok(answer) => return Ok(answer),
                Err(Tried::Again(error)) => {
                    if call.method != Method::GET && error.may_have_taken_effect() {
                        unknown_outcome = Some(error);
                    }
                    continue;
                }
                Err(Tried::Last(error)) => error,
            };
            return match unknown_outcome {
                Some(earlier) if !error.is_answer_to(call.operation) => Err(earlier),
                _ => Err(error),
            };
        }
    }

    /// One attempt of a call, for those who look at what is there before each. `tries` are those so far.
    ///
    /// Where another may follow, what has to be waited before it was waited.
    pub(super) async fn send_once(
        &self,
        call: &Call,
        tries: &mut Tries,
        budget: RequestBudget,
    ) -> Result<Answer, Tried> {
        let outcome = self.attempt(call, *tries, budget).await;
        let error = outcome.as_ref().err().map(|failure| &failure.error);
        let now = self.inner.clock.now();
        self.reachability.note(call.operation, error, now);
        let failure = match outcome {
            Ok(answer) => return Ok(answer),
            Err(failure) => failure,
        };
        tries.count(&failure);
        let delay = failure.delay(call.repeat, *tries, &*self.inner.entropy);
        match delay.filter(|delay| *delay < budget.left()) {
            Some(delay) if self.while_wanted(sleep(delay)).await.is_some() => {
                Err(Tried::Again(failure.error))
            }
            _ => Err(Tried::Last(failure.error)),
        }
    }

    /// Waits, unless nobody wants to wait any more.
    pub(super) async fn while_wanted<T>(&self, wait: impl Future<Output = T>) -> Option<T> {
        let wait = self.gone.run_until_cancelled(wait);
        self.closing.run_until_cancelled(wait).await.flatten()
    }

    /// Waits until Atlas's limits allow the call, after a 429 for as long as that asked (`Bucket::update`);
    /// fails at once when that is past the deadline, or longer than the call waits.
    async fn acquire(&self, call: &Call, budget: RequestBudget) -> Result<Ticket<'_>, AtlasError> {
        let inner = &*self.inner;
        let given_up = || AtlasError::NoAnswer {
            operation: call.operation,
            attempts: 0,
            source: TransportFault::GivenUp,
        };
        let soon = call
            .longest_wait
            .and_then(|wait| Instant::now().checked_add(wait));
        let budget = RequestBudget {
            deadline: soon.map_or(budget.deadline, |soon| soon.min(budget.deadline)),
            ..budget
        };
        let mut waiting_since = None;
        let mut ticket = inner.limiter.request(call.bucket.clone(), budget.priority);
        loop {
            if self.gone.is_cancelled() {
                return Err(given_up());
            }
            let (wait, full) = match ticket.admit(inner.clock.monotonic()) {
                Admission::Go => {
                    if let Some(since) = waiting_since {
                        let waited = inner.clock.monotonic().saturating_sub(since);
                        self.reachability.note_wait(waited);
                    }
                    return Ok(ticket);
                }
                Admission::Wait(wait) => (wait, false),
                Admission::Full(wait) => (wait, true),
            };
            if full || wait >= budget.left() {
                self.reachability.note_no_room();
                return Err(AtlasError::RateLimited {
                    operation: call.operation,
                    retry_after: wait,
                    answered: false,
                });
            }
            waiting_since.get_or_insert_with(|| inner.clock.monotonic());
            // Asked again before long: an answer may have shown that there are more tokens.
            let pause = sleep(wait.min(MAX_POLL_INTERVAL));
            self.while_wanted(pause).await.ok_or_else(given_up)?;
        }
    }

    async fn attempt(
        &self,
        call: &Call,
        tries: Tries,
        budget: RequestBudget,
    ) -> Result<Answer, Failure> {
        let inner = &*self.inner;
        let ticket = self.acquire(call, budget).await?;
        let attempts = tries.made + 1;
        let (started, sent_at) = (Instant::now(), inner.clock.monotonic());
        let outcome = self.exchange(call, attempts, budget).await;
        let status = outcome.as_ref().map_or(0, |answer| answer.status.as_u16());
        debug!(
            operation = call.operation,
            status,
            attempt = attempts,
            milliseconds = started.elapsed().as_millis(),
            "request to Atlas completed"
        );
        let (now, ended) = (inner.clock.now(), inner.clock.monotonic());
        let answer = match outcome {
            Ok(answer) => answer,
            Err(failure) if failure.unsent => {
                ticket.give_back(ended);
                return Err(failure);
            }
            Err(failure) => {
                ticket.release(RateLimitFeedback::default(), ended);
                return Err(failure);
            }
        };
        inner.last_date.note(&answer, sent_at, ended);
        let feedback =
            RateLimitFeedback::of(&answer, tries.limited_in_a_row + 1, now, &*inner.entropy);
        ticket.release(feedback, ended);
        self.log_sunset(call.operation, &answer.headers);
        let wait = match answer.status {
            StatusCode::SERVICE_UNAVAILABLE => retry::retry_after(&answer.headers, now),
            _ => feedback.wait,
        };
        let judged = retry::judge(call, attempts, answer, wait);
        if judged.is_ok() && matches!(call.manner, Manner::Resource) {
            inner.accepted.store(true, Ordering::Relaxed);
        }
        judged
    }

    /// Says once that the API's version in use has an end.
    fn log_sunset(&self, operation: &'static str, headers: &HeaderMap) {
        let sunset = headers.get("sunset").and_then(|value| value.to_str().ok());
        if let Some(sunset) = sunset
            && !self.inner.sunset_told.swap(true, Ordering::Relaxed)
        {
            warn!(operation, sunset, "Atlas will remove this API version");
        }
    }
}

/// Reads an answer as JSON.
pub(super) fn parsed<T: DeserializeOwned>(
    operation: &'static str,
    answer: &Answer,
) -> Result<T, AtlasError> {
    serde_json::from_slice(&answer.body).map_err(|error| AtlasError::MalformedAnswer {
        operation,
        source: AnswerFault::from(error),
    })
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
