//! HTTP Digest as Atlas challenges it: MD5, `qop=auth`, no `opaque`.

use std::collections::{HashMap, VecDeque};

use chrono::{DateTime, Utc};
use md5::{Digest as _, Md5};

use crate::clock::after;
use crate::core::{Core, Principal};
use crate::errors::ApiError;
use crate::http::Incoming;
use crate::ids;
use crate::settings::{Settings, Verdict};
use crate::state::ApiKey;

/// Realm of every challenge.
const REALM: &str = "MMS Public API";
/// Nonces kept at most; the oldest is forgotten first, and then counts as expired.
const MAX_NONCES: usize = 200_000;

/// The nonces given out, with the last count each was used with.
#[derive(Debug, Default)]
pub(crate) struct Nonces {
    known: HashMap<String, Nonce>,
    order: VecDeque<String>,
}

#[derive(Debug)]
struct Nonce {
    given_at: DateTime<Utc>,
    last_count: u32,
}

impl Nonces {
    fn give(&mut self, now: DateTime<Utc>) -> String {
        while self.order.len() >= MAX_NONCES {
            if let Some(oldest) = self.order.pop_front() {
                self.known.remove(&oldest);
            }
        }
        let nonce = ids::nonce();
        let entry = Nonce {
            given_at: now,
            last_count: 0,
        };
        self.known.insert(nonce.clone(), entry);
        self.order.push_back(nonce.clone());
        nonce
    }
}

/// 401 with a fresh nonce.
pub(super) fn challenge(core: &mut Core, stale: bool, now: DateTime<Utc>) -> ApiError {
    let nonce = core.nonces.give(now);
    let value = format!(
        "Digest realm=\"{REALM}\", domain=\"\", nonce=\"{nonce}\", algorithm=MD5, qop=\"auth\", stale={stale}"
    );
    super::unauthorized(core.settings.unauthorized_body).header("WWW-Authenticate", value)
}

/// What is wrong with an answer to a challenge.
enum Fault {
    /// The nonce has had its time; the rest is right.
    Stale,
    Wrong,
}

/// Checks the answer to a challenge.
pub(super) fn authenticate(
    core: &mut Core,
    incoming: &Incoming,
    now: DateTime<Utc>,
) -> Result<Principal, ApiError> {
    match verify(core, incoming, now) {
        Ok(id) => Ok(Principal::Key(id)),
        Err(fault) => {
            let stale = matches!(fault, Fault::Stale) && core.settings.digest_says_stale;
            Err(challenge(core, stale, now))
        }
    }
}

fn verify(core: &mut Core, incoming: &Incoming, now: DateTime<Utc>) -> Result<String, Fault> {
    let answer = Parameters::parse(incoming.header("authorization")).ok_or(Fault::Wrong)?;
    let count = answer.check(incoming, &core.settings).ok_or(Fault::Wrong)?;
    let key = signing_key(core, answer.value("username"), now).ok_or(Fault::Wrong)?;
    if answer.value("response") != answer.expected(key, incoming.method.as_str()) {
        return Err(Fault::Wrong);
    }
    let id = key.id.clone();
    let settings = &core.settings;
    let nonce = core
        .nonces
        .known
        .get_mut(answer.value("nonce"))
        .ok_or(Fault::Stale)?;
    if now >= after(nonce.given_at, settings.digest_nonce_seconds) {
        return Err(Fault::Stale);
    }
    if nonce.last_count > 0 && settings.digest_nonce_single_use {
        return Err(Fault::Stale);
    }
    if count <= nonce.last_count {
        return Err(Fault::Wrong);
    }
    nonce.last_count = count;
    Ok(id)
}

/// The key of this public key, if it can sign in now.
fn signing_key<'a>(core: &'a Core, public_key: &str, now: DateTime<Utc>) -> Option<&'a ApiKey> {
    let settings = &core.settings;
    let id = core.world.public_keys.get(public_key)?;
    let key = core.world.keys.get(id)?;
    let begun = now >= after(key.holder.created_at, settings.new_credential_delay_seconds);
    let over = key
        .holder
        .deleted_at
        .is_some_and(|gone| now >= after(gone, settings.deleted_key_lives_seconds));
    (begun && !over).then_some(key)
}

/// Parameters of an `Authorization: Digest` header.
struct Parameters(HashMap<String, (String, bool)>);

impl Parameters {
    /// Reads `name=value` and `name="value"`, separated by commas; no name twice.
    fn parse(header: &str) -> Option<Self> {
        let (_, mut rest) = header.split_once(' ')?;
        let mut found = HashMap::new();
        loop {
            rest = rest.trim_start();
            if rest.is_empty() {
                return Some(Self(found));
            }
            let (name, tail) = rest.split_once('=')?;
            let (value, quoted, tail) = if let Some(inner) = tail.strip_prefix('"') {
                let (value, tail) = inner.split_once('"')?;
                (value, true, tail)
            } else {
                let end = tail.find(',').unwrap_or(tail.len());
                (tail[..end].trim(), false, &tail[end..])
            };
            let name = name.trim().to_ascii_lowercase();
            if found.insert(name, (value.to_owned(), quoted)).is_some() {
                return None;
            }
            let tail = tail.trim_start();
            rest = match tail.strip_prefix(',') {
                Some(next) => next,
                None if tail.is_empty() => tail,
                None => return None,
            };
        }
    }

    fn value(&self, name: &str) -> &str {
        self.0.get(name).map_or("", |(value, _)| value)
    }

    fn quoted(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|(_, quoted)| *quoted)
    }

    /// Checks all but nonce, user and response, and gives the nonce count.
    fn check(&self, incoming: &Incoming, settings: &Settings) -> Option<u32> {
        let algorithm = self.value("algorithm");
        let unquoted_refused = settings.digest_unquoted_algorithm == Verdict::Refuse;
        let all_quoted = ["username", "realm", "nonce", "uri", "response", "cnonce"]
            .iter()
            .all(|name| self.quoted(name));
        let right = all_quoted
            && self.value("realm") == REALM
            && (algorithm == "MD5" || algorithm.is_empty())
            && (algorithm.is_empty() || self.quoted("algorithm") || !unquoted_refused)
            && self.value("qop") == "auth"
            && !self.quoted("nc")
            && !self.value("cnonce").is_empty()
            && self.value("uri") == incoming.target
            && !self.0.contains_key("opaque");
        let count = self.value("nc");
        let digits = count.len() == 8 && count.bytes().all(|byte| byte.is_ascii_hexdigit());
        (right && digits)
            .then(|| u32::from_str_radix(count, 16).ok())
            .flatten()
    }

    fn expected(&self, key: &ApiKey, method: &str) -> String {
        let user = md5(&format!("{}:{REALM}:{}", key.public_key, key.private_key));
        let request = md5(&format!("{method}:{}", self.value("uri")));
        md5(&format!(
            "{user}:{}:{}:{}:auth:{request}",
            self.value("nonce"),
            self.value("nc"),
            self.value("cnonce"),
        ))
    }
}

fn md5(text: &str) -> String {
    ids::hex(&Md5::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_with_and_without_quotes() {
        let header = r#"Digest username="a", realm="b, c",nc=00000001 , algorithm="MD5""#;
        let parameters = Parameters::parse(header).unwrap();
        assert_eq!(parameters.value("realm"), "b, c");
        assert_eq!(parameters.value("nc"), "00000001");
        assert!(parameters.quoted("algorithm") && !parameters.quoted("nc"));
    }

    #[test]
    fn broken_headers_are_refused() {
        for header in [
            "Digest",
            "Digest a",
            "Digest a=\"b",
            "Digest a=1, a=2",
            "Digest a=\"b\" c",
        ] {
            assert!(Parameters::parse(header).is_none(), "{header}");
        }
    }

    #[test]
    fn md5_is_the_known_one() {
        assert_eq!(md5("abc"), "900150983cd24fb0d6963f7d28e17f72");
    }

    #[test]
    fn nonces_are_bounded() {
        let mut nonces = Nonces::default();
        for _ in 0..=MAX_NONCES {
            nonces.give(DateTime::<Utc>::UNIX_EPOCH);
        }
        assert_eq!(nonces.known.len(), MAX_NONCES);
    }
}
