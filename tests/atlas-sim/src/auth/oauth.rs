//! The token endpoints, and bearer tokens.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::clock::after;
use crate::core::{Core, Principal};
use crate::errors::{ApiError, reason};
use crate::http::{Incoming, Query, Reply};
use crate::ids;
use crate::settings::{Refusal, TokenLimitShape, TokenOverflow, Verdict};
use crate::state::{Account, Secret, Token};

const TOKEN_PATH: &str = "/api/oauth/token";
const REVOKE_PATH: &str = "/api/oauth/revoke";

/// The operation's name, if the path is one of the token endpoints.
pub(crate) fn endpoint(path: &str) -> Option<&'static str> {
    match path {
        TOKEN_PATH => Some("oauthToken"),
        REVOKE_PATH => Some("oauthRevoke"),
        _ => None,
    }
}

/// Finds the account of a bearer token.
pub(super) fn authenticate(
    core: &mut Core,
    incoming: &Incoming,
    now: DateTime<Utc>,
) -> Result<Principal, ApiError> {
    let header = incoming.header("authorization");
    let token = header.split_once(' ').map_or("", |(_, token)| token.trim());
    let principal = live_token(core, token, now).map(|token| Principal::Account {
        client_id: token.client_id.clone(),
        secret_id: token.secret_id.clone(),
    });
    let principal = principal.ok_or_else(|| super::bearer_refused(&core.settings))?;
    if core.settings.token_use_is_secret_use
        && let Principal::Account {
            client_id,
            secret_id,
        } = &principal
        && let Some(account) = core.world.account_mut(client_id)
        && let Some(secret) = account
            .secrets
            .iter_mut()
            .find(|secret| secret.id == *secret_id)
    {
        secret
            .last_used
            .touch(now, core.settings.secret_last_used_lag_seconds);
    }
    Ok(principal)
}

fn live_token<'a>(core: &'a Core, text: &str, now: DateTime<Utc>) -> Option<&'a Token> {
    let token = core.world.tokens.get(text)?;
    let account = core.world.accounts.get(&token.client_id)?;
    let secret_over = account
        .secret(&token.secret_id)
        .is_some_and(|secret| now >= secret.expires_at);
    let live = now < token.expires_at
        && (account.holder.exists() || !core.settings.tokens_die_with_account)
        && (!secret_over || core.settings.tokens_outlive_secret_expiry);
    live.then_some(token)
}

/// An OAuth error: status, `error`, `error_description`.
struct OauthError(u16, String, &'static str);

impl OauthError {
    fn new(status: u16, error: &str, description: &'static str) -> Self {
        Self(status, error.to_owned(), description)
    }

    fn invalid_request(description: &'static str) -> Self {
        Self::new(400, "invalid_request", description)
    }

    fn invalid_client() -> Self {
        Self::new(401, "invalid_client", "Invalid credentials provided.")
    }
}

/// Answers a request to one of the token endpoints; the second value is the client id, once proved.
pub(crate) fn answer(
    core: &mut Core,
    incoming: &Incoming,
    address: IpAddr,
    now: DateTime<Utc>,
) -> (Reply, Option<String>) {
    let client_id = basic(incoming).map_or_else(String::new, |(id, _)| id);
    if let Err(reply) = limit(core, incoming.path(), address, &client_id, now) {
        return (reply, None);
    }
    let proved = match sign_in(core, incoming, now) {
        Ok(proved) => proved,
        Err(error) => return (refused(&error), None),
    };
    let form = Query::parse(&String::from_utf8_lossy(&incoming.body));
    let outcome = if incoming.path() == TOKEN_PATH {
        mint(core, &proved, &form, now).map(Some)
    } else {
        revoke(core, &proved.client_id, &form, now).map(|()| None)
    };
    let reply = match outcome {
        Ok(Some(body)) => json_reply(200, &body),
        Ok(None) => Reply {
            status: 200,
            ..Reply::default()
        },
        Err(error) => refused(&error),
    };
    (reply, Some(proved.client_id))
}

struct Proved {
    client_id: String,
    secret_id: String,
}

fn limit(
    core: &mut Core,
    path: &str,
    address: IpAddr,
    client_id: &str,
    now: DateTime<Utc>,
) -> Result<(), Reply> {
    if path == REVOKE_PATH && !core.settings.revoke_counts_as_token_request {
        return Ok(());
    }
    let per_minute = core.settings.token_requests_per_minute;
    let taken = core
        .limits
        .take_token_request(address, client_id, now, per_minute);
    taken.map_err(|_| too_many(path, per_minute, core.settings.token_limit_shape))
}

fn too_many(path: &str, per_minute: u64, shape: TokenLimitShape) -> Reply {
    let text = format!("Resource {path} is limited to {per_minute} requests every 1 minutes.");
    let body = match shape {
        TokenLimitShape::Oauth => json!({"error": "rate_limited", "error_description": text}),
        TokenLimitShape::Atlas => json!({
            "error": 429, "errorCode": "RATE_LIMITED", "reason": reason(429), "detail": text,
            "parameters": [path, per_minute, 1],
        }),
    };
    let mut reply = json_reply(429, &body);
    reply.error_code = Some("RATE_LIMITED".to_owned());
    reply
}

fn sign_in(core: &Core, incoming: &Incoming, now: DateTime<Utc>) -> Result<Proved, OauthError> {
    if incoming.method != "POST" {
        return Err(OauthError::new(
            405,
            "invalid_request",
            "Only POST is allowed.",
        ));
    }
    let media_type = incoming
        .header("content-type")
        .split(';')
        .next()
        .unwrap_or_default();
    if !media_type
        .trim()
        .eq_ignore_ascii_case("application/x-www-form-urlencoded")
    {
        return Err(OauthError::invalid_request("The body must be a form."));
    }
    let (client_id, value) = basic(incoming).ok_or_else(OauthError::invalid_client)?;
    let account = core
        .world
        .account(&client_id)
        .ok_or_else(OauthError::invalid_client)?;
    let delay = core.settings.new_credential_delay_seconds;
    let usable = |secret: &&Secret| {
        secret.value == value && now < secret.expires_at && now >= after(secret.created_at, delay)
    };
    let secret = account
        .secrets
        .iter()
        .find(usable)
        .ok_or_else(OauthError::invalid_client)?;
    Ok(Proved {
        client_id,
        secret_id: secret.id.clone(),
    })
}

/// Client id and secret of a Basic header; both halves are percent-decoded, as RFC 6749 asks.
fn basic(incoming: &Incoming) -> Option<(String, String)> {
    let (scheme, encoded) = incoming.header("authorization").split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let decode = |half: &str| {
        percent_decode_str(half)
            .decode_utf8()
            .ok()
            .map(String::from)
    };
    Some((decode(id)?, decode(secret)?))
}

fn mint(
    core: &mut Core,
    proved: &Proved,
    form: &Query,
    now: DateTime<Utc>,
) -> Result<Value, OauthError> {
    match form.get("grant_type") {
        Some("client_credentials") => {}
        Some(_) => {
            return Err(OauthError::new(
                400,
                "unsupported_grant_type",
                "Unsupported grant type.",
            ));
        }
        None => return Err(OauthError::invalid_request("grant_type is missing.")),
    }
    let settings = &core.settings;
    let seconds = settings.token_seconds;
    let world = &mut core.world;
    let tokens = &mut world.tokens;
    let account = world
        .accounts
        .get_mut(&proved.client_id)
        .ok_or_else(OauthError::invalid_client)?;
    account.tokens.retain(|text| match tokens.get(text) {
        Some(token) if now < token.expires_at => true,
        _ => {
            tokens.remove(text);
            false
        }
    });
    if account.tokens.len() >= settings.max_tokens_per_account {
        match settings.token_overflow {
            TokenOverflow::Refuse => return Err(overflow(&settings.token_overflow_refusal)),
            TokenOverflow::DropOldest if account.tokens.is_empty() => {}
            TokenOverflow::DropOldest => {
                tokens.remove(&account.tokens.remove(0));
            }
        }
    }
    let text = ids::access_token(&proved.client_id, now, seconds);
    let token = Token {
        client_id: proved.client_id.clone(),
        secret_id: proved.secret_id.clone(),
        expires_at: after(now, seconds),
    };
    tokens.insert(text.clone(), token);
    account.tokens.push(text.clone());
    note_use(
        account,
        &proved.secret_id,
        now,
        settings.secret_last_used_lag_seconds,
    );
    Ok(json!({"access_token": text, "expires_in": seconds, "token_type": "Bearer"}))
}

fn overflow(refusal: &Refusal) -> OauthError {
    let text = "Too many live access tokens.";
    OauthError::new(refusal.status, &refusal.code, text)
}

fn note_use(account: &mut Account, secret_id: &str, now: DateTime<Utc>, lag_seconds: u64) {
    if let Some(secret) = account
        .secrets
        .iter_mut()
        .find(|secret| secret.id == secret_id)
    {
        secret.last_used.touch(now, lag_seconds);
    }
}

fn revoke(
    core: &mut Core,
    client_id: &str,
    form: &Query,
    now: DateTime<Utc>,
) -> Result<(), OauthError> {
    let text = form
        .get("token")
        .filter(|text| !text.is_empty())
        .ok_or_else(|| OauthError::invalid_request("token is missing."))?;
    if form
        .get("token_type_hint")
        .is_some_and(|hint| hint != "access_token")
    {
        return Err(OauthError::new(
            400,
            "unsupported_token_type",
            "Unsupported token type.",
        ));
    }
    let (found, own) = match live_token(core, text, now) {
        Some(token) => (true, token.client_id == client_id),
        None => (false, false),
    };
    if own {
        core.world.tokens.remove(text);
        if let Some(account) = core.world.account_mut(client_id) {
            account.tokens.retain(|token| token != text);
        }
        return Ok(());
    }
    let verdict = if found {
        core.settings.revoke_foreign_token
    } else {
        core.settings.revoke_unknown_token
    };
    match verdict {
        Verdict::Accept => Ok(()),
        Verdict::Refuse => Err(OauthError::invalid_request("The token is not valid.")),
    }
}

fn refused(error: &OauthError) -> Reply {
    let OauthError(status, code, description) = error;
    let mut reply = json_reply(
        *status,
        &json!({"error": code, "error_description": description}),
    );
    if *status == 401 {
        reply.header("WWW-Authenticate", "Basic realm=\"MMS Public API\"");
    }
    reply.error_code = Some(code.clone());
    reply
}

fn json_reply(status: u16, body: &Value) -> Reply {
    let mut reply = Reply {
        status,
        body: body.to_string().into_bytes(),
        ..Reply::default()
    };
    reply.header("Content-Type", "application/json");
    reply.header("Cache-Control", "no-store");
    reply
}
