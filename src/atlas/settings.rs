//! What a client is made from: where Atlas is, how to speak to it, and the credential.
//!
//! Everything is checked when it is made, so that building a client cannot fail half-way later.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use aws_lc_rs::digest;
use chrono::NaiveDate;
use http::HeaderValue;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::base::Sensitive;

use super::error::BoxError;
use super::ids::ClientId;

/// Why a setting cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The base address is no address, or not one that credentials may be sent to.
    #[error("{0}")]
    BaseUrl(&'static str),
    /// The version is no date.
    #[error("give a date such as 2025-03-12")]
    ApiVersion,
    /// The PEM text holds no certificate that can be read.
    #[error("no readable certificate in PEM form")]
    CaCertificate,
    /// The credential cannot be put into a header.
    #[error("is empty, or has characters that no such credential has")]
    Credential {
        /// Which part of the credential.
        field: &'static str,
    },
    /// A text cannot be put into a header.
    #[error("user agent: only visible ASCII characters are possible")]
    UserAgent,
    /// The HTTP client could not be made, for instance for want of any trusted certificate.
    #[error("cannot set up TLS; if the platform has no trusted certificates, give ca_certificate")]
    Tls(#[source] BoxError),
}

impl SettingsError {
    /// The setting that is at fault.
    #[must_use]
    pub fn field(&self) -> &'static str {
        match self {
            Self::BaseUrl(_) => "base_url",
            Self::ApiVersion => "api_version",
            Self::CaCertificate | Self::Tls(_) => "ca_certificate",
            Self::Credential { field } => field,
            Self::UserAgent => "user agent",
        }
    }
}

/// The version of the API that requests ask for, a date.
///
/// Each operation answers in its newest version that is not after this date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ApiVersion(NaiveDate);

impl ApiVersion {
    /// The media type of requests and answers, such as `application/vnd.atlas.2025-03-12+json`.
    #[must_use]
    pub(crate) fn media_type(self) -> String {
        format!("application/vnd.atlas.{self}+json")
    }
}

impl FromStr for ApiVersion {
    type Err = SettingsError;

    fn from_str(text: &str) -> Result<Self, SettingsError> {
        let date = text.parse().map_err(|_| SettingsError::ApiVersion)?;
        let version = Self(date);
        // Chrono also reads 2025-3-12, which Atlas does not.
        if version.to_string() == text {
            Ok(version)
        } else {
            Err(SettingsError::ApiVersion)
        }
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.format("%Y-%m-%d"))
    }
}

/// One or more certificates in PEM form that are trusted beside the platform's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pem(Vec<CertificateDer<'static>>);

impl FromStr for Pem {
    type Err = SettingsError;

    fn from_str(text: &str) -> Result<Self, SettingsError> {
        let sections = CertificateDer::pem_slice_iter(text.as_bytes());
        let certificates: Result<Vec<_>, _> = sections.collect();
        match certificates {
            Ok(certificates) if !certificates.is_empty() => Ok(Self(certificates)),
            _ => Err(SettingsError::CaCertificate),
        }
    }
}

impl Pem {
    pub(super) fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.0
    }

    /// Whether a certificate is among these that is not among the others: whoever holds its key
    /// could be taken for Atlas from now on.
    #[must_use]
    pub(crate) fn adds_to(&self, others: Option<&Self>) -> bool {
        let known = |der| others.is_some_and(|others| others.0.contains(der));
        !self.0.iter().all(known)
    }

    /// By what each certificate can be known again.
    pub(crate) fn fingerprints(&self) -> impl Iterator<Item = Fingerprint> {
        self.0.iter().map(|der| Fingerprint::of(der))
    }
}

/// The SHA-256 of a certificate's DER form, in lower-case hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Fingerprint(String);

impl Fingerprint {
    fn of(der: &[u8]) -> Self {
        let digest = digest::digest(&digest::SHA256, der);
        Self(super::digest::hex(digest.as_ref()))
    }

    /// Its beginning, by which people tell one from another.
    #[must_use]
    pub(crate) fn short(&self) -> &str {
        self.0.get(..16).unwrap_or(&self.0)
    }
}

/// Where Atlas is and how it is spoken to.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Scheme, host and port; usually `https://cloud.mongodb.com`.
    pub base_url: Url,
    /// The version asked for.
    pub api_version: ApiVersion,
    /// Trusted beside the platform's certificates.
    pub ca_certificate: Option<Pem>,
    /// The longest one HTTP request may take, from connecting to the last byte of the answer.
    pub request_timeout: Duration,
    /// Sent with every request, in the form `name/version (os;arch)`.
    pub user_agent: String,
}

impl Settings {
    /// Reads a base address and checks that credentials may be sent there.
    pub(crate) fn base_url(text: &str) -> Result<Url, SettingsError> {
        let malformed = "give an address such as https://cloud.mongodb.com";
        let url = Url::parse(text).map_err(|_| SettingsError::BaseUrl(malformed))?;
        check_base_url(&url).map_err(SettingsError::BaseUrl)?;
        Ok(url)
    }

    /// Checks what the types leave open.
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        check_base_url(&self.base_url).map_err(SettingsError::BaseUrl)?;
        HeaderValue::from_str(&self.user_agent).map_err(|_| SettingsError::UserAgent)?;
        Ok(())
    }
}

fn check_base_url(url: &Url) -> Result<(), &'static str> {
    let loopback = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        // One dot ends a whole name. Of more, or of nothing before it, an origin would lose one at each
        // reading.
        Some(Host::Domain(name)) if name == "." || name.ends_with("..") => {
            return Err("give an address such as https://cloud.mongodb.com");
        }
        Some(Host::Domain(name)) => name == "localhost",
        None => return Err("give an address such as https://cloud.mongodb.com"),
    };
    if url.scheme() != "https" && !(url.scheme() == "http" && loopback) {
        return Err("must begin with https:// (http:// is for loopback addresses only)");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user name or password");
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err("must end after the host or port");
    }
    Ok(())
}

/// What the client signs in with.
#[derive(Debug, Clone)]
pub(crate) enum Credential {
    /// A programmatic API key: HTTP Digest.
    ApiKey {
        /// The user name.
        public_key: String,
        /// The password.
        private_key: Sensitive,
    },
    /// A service account: OAuth 2.0 client credentials.
    ServiceAccount {
        /// The account.
        client_id: ClientId,
        /// One of its secrets.
        client_secret: Sensitive,
    },
}

impl Credential {
    /// Checks that the parts fit into headers and cannot change their meaning.
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        let (field, fits) = match self {
            Self::ApiKey { public_key, .. } if !fits_a_header(public_key) => ("public_key", false),
            Self::ApiKey { private_key, .. } => {
                ("private_key", fits_a_header(private_key.expose()))
            }
            Self::ServiceAccount { client_secret, .. } => {
                ("client_secret", fits_a_header(client_secret.expose()))
            }
        };
        if fits {
            Ok(())
        } else {
            Err(SettingsError::Credential { field })
        }
    }
}

/// Visible ASCII without quotes, backslashes and colons, which the sign-in headers would misread.
fn fits_a_header(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base_url(text: &str) -> Result<(), &'static str> {
        check_base_url(&text.parse().expect("a URL"))
    }

    #[test]
    fn plain_http_is_for_loopback_only() {
        for fine in [
            "https://cloud.mongodb.com",
            "https://cloud.mongodbgov.com/",
            "https://cloud.mongodb.com.",
            "http://127.0.0.1:8080",
            "http://[::1]:8080/",
            "http://localhost:8080",
        ] {
            assert_eq!(base_url(fine), Ok(()), "{fine}");
        }
        for wrong in [
            "http://cloud.mongodb.com",
            "http://localhost.example.com",
            "ftp://localhost/",
            "https://user:word@cloud.mongodb.com",
            "https://cloud.mongodb.com/api",
            "https://cloud.mongodb.com/?a=b",
            "https://cloud.mongodb.com..",
            "https://.",
            "data:text/plain,x",
        ] {
            assert!(base_url(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_version_is_a_whole_date() {
        let version: ApiVersion = "2025-03-12".parse().expect("a version");
        assert_eq!(
            version.media_type(),
            "application/vnd.atlas.2025-03-12+json"
        );
        for wrong in ["", "2025-3-12", "2025-13-12", "preview", "2025-03-12 "] {
            assert!(wrong.parse::<ApiVersion>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_pem_text_without_certificates_is_refused() {
        assert!("".parse::<Pem>().is_err());
        assert!("not a certificate".parse::<Pem>().is_err());
    }

    #[test]
    fn a_credential_that_would_break_a_header_is_refused() {
        let key = |public: &str, private: &str| Credential::ApiKey {
            public_key: public.to_owned(),
            private_key: Sensitive::new(private.to_owned()),
        };
        assert!(key("abcdefgh", "6c1b0c2e-1f4d").check().is_ok());
        assert!(key("", "x").check().is_err());
        assert!(key("a\"b", "x").check().is_err());
        let error = key("abcdefgh", "line\nbreak").check().expect_err("refused");
        assert_eq!(error.field(), "private_key");
    }
}
