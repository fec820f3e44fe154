//! What a request carried that nobody may read in an answer: Atlas, or a gateway before it, may repeat in
//! an error what it was sent.

use std::borrow::Cow;

use http::HeaderValue;
use zeroize::Zeroizing;

use crate::base::Sensitive;

/// What stands where a secret was.
const MARK: &str = "***";
/// What is shorter is no secret, and would be found in half of all texts.
const SHORTEST: usize = 4;
/// So many characters of a secret count as it where an answer cuts it off. An error code loses nothing
/// shorter: a few letters may be part of any.
const CUT: usize = 8;

/// The secrets of one request.
#[derive(Debug, Clone, Default)]
pub(super) struct Hidden(Vec<Sensitive>);

impl Hidden {
    /// For a request whose content nobody has to hide.
    pub(super) const NOTHING: Self = Self(Vec::new());

    /// For a request with these secrets.
    pub(super) fn of<const N: usize>(secrets: [&Sensitive; N]) -> Self {
        Self(secrets.into_iter().cloned().collect())
    }

    /// These and another one.
    pub(super) fn and(&self, other: Option<&Sensitive>) -> Self {
        Self(self.0.iter().chain(other).cloned().collect())
    }

    /// A text without them.
    pub(super) fn out_of<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.replaced(text, SHORTEST)
    }

    /// An error code without them. Decisions are taken from it.
    pub(super) fn out_of_code<'a>(&self, code: &'a str) -> Cow<'a, str> {
        self.replaced(code, CUT)
    }

    fn replaced<'a>(&self, text: &'a str, least: usize) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        for secret in self.0.iter().flat_map(forms) {
            if secret.chars().count() >= least
                && let Some(other) = without(&text, &secret)
            {
                text = Cow::Owned(other);
            }
        }
        text
    }
}

/// The credential in an `Authorization` header. Digest's is of one request alone.
pub(super) fn credential(authorization: &HeaderValue) -> Option<Sensitive> {
    let text = authorization.to_str().ok()?;
    let (scheme, credential) = text.split_once(' ')?;
    let is_it = ["Bearer", "Basic"].contains(&scheme);
    is_it.then(|| Sensitive::new(credential.to_owned()))
}

/// As it is, and as it stands in JSON that an answer repeats.
fn forms(secret: &Sensitive) -> impl Iterator<Item = Zeroizing<String>> {
    let plain = Zeroizing::new(secret.expose().to_owned());
    let json = serde_json::to_string(secret.expose()).map(Zeroizing::new);
    let json = json.ok().and_then(|quoted| {
        let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
        (inner != secret.expose()).then(|| Zeroizing::new(inner.to_owned()))
    });
    [Some(plain), json].into_iter().flatten()
}

/// The text with a mark wherever the secret or a good part of its beginning stands; [`None`]: it does
/// nowhere.
fn without(text: &str, secret: &str) -> Option<String> {
    let mut rest = text;
    let mut kept = String::new();
    let mut found = false;
    while let Some(first) = rest.chars().next() {
        let (length, is_whole) = common(rest, secret);
        let is_it = is_whole || rest[..length].chars().count() >= CUT;
        if is_it && length > 0 {
            kept.push_str(MARK);
            rest = &rest[length..];
            found = true;
        } else {
            kept.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    found.then_some(kept)
}

/// How many bytes both begin with, and whether that is the whole of the secret.
fn common(text: &str, secret: &str) -> (usize, bool) {
    let mut text = text.chars();
    let mut length = 0;
    for wanted in secret.chars() {
        if text.next() != Some(wanted) {
            return (length, false);
        }
        length += wanted.len_utf8();
    }
    (length, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "s3cr~t\"of the customer";

    fn hidden() -> Hidden {
        Hidden::of([&Sensitive::new(SECRET.to_owned())])
    }

    #[test]
    fn a_secret_goes_out_of_a_text_however_it_is_told() {
        for (text, want) in [
            ("secret: 's3cr~t\"of the customer' is", "secret: '***' is"),
            (
                r#"{"secret":"s3cr~t\"of the customer"}"#,
                r#"{"secret":"***"}"#,
            ),
            ("cut: s3cr~t\"of the cust…", "cut: ***…"),
            ("s3cr~t\"of the customers3cr~t\"of the customer", "******"),
            (
                "s3cr is no part that tells anything",
                "s3cr is no part that tells anything",
            ),
            ("", ""),
        ] {
            assert_eq!(hidden().out_of(text), want);
        }
        assert_eq!(Hidden::NOTHING.out_of("as it is"), "as it is");
    }

    #[test]
    fn a_code_keeps_its_letters_where_the_secret_is_some_of_them() {
        let short = Hidden::of([&Sensitive::new("REQUEST".to_owned())]);
        assert_eq!(short.out_of_code("BAD_REQUEST"), "BAD_REQUEST");
        assert_eq!(short.out_of("no REQUEST"), "no ***");
        let code = format!("REFUSED_{SECRET}");
        assert_eq!(hidden().out_of_code(&code), "REFUSED_***");
    }

    #[test]
    fn a_header_has_a_credential_unless_it_is_of_one_request_alone() {
        for (header, want) in [
            ("Bearer a.b-c", Some("a.b-c")),
            ("Basic YTpi", Some("YTpi")),
            ("Digest username=\"a\"", None),
        ] {
            let credential = credential(&HeaderValue::from_static(header));
            assert_eq!(credential.as_ref().map(Sensitive::expose), want);
        }
    }
}
