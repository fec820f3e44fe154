//! The client and its one way to send a call: pace, sign-in, exchange, judgement, retry.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::header::HeaderMap;
use http::{HeaderValue, StatusCode};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

use crate::base::{Clock, Entropy};

use super::call::{Call, Manner, Patience};
use super::digest::DigestKey;
use super::error::{AnswerFault, AtlasError};
use super::lesson::Lesson;
use super::limiter::{Limiter, Ticket, Turn};
use super::nonces::{DigestFault, DigestSignIn};
use super::retry::{self, Failure, refuses_credential};
use super::settings::{Credential, Settings, SettingsError};
use super::token_cache::TokenCache;
use super::transport::{Answer, Request, Transport};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// A client of the Atlas Administration API with one credential.
///
/// Clones share connections, sign-in state and the count of requests. Every call takes a
/// [`Patience`]; none waits beyond it.
#[derive(Clone)]
pub struct Atlas {
    inner: Arc<Inner>,
}

struct Inner {
    transport: Transport,
    media_type: HeaderValue,
    sign_in: SignIn,
    limiter: Limiter,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    sunset_told: AtomicBool,
}

enum SignIn {
    Digest(DigestSignIn),
    Bearer(TokenCache),
}

impl Atlas {
    /// Makes a client; nothing is sent yet.
    pub fn new(
        settings: &Settings,
        credential: Credential,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, SettingsError> {
        settings.check()?;
        credential.check()?;
        let media_type = HeaderValue::try_from(settings.api_version.media_type())
            .map_err(|_| SettingsError::ApiVersion)?;
        let sign_in = match credential {
            Credential::ApiKey {
                public_key,
                private_key,
            } => {
                let key = DigestKey {
                    public_key,
                    private_key,
                };
                let (clock, entropy) = (Arc::clone(&clock), Arc::clone(&entropy));
                SignIn::Digest(DigestSignIn::new(key, clock, entropy))
            }
            Credential::ServiceAccount {
                client_id,
                client_secret,
            } => SignIn::Bearer(TokenCache::new(client_id, client_secret)),
        };
        let inner = Inner {
            transport: Transport::new(settings)?,
            media_type,
            sign_in,
            limiter: Limiter::default(),
            clock,
            entropy,
            sunset_told: AtomicBool::new(false),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
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

    /// Sends a call and reads its answer as JSON.
    pub(super) async fn fetch<T: DeserializeOwned>(
        &self,
        call: &Call,
        patience: Patience,
    ) -> Result<T, AtlasError> {
        let answer = self.send(call, patience).await?;
        serde_json::from_slice(&answer.body).map_err(|error| AtlasError::MalformedAnswer {
            operation: call.operation,
            source: AnswerFault::from(error),
        })
    }

    /// Sends a call until it succeeds, is refused, or the caller's patience is over.
    pub(super) async fn send(&self, call: &Call, patience: Patience) -> Result<Answer, AtlasError> {
        let mut attempts = 0;
        loop {
            let ticket = self.turn(call, patience).await?;
            attempts += 1;
            let failure = match self.attempt(call, ticket, attempts, patience).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            match failure.delay(call.repeat, attempts, &*self.inner.entropy) {
                Some(delay) if delay < patience.left() => sleep(delay).await,
                _ => return Err(failure.error),
            }
        }
    }

    /// Waits until Atlas's limits allow the call; fails at once when that is past the deadline.
    async fn turn(&self, call: &Call, patience: Patience) -> Result<Ticket<'_>, AtlasError> {
        let inner = &*self.inner;
        let mut ticket = inner
            .limiter
            .request(call.bucket.clone(), patience.priority);
        loop {
            let (wait, full) = match ticket.ask(inner.clock.now()) {
                Turn::Go => return Ok(ticket),
                Turn::Wait(wait) => (wait, false),
                Turn::Full(wait) => (wait, true),
            };
            if full || wait >= patience.left() {
                return Err(AtlasError::RateLimited {
                    operation: call.operation,
                    retry_after: wait,
                });
            }
            sleep(wait).await;
        }
    }

    async fn attempt(
        &self,
        call: &Call,
        ticket: Ticket<'_>,
        attempts: u32,
        patience: Patience,
    ) -> Result<Answer, Failure> {
        let inner = &*self.inner;
        let started = Instant::now();
        let outcome = self.exchange(call, attempts, patience).await;
        let status = outcome.as_ref().map_or(0, |answer| answer.status.as_u16());
        debug!(
            operation = call.operation,
            status,
            attempt = attempts,
            milliseconds = started.elapsed().as_millis(),
            "request to atlas ended"
        );
        let now = inner.clock.now();
        let answer = match outcome {
            Ok(answer) => answer,
            Err(failure) => {
                ticket.settle(Lesson::default(), now);
                return Err(failure);
            }
        };
        let lesson = Lesson::of(&answer, attempts, now, &*inner.entropy);
        ticket.settle(lesson, now);
        self.tell_sunset(call.operation, &answer.headers);
        let wait = match answer.status {
            StatusCode::SERVICE_UNAVAILABLE => retry::retry_after(&answer.headers, now),
            _ => lesson.wait,
        };
        retry::judge(call.operation, attempts, answer, wait)
    }

    /// Signs the call and brings back Atlas's answer, whatever it is.
    async fn exchange(
        &self,
        call: &Call,
        attempts: u32,
        patience: Patience,
    ) -> Result<Answer, Failure> {
        let Inner {
            transport, sign_in, ..
        } = &*self.inner;
        let request = self.request(call);
        let deadline = patience.deadline;
        let no_answer = |fault| Failure::no_answer(call.operation, attempts, fault);
        match (&call.manner, sign_in) {
            (Manner::Token(authorization), _) => transport
                .exchange(&request, Some(authorization.clone()), deadline)
                .await
                .map_err(no_answer),
            (Manner::Resource, SignIn::Digest(digest)) => {
                let outcome = digest.exchange(transport, &request, deadline).await;
                outcome.map_err(|fault| match fault {
                    DigestFault::Transport(fault) => no_answer(fault),
                    DigestFault::Challenge => Failure::from(AtlasError::MalformedAnswer {
                        operation: call.operation,
                        source: AnswerFault::Challenge,
                    }),
                })
            }
            (Manner::Resource, SignIn::Bearer(cache)) => {
                let token = self.own_token(cache, patience).await?;
                let first = transport
                    .exchange(&request, Some(token.header()), deadline)
                    .await;
                let first = first.map_err(no_answer)?;
                if !refuses_credential(&first) {
                    return Ok(first);
                }
                cache.discard(&token);
                let token = self.own_token(cache, patience).await?;
                let second = transport
                    .exchange(&request, Some(token.header()), deadline)
                    .await;
                second.map_err(no_answer)
            }
        }
    }

    fn request<'a>(&self, call: &'a Call) -> Request<'a> {
        let (accept, content_type) = match call.manner {
            Manner::Resource => (&self.inner.media_type, &self.inner.media_type),
            Manner::Token(_) => (&JSON, &FORM),
        };
        let content = call.content.as_ref();
        Request {
            method: call.method.clone(),
            url: self.inner.transport.url(&call.target),
            accept: accept.clone(),
            body: content.map(|content| (content_type.clone(), content.as_slice())),
        }
    }

    /// Says once that the API's version in use has an end.
    fn tell_sunset(&self, operation: &'static str, headers: &HeaderMap) {
        let sunset = headers.get("sunset").and_then(|value| value.to_str().ok());
        if let Some(sunset) = sunset
            && !self.inner.sunset_told.swap(true, Ordering::Relaxed)
        {
            warn!(operation, sunset, "atlas will drop this version of its API");
        }
    }
}
