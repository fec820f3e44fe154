//! HTTP Digest sign-in with a programmatic API key: the challenge and the answer to it.
//!
//! Only what Atlas uses: MD5 with `qop=auth`. Sources: RFC 7616, and the challenges that Atlas
//! sends. Which nonce is used when is `nonces.rs`.

use std::fmt::Write as _;
use std::str;

use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue, Method};
use md5::{Digest as _, Md5};

use crate::base::{Entropy, Sensitive};

/// A server's invitation to sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Challenge {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    /// As the server spelled it; absent means MD5.
    algorithm: Option<String>,
    /// The nonce that was used is too old, while name and password may be right.
    pub(super) stale: bool,
}

impl Challenge {
    /// The first challenge in the headers that can be answered.
    pub(super) fn find(headers: &HeaderMap) -> Option<Self> {
        headers
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(parse_challenges)
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("digest"))
            .find_map(|(_, parameters)| Self::from_parameters(&parameters))
    }

    /// Whether realm, nonce and opaque are the same.
    #[cfg(any(test, fuzzing))]
    pub(super) fn asks_the_same(&self, other: &Self) -> bool {
        let asked = |challenge: &Self| {
            let Self {
                realm,
                nonce,
                opaque,
                ..
            } = challenge.clone();
            (realm, nonce, opaque)
        };
        asked(self) == asked(other)
    }

    fn from_parameters(parameters: &[(String, String)]) -> Option<Self> {
        let value = |name: &str| {
            let mut matching = parameters
                .iter()
                .filter(|(n, _)| n.eq_ignore_ascii_case(name));
            matching.next().map(|(_, value)| value.clone())
        };
        let algorithm = value("algorithm");
        let knows_md5 = algorithm
            .as_ref()
            .is_none_or(|name| name.eq_ignore_ascii_case("MD5"));
        let offers_auth = value("qop")?
            .split(',')
            .any(|word| word.trim().eq_ignore_ascii_case("auth"));
        (knows_md5 && offers_auth).then_some(())?;
        Some(Self {
            realm: value("realm")?,
            nonce: value("nonce")?,
            opaque: value("opaque"),
            algorithm,
            stale: value("stale").is_some_and(|word| word.eq_ignore_ascii_case("true")),
        })
    }
}

/// A scheme and its parameters.
pub(super) type Offer = (String, Vec<(String, String)>);

/// Splits the value of a `WWW-Authenticate` header into schemes and their parameters.
///
/// Source: RFC 9110, section 11.6.1. What does not fit the grammar is passed over.
pub(super) fn parse_challenges(text: &str) -> Vec<Offer> {
    let mut offers: Vec<Offer> = Vec::new();
    for item in split_outside_quotes(text) {
        let name_end = item.find(['=', ' ', '\t', '"']).unwrap_or(item.len());
        let (word, rest) = item.split_at(name_end);
        let parameter = rest.trim_start();
        if let Some(value) = parameter.strip_prefix('=') {
            if let Some((_, parameters)) = offers.last_mut() {
                parameters.push((word.to_owned(), unquote(value.trim())));
            }
        } else {
            // A scheme, perhaps with its first parameter behind a blank.
            let first = parameter.split_once('=');
            let first = first.map(|(name, value)| (name.trim().to_owned(), unquote(value.trim())));
            offers.push((word.to_owned(), first.into_iter().collect()));
        }
    }
    offers
}

/// The items between commas, where a comma inside quotes separates nothing.
fn split_outside_quotes(text: &str) -> Vec<&str> {
    let mut items = Vec::new();
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (position, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                items.push(text[start..position].trim());
                start = position + 1;
            }
            _ => {}
        }
    }
    items.push(text[start..].trim());
    items.retain(|item| !item.is_empty());
    items
}

/// A token as it is, a quoted string without its quotes and escapes.
fn unquote(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"') else {
        return value.to_owned();
    };
    let inner = inner.strip_suffix('"').unwrap_or(inner);
    let mut escaped = false;
    inner
        .chars()
        .filter(|c| {
            escaped = *c == '\\' && !escaped;
            !escaped
        })
        .collect()
}

fn quote(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A nonce and how often it has been used.
#[derive(Debug)]
pub(super) struct Nonce {
    challenge: Challenge,
    uses: u32,
}

impl Nonce {
    pub(super) fn new(challenge: Challenge) -> Self {
        Self { challenge, uses: 0 }
    }

    /// How many requests were signed with it.
    pub(super) fn uses(&self) -> u32 {
        self.uses
    }

    /// Signs a request; each call counts the nonce up. `None` once it is used up.
    pub(super) fn sign(
        &mut self,
        key: &DigestKey,
        method: &Method,
        target: &str,
        entropy: &dyn Entropy,
    ) -> Option<HeaderValue> {
        let mut random = [0; 8];
        entropy.fill(&mut random);
        self.uses = self.uses.checked_add(1)?;
        let text = key.answer(&self.challenge, method, target, self.uses, &hex(&random));
        let mut value = HeaderValue::try_from(text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// A public key (the user name) and its private key (the password).
pub(super) struct DigestKey {
    pub(super) public_key: String,
    pub(super) private_key: Sensitive,
}

impl DigestKey {
    /// The value of the `Authorization` header.
    fn answer(
        &self,
        challenge: &Challenge,
        method: &Method,
        target: &str,
        count: u32,
        cnonce: &str,
    ) -> String {
        let Challenge { realm, nonce, .. } = challenge;
        let ha1 = md5_hex([self.public_key.as_str(), realm, self.private_key.expose()]);
        let ha2 = md5_hex([method.as_str(), target]);
        let count = format!("{count:08x}");
        let response = md5_hex([ha1.as_str(), nonce, &count, cnonce, "auth", &ha2]);
        let mut text = format!(
            "Digest username={}, realm={}, nonce={}, uri={}, response=\"{response}\", \
             cnonce=\"{cnonce}\", qop=auth, nc={count}",
            quote(&self.public_key),
            quote(realm),
            quote(nonce),
            quote(target),
        );
        if let Some(algorithm) = &challenge.algorithm {
            // RFC 7616 has it without quotes; quoted is what clients known to work with Atlas send.
            let _ = write!(text, ", algorithm={}", quote(algorithm));
        }
        if let Some(opaque) = &challenge.opaque {
            let _ = write!(text, ", opaque={}", quote(opaque));
        }
        text
    }
}

/// MD5 of the parts with colons between them, without ever joining them in memory.
fn md5_hex<const N: usize>(parts: [&str; N]) -> String {
    let mut md5 = Md5::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            md5.update(b":");
        }
        md5.update(part.as_bytes());
    }
    hex(&md5.finalize())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::SystemEntropy;

    fn challenge(text: &str) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_str(text).ok()?);
        Challenge::find(&headers)
    }

    #[test]
    fn the_example_of_rfc_7616_comes_out() {
        let challenge = challenge(
            "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=MD5, \
             nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
             opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"",
        )
        .expect("a challenge");
        let key = DigestKey {
            public_key: "Mufasa".to_owned(),
            private_key: Sensitive::new("Circle of Life".to_owned()),
        };
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        let text = key.answer(&challenge, &Method::GET, "/dir/index.html", 1, cnonce);
        assert!(
            text.contains("response=\"8ca523f5e9506fed4657c9700eebdbec\""),
            "{text}"
        );
        assert!(text.contains("nc=00000001"), "{text}");
        assert!(
            text.contains("opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""),
            "{text}"
        );
    }

    #[test]
    fn the_challenge_of_atlas_is_read() {
        let challenge = challenge(
            "Digest realm=\"MMS Public API\", domain=\"\", nonce=\"a+b/c,d=\", algorithm=MD5, \
             qop=\"auth\", stale=true",
        )
        .expect("a challenge");
        assert_eq!(challenge.realm, "MMS Public API");
        assert_eq!(challenge.nonce, "a+b/c,d=");
        assert_eq!(challenge.opaque, None);
        assert!(challenge.stale);
    }

    #[test]
    fn the_right_one_of_several_challenges_is_taken() {
        let digest = "digest REALM=r, Nonce=\"n\", qop=auth";
        for text in [
            format!("Basic realm=\"a, b\", Negotiate, {digest}"),
            format!("{digest}, Bearer"),
            format!("Digest realm=r, nonce=x, qop=auth, algorithm=SHA-256, {digest}"),
            format!("Digest realm=r, nonce=x, {digest}"),
        ] {
            assert_eq!(challenge(&text).expect("one").nonce, "n", "{text}");
        }
    }

    #[test]
    fn what_cannot_be_answered_is_passed_over() {
        for text in [
            "",
            "Bearer realm=\"x\"",
            "Digest",
            "Digest realm=\"x\", nonce=\"n\"",
            "Digest realm=\"x\", nonce=\"n\", qop=\"auth-int\"",
            "Digest realm=\"x\", qop=auth",
            "Digest realm=\"x\", nonce=\"n\", qop=auth, algorithm=MD5-sess",
        ] {
            assert_eq!(challenge(text), None, "{text}");
        }
    }

    #[test]
    fn escapes_are_taken_off_and_put_on_again() {
        assert_eq!(unquote(r#""a\"b\\c""#), r#"a"b\c"#);
        assert_eq!(quote(r#"a"b\c"#), r#""a\"b\\c""#);
    }

    #[test]
    fn the_count_rises_with_each_use() {
        let challenge = challenge("Digest realm=r, nonce=n, qop=auth").expect("a challenge");
        let key = DigestKey {
            public_key: "abcdefgh".to_owned(),
            private_key: Sensitive::new("x".to_owned()),
        };
        let mut nonce = Nonce::new(challenge);
        for want in ["nc=00000001", "nc=00000002"] {
            let value = nonce
                .sign(&key, &Method::GET, "/", &SystemEntropy)
                .expect("a header");
            assert!(value.is_sensitive());
            assert!(value.to_str().expect("ascii").contains(want));
        }
        nonce.uses = u32::MAX;
        assert!(
            nonce
                .sign(&key, &Method::GET, "/", &SystemEntropy)
                .is_none()
        );
    }

    proptest! {
        #[test]
        fn any_text_is_answered_without_panic(text in "\\PC{0,120}") {
            let _ = parse_challenges(&text);
        }

        #[test]
        fn any_mix_of_the_grammar_is_answered(
            text in "(Digest |Basic|nonce|qop=auth|realm=|\"|\\\\|,|=| |x){0,40}"
        ) {
            let _ = challenge(&text);
        }

        #[test]
        fn quoted_values_come_back(realm in "[ -~]{0,40}", nonce in "[ -~]{1,40}") {
            let text = format!("Digest realm={}, nonce={}, qop=\"auth\"", quote(&realm), quote(&nonce));
            let read = challenge(&text).expect("a challenge");
            prop_assert_eq!(read.realm, realm);
            prop_assert_eq!(read.nonce, nonce);
        }
    }
}
