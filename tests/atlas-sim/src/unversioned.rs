//! The API before versioned media types, below `/api/atlas/v1.0`: what the Go engine speaks.
//!
//! The same API keys and access lists as in v2, under the same rules; only the media type is plain
//! JSON, and a key is assigned to a project by `PATCH`. The rest of v1.0 is not served. Source:
//! `go.mongodb.org/atlas` v0.38.0, the client library of the Go engine v0.16.

use serde_json::Value;

use crate::errors::ApiError;
use crate::http::Incoming;
use crate::operations;
use crate::settings::Settings;
use crate::versions::Version;

/// Path below which these operations live.
pub(crate) const BASE: &str = "/api/atlas/v1.0";

/// How answers tell that they are of this API.
pub(crate) const VERSION: Version = "v1.0";

/// The media type of requests and answers.
pub(crate) const MEDIA_TYPE: &str = "application/json";

/// Operations that v1.0 has.
const OPERATIONS: [&str; 13] = [
    "listOrgApiKeys",
    "createOrgApiKey",
    "getOrgApiKey",
    "updateOrgApiKey",
    "deleteOrgApiKey",
    "listOrgAccessEntries",
    "createOrgAccessEntry",
    "getOrgAccessEntry",
    "deleteAccessEntry",
    "listGroupApiKeys",
    "createGroupApiKey",
    "updateApiKeyRoles",
    "removeGroupApiKey",
];

/// Whether v1.0 has the operation of this id.
pub(crate) fn has(operation: &str) -> bool {
    OPERATIONS.contains(&operation)
}

/// Whether a path is one of this API.
pub(crate) fn is_asked(path: &str) -> bool {
    path.strip_prefix(BASE)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Checks `Accept`, which names plain JSON here.
pub(crate) fn negotiate(incoming: &Incoming, settings: &Settings) -> Result<Version, ApiError> {
    let accept = incoming.headers.get_all("accept").iter();
    let plain = accept
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(is_plain);
    plain.then_some(VERSION).ok_or_else(|| {
        let detail = "Invalid accept header.";
        ApiError::set(&settings.bad_version, detail).with(incoming.header("accept"))
    })
}

/// Whether a media type is plain JSON, whatever its parameters.
pub(crate) fn is_plain(value: &str) -> bool {
    let media = value.split(';').next().unwrap_or_default().trim();
    media.eq_ignore_ascii_case(MEDIA_TYPE)
}

/// Lets the links of an answer name this API.
pub(crate) fn relink(body: &mut Value) {
    match body {
        Value::Array(items) => items.iter_mut().for_each(relink),
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(href) if name == "href" => {
                        *href = href.replacen(operations::BASE, BASE, 1);
                    }
                    _ => relink(value),
                }
            }
        }
        _ => {}
    }
}
