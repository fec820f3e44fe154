//! Versioned media types: which version a request asks for, which one it is served.

use crate::errors::ApiError;
use crate::http::Incoming;
use crate::settings::{Settings, Verdict};
use crate::unversioned;

/// Published version dates. Source: mongodb/atlas-sdk-go `openapi/versions.json`.
const PUBLISHED: [&str; 10] = [
    "2023-01-01",
    "2023-02-01",
    "2023-10-01",
    "2023-11-15",
    "2024-05-30",
    "2024-08-05",
    "2024-10-23",
    "2024-11-13",
    "2025-02-19",
    "2025-03-12",
];

/// First (and here only) version of an operation.
pub(crate) type Version = &'static str;

/// Checks `Accept` against the operation's version and tells the version to serve, which without
/// versions is always the same.
pub(crate) fn negotiate(
    incoming: &Incoming,
    first: Version,
    settings: &Settings,
) -> Result<Version, ApiError> {
    if unversioned::is_asked(incoming.path()) {
        return unversioned::negotiate(incoming, settings);
    }
    let accept = incoming.headers.get_all("accept").iter();
    let asked = accept
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .find_map(versioned_date);
    let served = match asked {
        Some(date) if !PUBLISHED.contains(&date) => None,
        Some(date) if date < first && settings.version_before_first == Verdict::Refuse => None,
        Some(_) => Some(first),
        None => None,
    };
    served.ok_or_else(|| {
        let detail = "Invalid accept header or version date.";
        ApiError::set(&settings.bad_version, detail).with(asked.unwrap_or_default())
    })
}

/// Checks the media type of a request body: the versioned one of any published date, or plain JSON.
pub(crate) fn check_content_type(incoming: &Incoming, settings: &Settings) -> Result<(), ApiError> {
    if settings.other_content_type == Verdict::Accept {
        return Ok(());
    }
    let given = incoming.header("content-type");
    let versioned = || versioned_date(given).is_some_and(|date| PUBLISHED.contains(&date));
    if unversioned::is_plain(given) || (!unversioned::is_asked(incoming.path()) && versioned()) {
        return Ok(());
    }
    let detail = "The media type of the request body is not supported.";
    Err(ApiError::set(&settings.unsupported_content_type, detail).with(given))
}

/// The `Content-Type` of an answer in this version.
pub(crate) fn content_type(version: Version) -> String {
    if version == unversioned::VERSION {
        return unversioned::MEDIA_TYPE.to_owned();
    }
    format!("application/vnd.atlas.{version}+json;charset=utf-8")
}

fn media_type(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

fn versioned_date(value: &str) -> Option<&str> {
    media_type(value)
        .strip_prefix("application/vnd.atlas.")?
        .strip_suffix("+json")
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use axum::body::Bytes;
    use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};

    use super::*;

    fn request(name: &'static str, value: &str) -> Incoming {
        let mut headers = HeaderMap::new();
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_str(value).unwrap(),
        );
        Incoming {
            method: Method::GET,
            target: "/".to_owned(),
            headers,
            body: Bytes::new(),
            socket: IpAddr::V4(Ipv4Addr::LOCALHOST),
        }
    }

    #[test]
    fn a_later_published_date_gets_the_operations_version() {
        let settings = Settings::default();
        let served = |accept: &str, first| {
            negotiate(&request("accept", accept), first, &settings).map_err(|error| error.status)
        };
        let newest = "application/vnd.atlas.2025-03-12+json";
        assert_eq!(served(newest, "2023-01-01"), Ok("2023-01-01"));
        assert_eq!(
            served("application/vnd.atlas.2023-01-01+json", "2024-08-05"),
            Err(406)
        );
        assert_eq!(
            served("application/vnd.atlas.2024-01-01+json", "2023-01-01"),
            Err(406)
        );
        assert_eq!(served("application/json", "2023-01-01"), Err(406));
        assert_eq!(served("*/*", "2023-01-01"), Err(406));
    }

    #[test]
    fn other_media_types_are_refused() {
        let settings = Settings::default();
        let check = |value: &str| check_content_type(&request("content-type", value), &settings);
        assert!(check("application/json; charset=utf-8").is_ok());
        assert!(check("application/vnd.atlas.2025-03-12+json").is_ok());
        assert!(check("application/vnd.atlas.2025-03-13+json").is_err());
        assert!(check("text/plain").is_err());
        assert!(check("").is_err());
    }
}
