//! Makes ids and credentials in the forms Atlas uses, and knows those forms.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use serde_json::json;

/// Prefix of every client id. Source: Atlas API, `clientId` pattern.
pub(crate) const CLIENT_ID_PREFIX: &str = "mdb_sa_id_";
/// Prefix of every client secret.
pub(crate) const SECRET_PREFIX: &str = "mdb_sa_sk_";

static COUNTER: AtomicU32 = AtomicU32::new(0);
static MACHINE: LazyLock<[u8; 5]> = LazyLock::new(random);

/// `N` random bytes.
#[expect(
    clippy::expect_used,
    reason = "a machine without randomness can serve nothing; the call fails only there"
)]
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the machine gives random bytes");
    bytes
}

/// Lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|nibble| char::from(DIGITS[usize::from(nibble)]))
        .collect()
}

/// A 24-digit id: seconds, five random bytes, a counter. Later ids sort after earlier ones, as
/// long as the clock is not reset.
pub(crate) fn object_id(now: DateTime<Utc>) -> String {
    let seconds = u32::try_from(now.timestamp()).unwrap_or(u32::MAX);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let mut bytes = [0; 12];
    bytes[..4].copy_from_slice(&seconds.to_be_bytes());
    bytes[4..9].copy_from_slice(&*MACHINE);
    bytes[9..].copy_from_slice(&count[1..]);
    hex(&bytes)
}

/// A client id.
pub(crate) fn client_id(now: DateTime<Utc>) -> String {
    format!("{CLIENT_ID_PREFIX}{}", object_id(now))
}

/// Eight lower-case letters.
pub(crate) fn public_key() -> String {
    letters(b"abcdefghijklmnopqrstuvwxyz", &random::<8>())
}

/// A private key: the form of a UUID.
pub(crate) fn private_key() -> String {
    uuid()
}

/// A UUID, as Azure names its things.
pub(crate) fn uuid() -> String {
    let digits = hex(&random::<16>());
    [
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..],
    ]
    .join("-")
}

/// A client secret: the prefix and 40 characters.
pub(crate) fn client_secret() -> String {
    const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    format!("{SECRET_PREFIX}{}", letters(ALPHABET, &random::<40>()))
}

/// A password of an application in Azure: 40 characters.
pub(crate) fn azure_secret() -> String {
    const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.~";
    letters(ALPHABET, &random::<40>())
}

/// The secret of an AI model key: its prefix and 43 letters and digits. Source: the description's example.
pub(crate) fn model_key_secret() -> String {
    const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    format!("al-{}", letters(ALPHABET, &random::<43>()))
}

/// `length` lower-case letters and digits, for ids that are not hexadecimal.
pub(crate) fn lower_case_id() -> String {
    letters(b"abcdefghijklmnopqrstuvwxyz0123456789", &random::<24>())
}

/// A digest nonce: 32 characters of base64, `+` and `/` among them.
pub(crate) fn nonce() -> String {
    STANDARD.encode(random::<24>())
}

/// An access token that looks like a JWT; nobody can verify its signature.
pub(crate) fn access_token(client_id: &str, now: DateTime<Utc>, lifetime_seconds: u64) -> String {
    let issued = now.timestamp();
    let expires = issued.saturating_add_unsigned(lifetime_seconds);
    let header = json!({"alg": "ES512", "typ": "JWT", "kid": "atlas-sim"});
    let claims = json!({
        "iss": "https://atlas-sim.invalid", "aud": "api://admin", "sub": client_id,
        "actorId": client_id, "iat": issued, "exp": expires, "jti": hex(&random::<16>()),
    });
    [
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(claims.to_string()),
        URL_SAFE_NO_PAD.encode(random::<132>()),
    ]
    .join(".")
}

fn letters(alphabet: &[u8], bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| char::from(alphabet[usize::from(*byte) % alphabet.len()]))
        .collect()
}

/// 24 lower-case hex digits.
pub(crate) fn is_object_id(text: &str) -> bool {
    text.len() == 24
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// `^mdb_sa_id_[a-fA-F\d]{24}$`
pub(crate) fn is_client_id(text: &str) -> bool {
    text.strip_prefix(CLIENT_ID_PREFIX)
        .is_some_and(|rest| rest.len() == 24 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_has_the_form_it_should() {
        let now = DateTime::<Utc>::UNIX_EPOCH;
        assert!(is_object_id(&object_id(now)));
        assert!(object_id(now) < object_id(now));
        assert!(is_client_id(&client_id(now)));
        assert_eq!(public_key().len(), 8);
        assert_eq!(private_key().len(), 36);
        assert_eq!(nonce().len(), 32);
        assert_eq!(access_token("x", now, 5).split('.').count(), 3);
    }

    #[test]
    fn other_forms_are_no_ids() {
        assert!(!is_object_id("507F1f77bcf86cd799439011"));
        assert!(!is_object_id("507f1f77"));
        assert!(!is_client_id("507f1f77bcf86cd799439011"));
    }
}
