//! How a client signs its calls: by Digest with an API key, or with a service account's access token.
//!
//! Knows nothing of pace and retries, which are `client.rs`'s.

use std::sync::Arc;

use http::HeaderValue;

use crate::base::{Clock, Entropy};

use super::call::{Call, Manner, RequestBudget};
use super::client::Atlas;
use super::digest::DigestKey;
use super::error::{AnswerFault, AtlasError, TransportFault};
use super::nonces::{DigestFault, DigestSignIn};
use super::retry::{Failure, refuses_credential};
use super::settings::Credential;
use super::token_cache::TokenCache;
use super::transport::{Answer, Request};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// A credential and what is kept of signing in with it.
pub(super) enum SignIn {
    Digest(DigestSignIn),
    Bearer(TokenCache),
}

impl SignIn {
    pub(super) fn new(
        credential: Credential,
        clock: &Arc<dyn Clock>,
        entropy: &Arc<dyn Entropy>,
    ) -> Self {
        match credential {
            Credential::ApiKey {
                public_key,
                private_key,
            } => {
                let key = DigestKey {
                    public_key,
                    private_key,
                };
                let (clock, entropy) = (Arc::clone(clock), Arc::clone(entropy));
                Self::Digest(DigestSignIn::new(key, clock, entropy))
            }
            Credential::ServiceAccount {
                client_id,
                client_secret,
            } => Self::Bearer(TokenCache::new(client_id, client_secret)),
        }
    }
}

impl Atlas {
    /// Signs the call and brings back Atlas's answer, whatever it is.
    pub(super) async fn exchange(
        &self,
        call: &Call,
        attempts: u32,
        budget: RequestBudget,
    ) -> Result<Answer, Failure> {
        let transport = self.transport();
        let request = self.request(call);
        let deadline = budget.deadline;
        let no_answer = |fault| Failure::no_answer(call.operation, attempts, fault);
        match (&call.manner, self.sign_in()) {
            (Manner::Token(authorization), _) => {
                let authorization = Some(authorization.clone());
                let outcome = transport.exchange(&request, authorization, deadline).await;
                outcome.map_err(no_answer)
            }
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
                self.exchange_with_token(cache, &request, budget, no_answer)
                    .await
            }
        }
    }

    /// A token that Atlas refuses is replaced once: it may have been revoked before its end. Not so
    /// one that was minted a moment ago: while Atlas refuses all tokens, each would count against the
    /// account's limit until its hour is over.
    async fn exchange_with_token(
        &self,
        cache: &TokenCache,
        request: &Request<'_>,
        budget: RequestBudget,
        no_answer: impl Fn(TransportFault) -> Failure,
    ) -> Result<Answer, Failure> {
        let RequestBudget { deadline, .. } = budget;
        let transport = self.transport();
        let token = self.own_token(cache, budget).await;
        let token = token.map_err(Failure::before_sending)?;
        let answer = transport
            .exchange(request, Some(token.header()), deadline)
            .await;
        let answer = answer.map_err(&no_answer)?;
        if !refuses_credential(&answer) || token.was_recently_replaced(self.clock().monotonic()) {
            return Ok(answer);
        }
        cache.discard(&token);
        let token = self.own_token(cache, budget).await?;
        let answer = transport
            .exchange(request, Some(token.header()), deadline)
            .await;
        answer.map_err(no_answer)
    }

    fn request<'a>(&self, call: &'a Call) -> Request<'a> {
        let (accept, content_type) = match call.manner {
            Manner::Resource => (self.media_type(), self.media_type()),
            Manner::Token(_) => (&JSON, &FORM),
        };
        let content = call.content.as_ref();
        Request {
            method: call.method.clone(),
            url: self.transport().url(&call.target),
            accept: accept.clone(),
            body: content.map(|content| (content_type.clone(), content.as_slice())),
            patience: call.patience,
        }
    }
}
