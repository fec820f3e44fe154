//! The token endpoint: access tokens of service accounts, minted and revoked.
//!
//! OAuth 2.0 client credentials (RFC 6749) and revocation (RFC 7009). The client's own token is
//! kept in `token_cache.rs`; tokens minted here for others are the caller's.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::base::Sensitive;

use super::call::{Call, RequestBudget};
use super::client::Atlas;
use super::endpoints::{BucketKey, EndpointSet, Scope};
use super::error::{AnswerFault, AtlasError};
use super::hidden::Hidden;
use super::ids::ClientId;
use super::success::Success;

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
pub(crate) struct AccessToken {
    /// The token.
    pub value: Sensitive,
    /// When Atlas stops taking it, by this machine's clock.
    pub expires_at: DateTime<Utc>,
    /// How long it lives from when it was asked for.
    pub lifetime: Duration,
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
    pub(crate) async fn mint_token(
        &self,
        client_id: &ClientId,
        client_secret: &Sensitive,
        budget: RequestBudget,
    ) -> Result<AccessToken, AtlasError> {
        let form = Zeroizing::new(b"grant_type=client_credentials".to_vec());
        let authorization = basic(client_id, client_secret).ok_or_else(unusable_token)?;
        let bucket = bucket(EndpointSet::Tokens, client_id);
        let success = Success::MINTED;
        let call = Call::token(
            MINT_TOKEN,
            TOKEN_TARGET,
            bucket,
            authorization,
            (form, Hidden::of([client_secret])),
            success,
        );
        let asked_at = self.clock().now();
        let reply: TokenReply = self.fetch(&call, budget).await?;
        if reply.access_token.is_empty() {
            return Err(unusable_token());
        }
        let seconds = reply.expires_in.unwrap_or(USUAL_LIFE_SECONDS).into();
        Ok(AccessToken {
            value: reply.access_token,
            expires_at: asked_at + TimeDelta::seconds(seconds),
            lifetime: Duration::from_secs(seconds.unsigned_abs()),
        })
    }

    /// Revokes an access token; needs the id and a secret of the account it belongs to.
    pub(crate) async fn revoke_token(
        &self,
        client_id: &ClientId,
        client_secret: &Sensitive,
        token: &Sensitive,
        budget: RequestBudget,
    ) -> Result<(), AtlasError> {
        let encoded = utf8_percent_encode(token.expose(), FORM_VALUE);
        let form = format!("token={encoded}&token_type_hint=access_token");
        let form = Zeroizing::new(form.into_bytes());
        let authorization = basic(client_id, client_secret).ok_or_else(unusable_token)?;
        let bucket = bucket(EndpointSet::TokenRevocations, client_id);
        let success = Success::TOKEN_REVOKED;
        let call = Call::token(
            REVOKE_TOKEN,
            REVOKE_TARGET,
            bucket,
            authorization,
            (form, Hidden::of([client_secret, token])),
            success,
        );
        self.send(&call, budget).await.map(drop)
    }

    /// Revokes the client's own access token, if it has one, before the client is given up.
    pub(crate) async fn sign_out(&self, budget: RequestBudget) -> Result<(), AtlasError> {
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
            budget,
        )
        .await
    }
}

fn bucket(set: EndpointSet, client_id: &ClientId) -> BucketKey {
    let scope = Scope::Client(client_id.clone());
    BucketKey { set, scope }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atlas::fake::{Fake, Reply, budget, client_id};

    fn secret() -> Sensitive {
        Sensitive::new("mdb_sa_sk_other".to_owned())
    }

    #[tokio::test]
    async fn a_token_is_minted_and_revoked_for_any_account() {
        let fake = Fake::start(|received| match received.target.as_str() {
            REVOKE_TARGET => Reply::new(200, ""),
            _ => Reply::token("a.b-c+d"),
        })
        .await;
        let atlas = fake.digest_client();
        let minted = atlas.mint_token(&client_id(), &secret(), budget(5)).await;
        let token = minted.expect("a token").value;
        let revoked = atlas
            .revoke_token(&client_id(), &secret(), &token, budget(5))
            .await;
        revoked.expect("revoked");
        let [mint, revoke] = &fake.requests()[..] else {
            panic!("two requests");
        };
        assert_eq!(mint.line(), "POST /api/oauth/token");
        assert_eq!(mint.body, "grant_type=client_credentials");
        assert_eq!(mint.header("accept"), Some("application/json"));
        let form = Some("application/x-www-form-urlencoded");
        assert_eq!(mint.header("content-type"), form);
        assert_eq!(revoke.line(), "POST /api/oauth/revoke");
        assert_eq!(revoke.body, "token=a.b-c%2Bd&token_type_hint=access_token");
        let pair = STANDARD.encode(format!("{}:mdb_sa_sk_other", client_id()));
        let basic = format!("Basic {pair}");
        for request in [mint, revoke] {
            assert_eq!(request.header("authorization"), Some(basic.as_str()));
        }
    }

    /// A gateway shows what it was sent.
    #[tokio::test]
    async fn no_credential_is_in_an_error() {
        let fake = Fake::start(|received| {
            if received.target == TOKEN_TARGET && received.signed("Basic") {
                let other = STANDARD.encode(format!("{}:mdb_sa_sk_other", client_id()));
                if received.header("authorization") != Some(&format!("Basic {other}")) {
                    return Reply::token("token-of-its-own");
                }
            }
            let sent = received.header("authorization").unwrap_or_default();
            let detail = format!("mdb_sa_sk_other, another-token, {sent}");
            let body = serde_json::json!({
                "error": 400, "errorCode": "BAD_REQUEST", "detail": detail,
            });
            Reply::new(400, &body.to_string())
        })
        .await;
        let atlas = fake.bearer_client();
        let token = Sensitive::new("another-token".to_owned());
        let account = (client_id(), secret());
        let minted = atlas.mint_token(&account.0, &account.1, budget(5)).await;
        let revoked = atlas.revoke_token(&account.0, &account.1, &token, budget(5));
        let asked = atlas.projects(budget(5)).await;
        let errors = [
            minted.map(drop).expect_err("refused"),
            revoked.await.expect_err("refused"),
            asked.map(drop).expect_err("refused"),
        ];
        let pair = STANDARD.encode(format!("{}:mdb_sa_sk_other", client_id()));
        let [mint, revoke, ask] = errors.map(|error| format!("{error} {error:?}"));
        assert!(
            !mint.contains("mdb_sa_sk_other") && !mint.contains(&pair),
            "{mint}"
        );
        assert!(
            !revoke.contains("mdb_sa_sk_other") && !revoke.contains(&pair),
            "{revoke}"
        );
        assert!(!revoke.contains("another-token"), "{revoke}");
        assert!(!ask.contains("token-of-its-own"), "{ask}");
        for told in [mint, revoke, ask] {
            assert!(told.contains("BAD_REQUEST"), "{told}");
        }
    }

    #[tokio::test]
    async fn both_shapes_of_429_are_distinguished_from_failures() {
        for body in [
            r#"{"error":429,"errorCode":"RATE_LIMITED","parameters":["/api/oauth/token",10,1]}"#,
            r#"{"error":"rate_limited","error_description":"Resource is limited to 10 requests."}"#,
        ] {
            let fake = Fake::start(|_| Reply::new(429, body)).await;
            let atlas = fake.digest_client();
            let outcome = atlas.mint_token(&client_id(), &secret(), budget(2)).await;
            let error = outcome.expect_err("limited");
            assert!(matches!(error, AtlasError::RateLimited { .. }), "{error:?}");
            assert_eq!(fake.requests().len(), 1);
        }
    }

    #[tokio::test]
    async fn signing_out_revokes_the_own_token_once() {
        let fake = Fake::start(|received| match received.target.as_str() {
            TOKEN_TARGET => Reply::token("t"),
            REVOKE_TARGET => Reply::new(200, ""),
            _ => Reply::new(200, "{}"),
        })
        .await;
        let atlas = fake.bearer_client();
        atlas.sign_out(budget(5)).await.expect("nothing to do");
        assert_eq!(fake.requests().len(), 0);
        atlas.who_am_i(budget(5)).await.expect("an answer");
        for _ in 0..2 {
            atlas.sign_out(budget(5)).await.expect("revoked");
        }
        assert_eq!(fake.count("POST", REVOKE_TARGET), 1);
    }

    /// Answers of a gateway that never asked Atlas: the token may be alive.
    #[tokio::test]
    async fn a_token_is_revoked_only_by_an_empty_200() {
        for reply in [
            Reply::new(200, "<html>").with("content-type", "text/html"),
            Reply::new(200, "{}"),
            Reply::new(202, ""),
            Reply::new(204, ""),
            Reply::new(404, r#"{"status":404,"error":"Not Found"}"#),
        ] {
            let fake = Fake::start(move |_| reply.clone()).await;
            let revoked = fake
                .digest_client()
                .revoke_token(&client_id(), &secret(), &secret(), budget(5))
                .await;
            let error = revoked.expect_err("not revoked");
            assert!(error.outcome_unknown(), "{error:?}");
        }
    }

    #[tokio::test]
    async fn an_answer_without_a_token_is_of_no_use() {
        for body in ["{}", r#"{"access_token":""}"#, r#"{"access_token":"a\nb"}"#] {
            let reply = Reply::new(200, body).with("content-type", "application/json");
            let fake = Fake::start(move |_| reply.clone()).await;
            let error = fake
                .bearer_client()
                .who_am_i(budget(2))
                .await
                .expect_err("no token");
            assert!(
                matches!(error, AtlasError::MalformedAnswer { .. }),
                "{error:?}"
            );
            assert!(!error.outcome_unknown());
        }
    }
}
