//! The client's own access token: minted once for all who wait, renewed early, dropped when refused.
//!
//! How a token is minted is `oauth.rs`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::BoxFuture;
use http::HeaderValue;
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use crate::base::Sensitive;

use super::call::Patience;
use super::client::Atlas;
use super::error::{AtlasError, TransportFault};
use super::ids::ClientId;
use super::oauth::{AccessToken, MINT_TOKEN};

/// A token is renewed this long before its end, or in the last fifth of a short life.
const EARLY: TimeDelta = TimeDelta::minutes(5);
/// A token this close to its end is not used any more: it could die on the way.
const MARGIN: TimeDelta = TimeDelta::seconds(10);
/// The longest a call waits for an early renewal; the old token still works.
const EARLY_RENEWAL_WAIT: Duration = Duration::from_secs(5);
/// The pause after an early renewal that failed.
const RENEWAL_PAUSE: TimeDelta = TimeDelta::seconds(30);

/// A token in the cache, ready as a header.
pub(super) struct CachedToken {
    token: AccessToken,
    header: HeaderValue,
}

impl CachedToken {
    pub(super) fn header(&self) -> HeaderValue {
        self.header.clone()
    }

    /// The token itself.
    pub(super) fn value(&self) -> &Sensitive {
        &self.token.value
    }

    fn is_usable(&self, now: DateTime<Utc>) -> bool {
        now < self.token.expires_at - MARGIN
    }
}

#[derive(Default)]
struct State {
    token: Option<Arc<CachedToken>>,
    renew_at: DateTime<Utc>,
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
        }
    }

    /// Takes the token out, for revoking it.
    pub(super) fn take(&self) -> Option<Arc<CachedToken>> {
        self.locked().token.take()
    }

    fn at_hand(&self, now: DateTime<Utc>) -> AtHand {
        let state = self.locked();
        match &state.token {
            Some(token) if token.is_usable(now) && now < state.renew_at => {
                AtHand::Fresh(Arc::clone(token))
            }
            Some(token) if token.is_usable(now) => AtHand::Aging(Arc::clone(token)),
            _ => AtHand::Nothing(state.refusals),
        }
    }

    fn store(&self, token: AccessToken, now: DateTime<Utc>) -> Option<Arc<CachedToken>> {
        let mut header = HeaderValue::try_from(format!("Bearer {}", token.value.expose())).ok()?;
        header.set_sensitive(true);
        let life = token.expires_at - now;
        let renew_at = token.expires_at - EARLY.min(life / 5);
        let cached = Arc::new(CachedToken { token, header });
        let mut state = self.locked();
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

    fn postpone_renewal(&self, now: DateTime<Utc>) {
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
        patience: Patience,
    ) -> BoxFuture<'a, Result<Arc<CachedToken>, AtlasError>> {
        Box::pin(async move {
            match cache.at_hand(self.clock().now()) {
                AtHand::Fresh(token) => Ok(token),
                AtHand::Aging(token) => Ok(self.renew_early(cache, token, patience).await),
                AtHand::Nothing(refusals) => self.wait_and_mint(cache, refusals, patience).await,
            }
        })
    }

    /// Renews a token that still works; whoever comes while that happens takes the old one.
    async fn renew_early(
        &self,
        cache: &TokenCache,
        old: Arc<CachedToken>,
        patience: Patience,
    ) -> Arc<CachedToken> {
        let Ok(_minting) = cache.minting.try_lock() else {
            return old;
        };
        let deadline = patience.deadline.min(Instant::now() + EARLY_RENEWAL_WAIT);
        match self
            .mint_into(
                cache,
                Patience {
                    deadline,
                    ..patience
                },
            )
            .await
        {
            Ok(token) => token,
            Err(error) => {
                warn!(%error, "the access token could not be renewed early");
                cache.postpone_renewal(self.clock().now());
                old
            }
        }
    }

    async fn wait_and_mint(
        &self,
        cache: &TokenCache,
        refusals: u64,
        patience: Patience,
    ) -> Result<Arc<CachedToken>, AtlasError> {
        let minting = timeout_at(patience.deadline, cache.minting.lock()).await;
        let _minting = minting.map_err(|_| AtlasError::NoAnswer {
            operation: MINT_TOKEN,
            attempts: 0,
            source: TransportFault::NoTimeLeft,
        })?;
        match cache.at_hand(self.clock().now()) {
            AtHand::Fresh(token) | AtHand::Aging(token) => return Ok(token),
            AtHand::Nothing(_) => {}
        }
        if let Some(refusal) = cache.refused_since(refusals) {
            return Err(refusal);
        }
        self.mint_into(cache, patience).await
    }

    async fn mint_into(
        &self,
        cache: &TokenCache,
        patience: Patience,
    ) -> Result<Arc<CachedToken>, AtlasError> {
        let now = self.clock().now();
        let minted = self
            .mint_token(&cache.client_id, &cache.client_secret, patience)
            .await;
        let token = minted.inspect_err(|error| cache.remember_refusal(error))?;
        cache
            .store(token, now)
            .ok_or_else(super::oauth::unusable_token)
    }
}
