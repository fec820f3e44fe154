//! The client's own access token: minted once for all who wait, renewed early, dropped when refused.
//!
//! How a token is minted is `oauth.rs`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::HeaderValue;
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use crate::base::Sensitive;

use super::call::RequestBudget;
use super::client::Atlas;
use super::error::{AtlasError, TransportFault};
use super::ids::ClientId;
use super::oauth::{AccessToken, MINT_TOKEN};

/// A token is renewed this long before its end, or in the last fifth of a short life.
const EARLY: Duration = Duration::from_mins(5);
/// A token this close to its end is not used any more: it could die on the way.
const MARGIN: Duration = Duration::from_secs(10);
/// The longest a call waits for an early renewal; the old token still works.
const EARLY_RENEWAL_WAIT: Duration = Duration::from_secs(5);
/// A token that took the place of a refused one is not replaced itself before this age.
const NEW: Duration = Duration::from_mins(1);
/// The pause after an early renewal that failed.
const RENEWAL_PAUSE: Duration = Duration::from_secs(30);

/// A token in the cache, ready as a header.
pub(super) struct CachedToken {
    token: AccessToken,
    header: HeaderValue,
    /// By monotonic time, like all moments here: a wall clock that jumps neither keeps a dead token
    /// nor throws away a live one.
    minted_at: Duration,
    usable_until: Duration,
    /// It took the place of one that Atlas refused.
    replaces_refused: bool,
}

impl CachedToken {
    pub(super) fn header(&self) -> HeaderValue {
        self.header.clone()
    }

    /// The token itself.
    pub(super) fn value(&self) -> &Sensitive {
        &self.token.value
    }

    /// Whether another would be refused like this one. Each counts against the account's limit of
    /// tokens until its hour is over.
    pub(super) fn was_recently_replaced(&self, now: Duration) -> bool {
        self.replaces_refused && now.saturating_sub(self.minted_at) < NEW
    }

    fn is_usable(&self, now: Duration) -> bool {
        now < self.usable_until
    }
}

#[derive(Default)]
struct State {
    token: Option<Arc<CachedToken>>,
    renew_at: Duration,
    /// The last token was refused, and none was minted since.
    discarded: bool,
    /// How often the credential was refused, and what Atlas said the last time.
    refusals: u64,
    refusal: (String, String),
}

/// The token of one service account.
pub(super) struct TokenCache {
    pub(super) client_id: ClientId,
    pub(super) client_secret: Sensitive,
    state: Mutex<State>,
    /// Held by the one that mints. The lock is this account's alone.
    minting: tokio::sync::Mutex<()>,
}

/// What is at hand.
enum AtHand {
    Fresh(Arc<CachedToken>),
    /// Still good, but due for renewal.
    Aging(Arc<CachedToken>),
    /// None; so many refusals were seen so far.
    Nothing(u64),
}

impl TokenCache {
    pub(super) fn new(client_id: ClientId, client_secret: Sensitive) -> Self {
        Self {
            client_id,
            client_secret,
            state: Mutex::default(),
            minting: tokio::sync::Mutex::default(),
        }
    }

    /// Forgets a token that Atlas refused, unless another has taken its place already.
    pub(super) fn discard(&self, refused: &Arc<CachedToken>) {
        let mut state = self.locked();
        if state
            .token
            .as_ref()
            .is_some_and(|token| Arc::ptr_eq(token, refused))
        {
            state.token = None;
            state.discarded = true;
        }
    }

    /// Takes the token out, for revoking it.
    pub(super) fn take(&self) -> Option<Arc<CachedToken>> {
        self.locked().token.take()
    }

    fn at_hand(&self, now: Duration) -> AtHand {
        let state = self.locked();
        match &state.token {
            Some(token) if token.is_usable(now) && now < state.renew_at => {
                AtHand::Fresh(Arc::clone(token))
            }
            Some(token) if token.is_usable(now) => AtHand::Aging(Arc::clone(token)),
            _ => AtHand::Nothing(state.refusals),
        }
    }

    /// Keeps a token that was asked for at `now`.
    fn store(&self, token: AccessToken, now: Duration) -> Option<Arc<CachedToken>> {
        let mut header = HeaderValue::try_from(format!("Bearer {}", token.value.expose())).ok()?;
        header.set_sensitive(true);
        let ends = now.saturating_add(token.lifetime);
        let renew_at = ends.saturating_sub(EARLY.min(token.lifetime / 5));
        let mut state = self.locked();
        let cached = Arc::new(CachedToken {
            token,
            header,
            minted_at: now,
            usable_until: ends.saturating_sub(MARGIN),
            replaces_refused: std::mem::take(&mut state.discarded),
        });
        state.renew_at = renew_at;
        state.token = Some(Arc::clone(&cached));
        Some(cached)
    }

    fn remember_refusal(&self, error: &AtlasError) {
        if let AtlasError::Unauthenticated { code, detail, .. } = error {
            let mut state = self.locked();
            state.refusals += 1;
            state.refusal = (code.clone(), detail.clone());
        }
    }

    /// The refusal of another's attempt that ended while this one waited.
    fn refused_since(&self, seen: u64) -> Option<AtlasError> {
        let state = self.locked();
        (state.refusals > seen).then(|| AtlasError::Unauthenticated {
            operation: MINT_TOKEN,
            code: state.refusal.0.clone(),
            detail: state.refusal.1.clone(),
        })
    }

    fn postpone_renewal(&self, now: Duration) {
        self.locked().renew_at = now + RENEWAL_PAUSE;
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Atlas {
    /// The client's own token; boxed, as minting it is itself a call that is sent.
    pub(super) fn own_token<'a>(
        &'a self,
        cache: &'a TokenCache,
        budget: RequestBudget,
    ) -> BoxFuture<'a, Result<Arc<CachedToken>, AtlasError>> {
        Box::pin(async move {
            match cache.at_hand(self.clock().monotonic()) {
                AtHand::Fresh(token) => Ok(token),
                AtHand::Aging(token) => Ok(self.renew_early(cache, token, budget).await),
                AtHand::Nothing(refusals) => self.wait_and_mint(cache, refusals, budget).await,
            }
        })
    }

    /// Renews a token that still works; whoever comes while that happens takes the old one.
    async fn renew_early(
        &self,
        cache: &TokenCache,
        old: Arc<CachedToken>,
        budget: RequestBudget,
    ) -> Arc<CachedToken> {
        let Ok(_minting) = cache.minting.try_lock() else {
            return old;
        };
        let deadline = budget.deadline.min(Instant::now() + EARLY_RENEWAL_WAIT);
        match self
            .mint_into(cache, RequestBudget { deadline, ..budget })
            .await
        {
            Ok(token) => token,
            Err(error) => {
                warn!(%error, "could not refresh the access token early");
                cache.postpone_renewal(self.clock().monotonic());
                old
            }
        }
    }

    async fn wait_and_mint(
        &self,
        cache: &TokenCache,
        refusals: u64,
        budget: RequestBudget,
    ) -> Result<Arc<CachedToken>, AtlasError> {
        let not_sent = |source| AtlasError::NoAnswer {
            operation: MINT_TOKEN,
            attempts: 0,
            source,
        };
        let minting = self.while_wanted(cache.minting.lock());
        let minting = timeout_at(budget.deadline, minting).await;
        let minting = minting.map_err(|_| not_sent(TransportFault::NoTimeLeft))?;
        let _minting = minting.ok_or_else(|| not_sent(TransportFault::GivenUp))?;
        match cache.at_hand(self.clock().monotonic()) {
            AtHand::Fresh(token) | AtHand::Aging(token) => return Ok(token),
            AtHand::Nothing(_) => {}
        }
        if let Some(refusal) = cache.refused_since(refusals) {
            return Err(refusal);
        }
        self.mint_into(cache, budget).await
    }

    async fn mint_into(
        &self,
        cache: &TokenCache,
        budget: RequestBudget,
    ) -> Result<Arc<CachedToken>, AtlasError> {
        let now = self.clock().monotonic();
        let minted = self
            .mint_token(&cache.client_id, &cache.client_secret, budget)
            .await;
        let token = minted.inspect_err(|error| cache.remember_refusal(error))?;
        cache
            .store(token, now)
            .ok_or_else(super::oauth::unusable_token)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

    use futures_util::future::join_all;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::atlas::fake::{Fake, Reply, budget, test_clock};

    const TOKEN: &str = "/api/oauth/token";

    /// Mints t1, t2, ... and takes those that `accepts` says.
    async fn minting(accepts: impl Fn(&str) -> bool + Send + Sync + 'static) -> Fake {
        let (minted, refused) = (AtomicUsize::new(0), AtomicU32::new(0));
        Fake::start(move |received| {
            if received.target == TOKEN {
                let number = minted.fetch_add(1, Ordering::Relaxed) + 1;
                return Reply::token(&format!("t{number}")).after(Duration::from_millis(20));
            }
            let bearer = received.header("authorization").unwrap_or_default();
            match bearer.strip_prefix("Bearer ") {
                Some(token) if accepts(token) => Reply::new(200, "{}"),
                // Each refusal takes longer, so that late ones come when a new token is there.
                _ => Reply::error(401, "UNEXPECTED_ERROR")
                    .with("www-authenticate", "Bearer")
                    .after(Duration::from_millis(10) * refused.fetch_add(1, Ordering::Relaxed)),
            }
        })
        .await
    }

    async fn ask(atlas: &Atlas) {
        atlas.who_am_i(budget(10)).await.expect("an answer");
    }

    #[tokio::test]
    async fn fifty_calls_at_once_mint_one_token() {
        let fake = minting(|_| true).await;
        let atlas = fake.bearer_client();
        join_all((0..50).map(|_| ask(&atlas))).await;
        assert_eq!(fake.count("POST", TOKEN), 1);
        assert_eq!(fake.requests().len(), 51);
    }

    #[tokio::test]
    async fn a_refused_token_is_replaced_once_for_all() {
        let revoked = Arc::new(AtomicU32::new(0));
        let seen = Arc::clone(&revoked);
        let fake = minting(move |token| token != "t1" || seen.load(Ordering::Relaxed) == 0).await;
        let atlas = fake.bearer_client();
        ask(&atlas).await;
        revoked.store(1, Ordering::Relaxed);
        join_all((0..20).map(|_| ask(&atlas))).await;
        assert_eq!(fake.count("POST", TOKEN), 2);
        ask(&atlas).await;
        assert_eq!(fake.count("POST", TOKEN), 2);
    }

    /// Each token counts against the account's limit until its hour is over.
    #[tokio::test]
    async fn while_atlas_refuses_every_token_one_is_minted_a_minute() {
        let fake = minting(|_| false).await;
        let clock = test_clock();
        let atlas = fake.bearer_client_at(clock.clone());
        for minute in 1..4 {
            for _ in 0..3 {
                let error = atlas.who_am_i(budget(5)).await.expect_err("refused");
                assert!(error.is_unauthenticated(), "{error:?}");
            }
            assert_eq!(fake.count("POST", TOKEN), minute + 1);
            clock.advance(Duration::from_secs(61));
        }
    }

    #[tokio::test]
    async fn who_goes_away_does_not_wait_for_the_token_of_another() {
        let fake = Fake::start(|received| match received.target.as_str() {
            TOKEN => Reply::token("t").after(Duration::from_secs(2)),
            _ => Reply::new(200, "{}"),
        })
        .await;
        let (atlas, gone) = (fake.bearer_client(), CancellationToken::new());
        let leaving = atlas.until(&gone);
        let (first, second) = tokio::join!(atlas.who_am_i(budget(10)), async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let waits = leaving.who_am_i(budget(10));
            let leaves = async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                gone.cancel();
            };
            let both = async { tokio::join!(waits, leaves).0 };
            tokio::time::timeout(Duration::from_secs(1), both).await
        });
        first.expect("an answer");
        let error = second.expect("at once").expect_err("nobody waits");
        assert!(!error.may_have_taken_effect(), "{error:?}");
        assert_eq!(fake.requests().len(), 2);
    }

    #[tokio::test]
    async fn a_token_is_renewed_before_it_ends() {
        let fake = minting(|_| true).await;
        let clock = test_clock();
        let atlas = fake.bearer_client_at(clock.clone());
        for (turned, minted) in [(0, 1), (54, 1), (2, 2), (54, 2), (2, 3)] {
            clock.advance(Duration::from_mins(turned));
            ask(&atlas).await;
            assert_eq!(fake.count("POST", TOKEN), minted, "after {turned} minutes");
        }
    }

    #[tokio::test]
    async fn a_failed_early_renewal_leaves_the_old_token_in_use() {
        let minted = AtomicUsize::new(0);
        let fake = Fake::start(move |received| match received.target.as_str() {
            TOKEN if minted.fetch_add(1, Ordering::Relaxed) == 0 => Reply::token("t1"),
            TOKEN => Reply::new(400, r#"{"error":"invalid_grant"}"#),
            _ => Reply::new(200, "{}"),
        })
        .await;
        let clock = test_clock();
        let atlas = fake.bearer_client_at(clock.clone());
        ask(&atlas).await;
        clock.advance(Duration::from_mins(56));
        ask(&atlas).await;
        ask(&atlas).await;
        assert_eq!(fake.count("POST", TOKEN), 2);
        clock.advance(Duration::from_mins(4));
        let error = atlas.who_am_i(budget(5)).await.expect_err("no token");
        assert_eq!(error.code(), Some("invalid_grant"));
    }

    #[tokio::test]
    async fn a_wrong_secret_is_tried_once_for_all_who_wait() {
        let fake = Fake::start(|_| {
            let body = r#"{"error":"invalid_client","error_description":"Invalid credentials"}"#;
            Reply::new(401, body).after(Duration::from_millis(50))
        })
        .await;
        let atlas = fake.bearer_client();
        let outcomes = join_all((0..20).map(|_| atlas.who_am_i(budget(5)))).await;
        for outcome in outcomes {
            let error = outcome.expect_err("refused");
            assert_eq!(error.code(), Some("invalid_client"), "{error:?}");
        }
        assert_eq!(fake.requests().len(), 1);
    }
}
