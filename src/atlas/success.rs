//! What counts as success of a call.
//!
//! A call succeeded only if Atlas answered a status that its description, or a recorded answer, names
//! for the operation, with the body that belongs to it. A 202, a page of HTML or an empty object may
//! come from a proxy or gateway that never asked Atlas, so they are an unknown outcome and not "done".

use http::header::CONTENT_TYPE;

use super::error::AnswerFault;
use super::transport::Answer;

/// The answers that mean success, each a status and its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Success(&'static [(u16, Content)]);

/// The body of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    /// None at all, whatever the headers say.
    Nothing,
    /// JSON in Atlas's versioned media type.
    Resource,
    /// The token endpoint's plain JSON.
    Token,
}

impl Success {
    /// Something was read, or values were set.
    pub(super) const OK: Self = Self(&[(200, Content::Resource)]);
    /// Something was made.
    pub(super) const CREATED: Self = Self(&[(201, Content::Resource)]);
    /// Something was removed.
    pub(super) const REMOVED: Self = Self(&[(204, Content::Nothing)]);
    /// A key was assigned to a project: 204 by the description; earlier versions of the operation
    /// answered 200 with the key.
    pub(super) const ASSIGNED: Self = Self(&[(204, Content::Nothing), (200, Content::Resource)]);
    /// A token was minted.
    pub(super) const MINTED: Self = Self(&[(200, Content::Token)]);
    /// A token was revoked.
    pub(super) const TOKEN_REVOKED: Self = Self(&[(200, Content::Nothing)]);

    /// Whether a 2xx answer is one of these, and if not, what is wrong with it.
    pub(super) fn check(self, answer: &Answer) -> Result<(), AnswerFault> {
        let status = answer.status.as_u16();
        let named = self.0.iter().find(|(named, _)| *named == status);
        let (_, content) = named.ok_or(AnswerFault::Status)?;
        match content {
            Content::Nothing if answer.body.trim_ascii().is_empty() => Ok(()),
            Content::Nothing => Err(AnswerFault::NotEmpty),
            Content::Resource if is_versioned(&media_type(answer)) => Ok(()),
            Content::Token if media_type(answer) == "application/json" => Ok(()),
            Content::Resource | Content::Token => Err(AnswerFault::MediaType),
        }
    }
}

/// The media type without parameters, in lower case.
fn media_type(answer: &Answer) -> String {
    let value = answer.headers.get(CONTENT_TYPE);
    let text = value.and_then(|value| value.to_str().ok());
    let essence = text.and_then(|text| text.split(';').next());
    essence.unwrap_or_default().trim().to_ascii_lowercase()
}

/// Such as `application/vnd.atlas.2023-01-01+json`. Source: Atlas documentation, "Versioned Atlas
/// Administration API Overview".
fn is_versioned(media_type: &str) -> bool {
    media_type.starts_with("application/vnd.atlas.") && media_type.ends_with("+json")
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, StatusCode};
    use zeroize::Zeroizing;

    use super::*;

    const VERSIONED: &str = "application/vnd.atlas.2023-01-01+json;charset=utf-8";

    fn answer(status: u16, media_type: &str, body: &str) -> Answer {
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_str(media_type) {
            headers.insert(CONTENT_TYPE, value);
        }
        Answer {
            status: StatusCode::from_u16(status).expect("a status"),
            headers,
            body: Zeroizing::new(body.as_bytes().to_vec()),
            signed_with: None,
        }
    }

    #[test]
    fn only_the_named_answers_are_success() {
        for (success, status, media_type, body) in [
            (Success::OK, 200, VERSIONED, "{}"),
            (
                Success::OK,
                200,
                "Application/Vnd.Atlas.2025-03-12+JSON",
                "{}",
            ),
            (Success::CREATED, 201, VERSIONED, "{}"),
            // A recorded 204 names a media type although it has no body.
            (Success::REMOVED, 204, VERSIONED, ""),
            (Success::REMOVED, 204, "", ""),
            (Success::ASSIGNED, 204, "", ""),
            (Success::ASSIGNED, 200, VERSIONED, "{}"),
            (
                Success::MINTED,
                200,
                "application/json; charset=utf-8",
                "{}",
            ),
            (Success::TOKEN_REVOKED, 200, "text/plain", " \n"),
        ] {
            let checked = success.check(&answer(status, media_type, body));
            assert_eq!(checked, Ok(()), "{success:?} {status} {media_type}");
        }
    }

    #[test]
    fn other_2xx_answers_are_none() {
        for (success, status, media_type, body, fault) in [
            (
                Success::REMOVED,
                200,
                "text/html",
                "<html>",
                AnswerFault::Status,
            ),
            (Success::REMOVED, 200, VERSIONED, "{}", AnswerFault::Status),
            (Success::REMOVED, 202, "", "", AnswerFault::Status),
            (Success::REMOVED, 204, "", "x", AnswerFault::NotEmpty),
            (Success::OK, 201, VERSIONED, "{}", AnswerFault::Status),
            (Success::OK, 200, "text/html", "{}", AnswerFault::MediaType),
            (
                Success::OK,
                200,
                "application/json",
                "{}",
                AnswerFault::MediaType,
            ),
            (Success::OK, 200, "", "{}", AnswerFault::MediaType),
            (Success::CREATED, 200, VERSIONED, "{}", AnswerFault::Status),
            (Success::ASSIGNED, 200, "", "", AnswerFault::MediaType),
            (
                Success::MINTED,
                200,
                "text/html",
                "{}",
                AnswerFault::MediaType,
            ),
            (
                Success::TOKEN_REVOKED,
                200,
                "text/html",
                "<p>",
                AnswerFault::NotEmpty,
            ),
            (Success::TOKEN_REVOKED, 204, "", "", AnswerFault::Status),
        ] {
            let checked = success.check(&answer(status, media_type, body));
            assert_eq!(checked, Err(fault), "{success:?} {status} {media_type}");
        }
    }
}
