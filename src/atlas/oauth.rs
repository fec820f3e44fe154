//! The token endpoint: access tokens of service accounts, minted and revoked.
//!
//! OAuth 2.0 client credentials (RFC 6749) and revocation (RFC 7009). The client's own token is
//! kept in `token_cache.rs`; tokens minted here for others are the caller's.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::base::Sensitive;

use super::call::{Call, Patience};
use super::client::Atlas;
use super::endpoints::Scope;
use super::error::{AnswerFault, AtlasError};
use super::ids::ClientId;

/// The name of the minting call in errors.
pub(super) const MINT_TOKEN: &str = "generateServiceAccountToken";
const REVOKE_TOKEN: &str = "revokeServiceAccountToken";

const TOKEN_TARGET: &str = "/api/oauth/token";
const REVOKE_TARGET: &str = "/api/oauth/revoke";

/// Atlas's lifetime of a token, should an answer not name it.
const USUAL_LIFE_SECONDS: u32 = 3_600;
/// What a form leaves as it is: RFC 3986's unreserved characters.
const FORM_VALUE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// An access token of a service account, to be sent as `Authorization: Bearer`.
#[derive(Debug, Clone)]
pub struct AccessToken {
    /// The token.
    pub value: Sensitive,
    /// When Atlas stops taking it, by this machine's clock.
    pub expires_at: DateTime<Utc>,
}

#[derive(Deserialize)]
struct TokenReply {
    access_token: Sensitive,
    #[serde(default)]
    expires_in: Option<u32>,
}

impl Atlas {
    /// Mints an access token with the id and a secret of any service account.
    ///
    /// Atlas allows 10 a minute per account and address, and 100 live tokens per account. A wrong,
    /// expired or deleted secret is [`AtlasError::Unauthenticated`].
    pub async fn mint_token(
        &self,
        client_id: &ClientId,
        client_secret: &Sensitive,
        patience: Patience,
    ) -> Result<AccessToken, AtlasError> {
        let form = Zeroizing::new(b"grant_type=client_credentials".to_vec());
        let authorization = basic(client_id, client_secret).ok_or_else(unusable_token)?;
        let scope = Scope::Client(client_id.clone());
        let call = Call::token(MINT_TOKEN, TOKEN_TARGET, scope, authorization, form);
        let asked_at = self.clock().now();
        let reply: TokenReply = self.fetch(&call, patience).await?;
        if reply.access_token.is_empty() {
            return Err(unusable_token());
        }
        let seconds = reply.expires_in.unwrap_or(USUAL_LIFE_SECONDS);
        Ok(AccessToken {
            value: reply.access_token,
            expires_at: asked_at + TimeDelta::seconds(seconds.into()),
        })
    }

    /// Revokes an access token; needs the id and a secret of the account it belongs to.
    pub async fn revoke_token(
        &self,
        client_id: &ClientId,
        client_secret: &Sensitive,
        token: &Sensitive,
        patience: Patience,
    ) -> Result<(), AtlasError> {
        let encoded = utf8_percent_encode(token.expose(), FORM_VALUE);
        let form = format!("token={encoded}&token_type_hint=access_token");
        let form = Zeroizing::new(form.into_bytes());
        let authorization = basic(client_id, client_secret).ok_or_else(unusable_token)?;
        let scope = Scope::Client(client_id.clone());
        let call = Call::token(REVOKE_TOKEN, REVOKE_TARGET, scope, authorization, form);
        self.send(&call, patience).await.map(drop)
    }

    /// Revokes the client's own access token, if it has one, before the client is given up.
    pub async fn sign_out(&self, patience: Patience) -> Result<(), AtlasError> {
        let Some(cache) = self.token_cache() else {
            return Ok(());
        };
        let Some(token) = cache.take() else {
            return Ok(());
        };
        self.revoke_token(
            &cache.client_id,
            &cache.client_secret,
            token.value(),
            patience,
        )
        .await
    }
}

fn basic(client_id: &ClientId, client_secret: &Sensitive) -> Option<HeaderValue> {
    let pair = Zeroizing::new(format!("{client_id}:{}", client_secret.expose()));
    let text = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The answer held no token that can be sent.
pub(super) fn unusable_token() -> AtlasError {
    AtlasError::MalformedAnswer {
        operation: MINT_TOKEN,
        source: AnswerFault::Missing {
            field: "access_token",
        },
    }
}
