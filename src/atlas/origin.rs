//! Where requests go, and with them secrets: scheme, host and port of an address.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::Url;

use super::settings::{Settings, SettingsError};

/// The scheme, host and effective port of a base address: two addresses of one origin lead to the
/// same server, two origins never count as the same.
///
/// The host is in lower case and without a trailing dot; a port that is the scheme's own is left out.
/// Made only from addresses that credentials may be sent to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Origin(String);

impl Origin {
    /// The origin of an address that was checked.
    pub(super) fn of(base_url: &Url) -> Self {
        let scheme = base_url.scheme();
        // The parser has lower-cased it, and put addresses into their one form.
        let host = base_url.host_str().unwrap_or_default();
        let host = host.strip_suffix('.').unwrap_or(host);
        // The parser drops a port that is the scheme's own.
        Self(match base_url.port() {
            Some(port) => format!("{scheme}://{host}:{port}"),
            None => format!("{scheme}://{host}"),
        })
    }

    /// As it is stored and shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Origin {
    type Err = SettingsError;

    fn from_str(text: &str) -> Result<Self, SettingsError> {
        Settings::base_url(text).map(|url| Self::of(&url))
    }
}

impl TryFrom<String> for Origin {
    type Error = SettingsError;

    fn try_from(text: String) -> Result<Self, SettingsError> {
        text.parse()
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> Self {
        origin.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> String {
        text.parse::<Origin>().expect("an origin").to_string()
    }

    #[test]
    fn spellings_of_one_origin_are_the_same() {
        for spelling in [
            "https://cloud.mongodb.com",
            "https://cloud.mongodb.com/",
            "https://cloud.mongodb.com:443",
            "https://Cloud.MongoDB.com.",
            "HTTPS://CLOUD.MONGODB.COM.:443/",
        ] {
            assert_eq!(origin(spelling), "https://cloud.mongodb.com", "{spelling}");
        }
        assert_eq!(origin("http://[0:0::1]:80/"), "http://[::1]");
        assert_eq!(origin("https://[2001:DB8::1]"), "https://[2001:db8::1]");
        assert_eq!(origin("http://127.1:8080"), "http://127.0.0.1:8080");
    }

    #[test]
    fn what_leads_elsewhere_is_another_origin() {
        let all = [
            "https://cloud.mongodb.com",
            "https://cloud.mongodb.com:8443",
            "https://cloud.mongodbgov.com",
            "http://localhost",
            "https://localhost",
            "http://127.0.0.1",
            "http://127.0.0.2",
            "http://[::1]",
        ];
        let origins: std::collections::BTreeSet<_> = all.iter().map(|text| origin(text)).collect();
        assert_eq!(origins.len(), all.len());
    }

    #[test]
    fn what_is_no_bare_address_is_no_origin() {
        for wrong in [
            "",
            "cloud.mongodb.com",
            "https://user@cloud.mongodb.com",
            "https://cloud.mongodb.com/api",
            "https://cloud.mongodb.com?x",
            "https://cloud.mongodb.com#x",
            "http://cloud.mongodb.com",
        ] {
            assert!(wrong.parse::<Origin>().is_err(), "{wrong}");
            let stored = format!("{wrong:?}");
            assert!(serde_json::from_str::<Origin>(&stored).is_err(), "{wrong}");
        }
    }

    #[test]
    fn it_is_stored_as_its_text() {
        let origin: Origin = serde_json::from_str("\"https://A.example:443\"").expect("read");
        let stored = serde_json::to_string(&origin).expect("written");
        assert_eq!(stored, "\"https://a.example\"");
    }
}
