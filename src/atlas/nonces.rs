//! Which nonce signs which request, and the exchange of a request signed by Digest.
//!
//! Atlas counts the uses of a nonce and wants the count to rise. Requests that run at the same time
//! may overtake each other, so a nonce is lent to one request at a time: the order is then exact,
//! and a new challenge is paid for only when more requests run at once than ever before. Whether
//! Atlas takes a nonce twice at all is not documented; where it turns out not to, [`NoncePool`]
//! stops lending used ones and tries again an hour later.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

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
const PAUSE: Duration = Duration::from_hours(1);
/// A nonce that lay idle longer may have been refused for its age, which says nothing of reuse.
const FRESH: Duration = Duration::from_secs(30);
/// A refused old nonce, its successor, and once more if that one is called stale.
const MAX_EXCHANGES: u32 = 4;

#[derive(Default)]
struct Pool {
    idle: Vec<(Nonce, Duration)>,
    refused_reuses: u32,
    paused_since: Option<Duration>,
}

/// A nonce in use by one request.
struct Lent {
    nonce: Nonce,
    /// How long it lay idle before.
    rested: Duration,
}

impl From<Challenge> for Lent {
    fn from(challenge: Challenge) -> Self {
        Self {
            nonce: Nonce::new(challenge),
            rested: Duration::ZERO,
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
        let rested = self.clock.monotonic().saturating_sub(since);
        Some(Lent { nonce, rested })
    }

    /// Takes a nonce back that the server has just accepted.
    fn give_back(&self, nonce: Nonce) {
        let now = self.clock.monotonic();
        let mut pool = self.locked();
        if nonce.uses() > 1 {
            pool.refused_reuses = 0;
        }
        if let Some(since) = pool.paused_since {
            if now.saturating_sub(since) < PAUSE {
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
        let now = self.clock.monotonic();
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

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use futures_util::future::join_all;

    use super::*;
    use crate::atlas::error::AtlasError;
    use crate::atlas::fake::{Fake, Received, Reply, budget, test_clock};

    /// A server that counts as RFC 7616 asks: a count must be higher than the last one.
    #[derive(Default)]
    struct Counting {
        /// The last count of each nonce.
        nonces: Mutex<HashMap<String, u32>>,
        /// How often a nonce is taken; zero means always.
        uses: u32,
        stale: bool,
    }

    impl Counting {
        fn answer(&self, received: &Received) -> Reply {
            let mut nonces = self.nonces.lock().expect("a lock");
            if let Some((nonce, count)) = signed_with(received) {
                let last = nonces.get_mut(&nonce).expect("a nonce of this server");
                if count == *last + 1 && (self.uses == 0 || count <= self.uses) {
                    *last = count;
                    return Reply::new(200, "{}");
                }
            }
            let nonce = format!("n{}", nonces.len());
            nonces.insert(nonce.clone(), 0);
            Reply::challenge(&nonce, self.stale)
        }
    }

    /// The nonce and its count, if the request is signed.
    fn signed_with(received: &Received) -> Option<(String, u32)> {
        let header = received.header("authorization")?;
        let nonce = header.split("nonce=\"").nth(1)?.split('"').next()?;
        let count = header.split("nc=").nth(1)?.get(..8)?;
        Some((nonce.to_owned(), u32::from_str_radix(count, 16).ok()?))
    }

    async fn counting(uses: u32, stale: bool) -> Fake {
        let server = Counting {
            uses,
            stale,
            ..Counting::default()
        };
        Fake::start(move |received| server.answer(received)).await
    }

    async fn ask(atlas: &crate::atlas::Atlas) {
        atlas.who_am_i(budget(10)).await.expect("an answer");
    }

    #[tokio::test]
    async fn a_nonce_is_paid_for_once() {
        let fake = counting(0, false).await;
        let atlas = fake.digest_client();
        for _ in 0..5 {
            ask(&atlas).await;
        }
        let counts: Vec<_> = fake.requests().iter().map(signed_with).collect();
        let nonce = |count| Some(("n0".to_owned(), count));
        assert_eq!(
            counts,
            [None, nonce(1), nonce(2), nonce(3), nonce(4), nonce(5)]
        );
    }

    #[tokio::test]
    async fn calls_at_once_keep_each_count_in_order() {
        let fake = counting(0, false).await;
        let atlas = fake.digest_client();
        for _ in 0..3 {
            join_all((0..20).map(|_| ask(&atlas))).await;
        }
        // A challenge for each of the first twenty, and no refused count ever after.
        let requests = fake.requests();
        assert_eq!(requests.len(), 60 + 20);
        assert_eq!(requests.iter().filter(|r| !r.signed("Digest")).count(), 20);
    }

    #[tokio::test]
    async fn a_nonce_grown_old_is_replaced() {
        let fake = counting(2, true).await;
        let atlas = fake.digest_client();
        for _ in 0..4 {
            ask(&atlas).await;
        }
        // Challenge, two uses, a refused third that brings the next challenge, and two uses.
        assert_eq!(fake.requests().len(), 6);
    }

    #[tokio::test]
    async fn where_a_nonce_serves_once_reuse_pauses_for_an_hour() {
        let fake = counting(1, true).await;
        let clock = test_clock();
        let atlas = fake.digest_client_at(clock.clone());
        let reuses = || {
            let requests = fake.requests();
            let second_use = |r: &&Received| signed_with(r).is_some_and(|(_, count)| count > 1);
            requests.iter().filter(second_use).count()
        };
        for _ in 0..10 {
            ask(&atlas).await;
        }
        assert_eq!(reuses(), 3);
        assert_eq!(fake.requests().len(), 20);
        clock.advance(Duration::from_mins(61));
        ask(&atlas).await;
        ask(&atlas).await;
        assert_eq!(reuses(), 4);
    }

    #[tokio::test]
    async fn a_refused_credential_is_not_tried_again() {
        let fake = Fake::start(|_| Reply::challenge("n", false)).await;
        let error = fake
            .digest_client()
            .who_am_i(budget(5))
            .await
            .expect_err("refused");
        assert!(
            matches!(error, AtlasError::Unauthenticated { .. }),
            "{error:?}"
        );
        assert_eq!(fake.requests().len(), 2);
    }

    #[tokio::test]
    async fn a_server_that_calls_every_nonce_stale_is_given_up() {
        let fake = Fake::start(|_| Reply::challenge("n", true)).await;
        let error = fake
            .digest_client()
            .who_am_i(budget(5))
            .await
            .expect_err("refused");
        assert!(
            matches!(error, AtlasError::Unauthenticated { .. }),
            "{error:?}"
        );
        assert_eq!(
            fake.requests().len(),
            usize::try_from(MAX_EXCHANGES).expect("small")
        );
    }

    #[tokio::test]
    async fn a_missing_role_keeps_the_nonce() {
        let fake = Fake::start(|received| {
            if received.signed("Digest") {
                Reply::error(401, "USER_UNAUTHORIZED").with("www-authenticate", "Digest")
            } else {
                Reply::challenge("n", false)
            }
        })
        .await;
        let atlas = fake.digest_client();
        for _ in 0..2 {
            let error = atlas.who_am_i(budget(5)).await.expect_err("refused");
            assert_eq!(error.code(), Some("USER_UNAUTHORIZED"));
            assert!(
                matches!(error, AtlasError::Refused { status: 401, .. }),
                "{error:?}"
            );
        }
        assert_eq!(fake.requests().len(), 3);
    }

    #[tokio::test]
    async fn an_unknown_kind_of_sign_in_is_named() {
        let fake = Fake::start(|_| Reply::new(401, "").with("www-authenticate", "Basic")).await;
        let error = fake
            .digest_client()
            .who_am_i(budget(5))
            .await
            .expect_err("no challenge");
        assert!(
            matches!(error, AtlasError::MalformedAnswer { .. }),
            "{error:?}"
        );
        assert!(!error.outcome_unknown());
    }
}
