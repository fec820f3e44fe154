//! Who a request comes from: HTTP Digest for API keys, bearer tokens for service accounts.

mod digest;
mod oauth;

pub(crate) use digest::Nonces;
pub(crate) use oauth::answer as token_endpoint;
pub(crate) use oauth::endpoint as token_operation;

use chrono::{DateTime, Utc};

use crate::core::{Core, Principal};
use crate::errors::ApiError;
use crate::http::Incoming;
use crate::settings::{Settings, UnauthorizedBody};

/// The scheme a request signs in with, in lower case.
pub(crate) fn scheme(incoming: &Incoming) -> &'static str {
    let given = incoming.header("authorization");
    let scheme = given.split(' ').next().unwrap_or_default();
    match scheme.to_ascii_lowercase().as_str() {
        "" => "none",
        "digest" => "digest",
        "bearer" => "bearer",
        "basic" => "basic",
        _ => "other",
    }
}

/// Finds the caller, or answers 401 with a challenge.
pub(crate) fn authenticate(
    core: &mut Core,
    incoming: &Incoming,
    now: DateTime<Utc>,
) -> Result<Principal, ApiError> {
    match scheme(incoming) {
        "digest" => digest::authenticate(core, incoming, now),
        "bearer" => oauth::authenticate(core, incoming, now),
        _ => Err(digest::challenge(core, false, now)),
    }
}

fn unauthorized(body: UnauthorizedBody) -> ApiError {
    let mut error = ApiError::unauthorized();
    error.without_body = body == UnauthorizedBody::Empty;
    error
}

fn bearer_refused(settings: &Settings) -> ApiError {
    let error = unauthorized(settings.bearer_body);
    if settings.bearer_challenge {
        error.header("WWW-Authenticate", "Bearer")
    } else {
        error
    }
}
