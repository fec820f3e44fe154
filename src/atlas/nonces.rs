//! Which nonce signs which request, and the exchange of a request signed by Digest.
//!
//! Atlas counts the uses of a nonce and wants the count to rise. Requests that run at the same time
//! may overtake each other, so a nonce is lent to one request at a time: the order is then exact,
//! and a new challenge is paid for only when more requests run at once than ever before. Whether
//! Atlas takes a nonce twice at all is not documented; where it turns out not to, [`NoncePool`]
//! stops lending used ones and tries again an hour later.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use http::HeaderValue;
use tokio::time::Instant;

use crate::base::{Clock, Entropy};

use super::digest::{Challenge, DigestKey, Nonce};
use super::error::TransportFault;
use super::retry::refuses_credential;
use super::transport::{Answer, Request, Transport};

/// How many nonces are kept for later; more are used at once only under a burst.
const MAX_IDLE: usize = 32;
/// After so many first reuses in a row that were refused, reuse pauses.
const MAX_REFUSED_REUSES: u32 = 3;
/// How long reuse pauses.
const PAUSE: TimeDelta = TimeDelta::hours(1);
/// A nonce that lay idle longer may have been refused for its age, which says nothing of reuse.
const FRESH: TimeDelta = TimeDelta::seconds(30);
/// A refused old nonce, its successor, and once more if that one is called stale.
const MAX_EXCHANGES: u32 = 4;

#[derive(Default)]
struct Pool {
    idle: Vec<(Nonce, DateTime<Utc>)>,
    refused_reuses: u32,
    paused_since: Option<DateTime<Utc>>,
}

/// A nonce in use by one request.
struct Lent {
    nonce: Nonce,
    /// How long it lay idle before.
    rested: TimeDelta,
}

impl From<Challenge> for Lent {
    fn from(challenge: Challenge) -> Self {
        Self {
            nonce: Nonce::new(challenge),
            rested: TimeDelta::zero(),
        }
    }
}

/// The nonces at hand, each lent to one request at a time.
struct NoncePool {
    pool: Mutex<Pool>,
    clock: Arc<dyn Clock>,
}

impl NoncePool {
    /// The nonce used last, as it is the least likely to have grown old.
    fn take(&self) -> Option<Lent> {
        let (nonce, since) = self.locked().idle.pop()?;
        let rested = self.clock.now() - since;
        Some(Lent { nonce, rested })
    }

    /// Takes a nonce back that the server has just accepted.
    fn give_back(&self, nonce: Nonce) {
        let now = self.clock.now();
        let mut pool = self.locked();
        if nonce.uses() > 1 {
            pool.refused_reuses = 0;
        }
        if let Some(since) = pool.paused_since {
            if (now - since).abs() < PAUSE {
                return;
            }
            pool.paused_since = None;
            pool.refused_reuses = 0;
        }
        if pool.idle.len() < MAX_IDLE {
            pool.idle.push((nonce, now));
        }
    }

    /// Learns that the server did not take a used nonce again.
    fn reuse_refused(&self, lent: &Lent) {
        if lent.nonce.uses() != 2 || lent.rested > FRESH {
            return;
        }
        let now = self.clock.now();
        let mut pool = self.locked();
        pool.refused_reuses += 1;
        if pool.refused_reuses >= MAX_REFUSED_REUSES {
            pool.idle.clear();
            pool.paused_since = Some(now);
        }
    }

    fn locked(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why an exchange that has to be signed gave no answer to judge.
#[derive(Debug)]
pub(super) enum DigestFault {
    /// No whole answer came.
    Transport(TransportFault),
    /// The server asks for a sign-in that is not known here.
    Challenge,
}

impl From<TransportFault> for DigestFault {
    fn from(fault: TransportFault) -> Self {
        Self::Transport(fault)
    }
}

/// Signs requests with an API key.
pub(super) struct DigestSignIn {
    key: DigestKey,
    nonces: NoncePool,
    entropy: Arc<dyn Entropy>,
}

impl DigestSignIn {
    pub(super) fn new(key: DigestKey, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        let pool = Mutex::default();
        Self {
            key,
            nonces: NoncePool { pool, clock },
            entropy,
        }
    }

    /// Sends the request, signed with a nonce at hand or else with the one Atlas then offers.
    ///
    /// A 401 that is returned answers a fresh nonce: the credential is refused, or lacks a role. A
    /// request that is answered by a challenge had no effect, so it may be sent again.
    pub(super) async fn exchange(
        &self,
        transport: &Transport,
        request: &Request<'_>,
        deadline: Instant,
    ) -> Result<Answer, DigestFault> {
        let mut lent = self.nonces.take();
        let mut exchanges = 0;
        loop {
            exchanges += 1;
            let authorization = match &mut lent {
                Some(lent) => Some(self.sign(&mut lent.nonce, request)?),
                None => None,
            };
            let answer = transport.exchange(request, authorization, deadline).await?;
            if !refuses_credential(&answer) {
                if let Some(lent) = lent {
                    self.nonces.give_back(lent.nonce);
                }
                return Ok(answer);
            }
            let challenge = Challenge::find(&answer.headers);
            if lent.is_none() && challenge.is_none() {
                return Err(DigestFault::Challenge);
            }
            if exchanges == MAX_EXCHANGES || !self.worth_another(lent.as_ref(), challenge.as_ref())
            {
                return Ok(answer);
            }
            lent = challenge.map(Lent::from);
        }
    }

    /// Whether the 401 may be the fault of the nonce and not of the credential.
    fn worth_another(&self, used: Option<&Lent>, challenge: Option<&Challenge>) -> bool {
        match used {
            None => true,
            Some(used) if used.nonce.uses() > 1 => {
                self.nonces.reuse_refused(used);
                true
            }
            Some(_) => challenge.is_some_and(|challenge| challenge.stale),
        }
    }

    fn sign(&self, nonce: &mut Nonce, request: &Request<'_>) -> Result<HeaderValue, DigestFault> {
        nonce
            .sign(&self.key, &request.method, request.target(), &*self.entropy)
            .ok_or(DigestFault::Challenge)
    }
}
