//! Reads the bodies of Atlas's refusals, whatever their shape.
//!
//! Atlas's own form is `{error: 400, errorCode, reason, detail, parameters, badRequestDetail}`, where
//! `error` is the status as a number; the token endpoint's is OAuth's `{error: "invalid_client",
//! error_description}`. Only these have a code. A proxy's `{"status": 404, "error": "Not Found"}` has
//! none, so that nothing is concluded from it; nor has an answer of the edge that is empty or not JSON
//! at all. Nothing here fails: what cannot be read is absent.

use serde_json::Value;

use super::hidden::Hidden;

/// The longest code kept, in characters. Atlas's longest known one has 90.
const MAX_CODE: usize = 128;
/// The longest detail kept, in characters.
const MAX_DETAIL: usize = 512;
/// How many parameters and faulty fields are looked at.
const MAX_ITEMS: usize = 16;

/// The codes of the token endpoint. Sources: Atlas documentation, "Generate Service Account Token";
/// RFC 6749, section 5.2; RFC 7009, section 2.2.1.
const OAUTH_CODES: [&str; 10] = [
    "access_denied",
    "invalid_client",
    "invalid_grant",
    "invalid_request",
    "invalid_scope",
    "rate_limited",
    "server_error",
    "unauthorized_client",
    "unsupported_grant_type",
    "unsupported_token_type",
];

/// Whose refusal a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ErrorForm {
    /// Any resource's: Atlas's own form.
    Resource,
    /// The token endpoint's: OAuth's form, or Atlas's.
    Token,
}

/// What a refusal says.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct ErrorBody {
    /// Atlas's `errorCode`, or OAuth's `error` of the token endpoint; empty if the body has neither
    /// form.
    pub(super) code: String,
    /// In words; empty if there are none.
    pub(super) detail: String,
    /// Atlas's `parameters`; what is not a text is written as JSON.
    pub(super) parameters: Vec<String>,
}

impl ErrorBody {
    /// Takes what can be read from the body of an answer with this status, without what the request
    /// carried that nobody may read.
    pub(super) fn parse(form: ErrorForm, status: u16, body: &[u8], hidden: &Hidden) -> Self {
        let Ok(Value::Object(object)) = serde_json::from_slice::<Value>(body) else {
            return Self::default();
        };
        let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
        let error = object.get("error");
        let code = match error {
            Some(Value::Number(number)) if number.as_u64() == Some(status.into()) => {
                text("errorCode")
            }
            Some(Value::String(error))
                if form == ErrorForm::Token && OAUTH_CODES.contains(&error.as_str()) =>
            {
                error
            }
            _ => "",
        };
        if code.trim().is_empty() {
            return Self::default();
        }
        let detail = first_filled([text("detail"), text("error_description"), text("reason")]);
        // Before it is cut: a part of a secret is not known for one.
        let mut detail = clean(&hidden.out_of(detail), MAX_DETAIL);
        for fault in object
            .get("badRequestDetail")
            .map(|detail| faulty_fields(detail, hidden))
            .into_iter()
            .flatten()
        {
            detail = clean(&format!("{detail} {fault}"), MAX_DETAIL);
        }
        Self {
            code: clean(&hidden.out_of_code(code), MAX_CODE),
            detail,
            parameters: parameters(object.get("parameters"), hidden),
        }
    }
}

fn first_filled<const N: usize>(texts: [&str; N]) -> &str {
    texts
        .into_iter()
        .find(|text| !text.trim().is_empty())
        .unwrap_or_default()
}

fn faulty_fields(detail: &Value, hidden: &Hidden) -> Vec<String> {
    let fields = detail.get("fields").and_then(Value::as_array);
    let text = |field: &Value, name| {
        let value = field.get(name).and_then(Value::as_str).unwrap_or_default();
        clean(&hidden.out_of(value), MAX_DETAIL)
    };
    fields
        .into_iter()
        .flatten()
        .take(MAX_ITEMS)
        .map(|field| format!("[{}: {}]", text(field, "field"), text(field, "description")))
        .collect()
}

fn parameters(value: Option<&Value>, hidden: &Hidden) -> Vec<String> {
    let items = value.and_then(Value::as_array);
    items
        .into_iter()
        .flatten()
        .take(MAX_ITEMS)
        .map(|item| match item {
            Value::String(text) => clean(&hidden.out_of(text), MAX_DETAIL),
            other => clean(&hidden.out_of(&other.to_string()), MAX_DETAIL),
        })
        .collect()
}

/// One line of at most `max` characters: control characters become blanks.
fn clean(text: &str, max: usize) -> String {
    let line: String = text
        .chars()
        .take(max)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    line.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn atlas_form_is_read() {
        let body = ErrorBody::parse(
            ErrorForm::Resource,
            429,
            br#"{"error":429,"errorCode":"RATE_LIMITED_TOKEN_BUCKET","reason":"Too Many Requests",
                "detail":"Slow down.","parameters":["api/atlas/v2/orgs",7,500,250,60]}"#,
            &Hidden::NOTHING,
        );
        assert_eq!(body.code, "RATE_LIMITED_TOKEN_BUCKET");
        assert_eq!(body.detail, "Slow down.");
        assert_eq!(
            body.parameters,
            ["api/atlas/v2/orgs", "7", "500", "250", "60"]
        );
    }

    #[test]
    fn oauth_form_is_read() {
        let text =
            br#"{"error":"invalid_client","error_description":"Invalid credentials provided."}"#;
        let body = ErrorBody::parse(ErrorForm::Token, 401, text, &Hidden::NOTHING);
        assert_eq!(body.code, "invalid_client");
        assert_eq!(body.detail, "Invalid credentials provided.");
        let body = ErrorBody::parse(ErrorForm::Resource, 401, text, &Hidden::NOTHING);
        assert_eq!(body, ErrorBody::default());
    }

    /// Answers that proxies and gateways give on their own.
    #[test]
    fn other_forms_have_no_code() {
        for text in [
            r#"{"status":404,"error":"Not Found"}"#,
            r#"{"error":"not_found"}"#,
            r#"{"message":"no Route matched with those values"}"#,
            r#"{"error":404}"#,
            r#"{"error":404,"errorCode":""}"#,
            r#"{"error":404,"errorCode":7}"#,
            r#"{"error":"404","errorCode":"API_KEY_NOT_FOUND"}"#,
            r#"{"error":400,"errorCode":"API_KEY_NOT_FOUND"}"#,
            r#"{"errorCode":"API_KEY_NOT_FOUND"}"#,
            r#"[{"error":404,"errorCode":"API_KEY_NOT_FOUND"}]"#,
        ] {
            for form in [ErrorForm::Resource, ErrorForm::Token] {
                let body = ErrorBody::parse(form, 404, text.as_bytes(), &Hidden::NOTHING);
                assert_eq!(body, ErrorBody::default(), "{text}");
            }
        }
    }

    #[test]
    fn faulty_fields_are_named() {
        let body = ErrorBody::parse(
            ErrorForm::Resource,
            400,
            br#"{"error":400,"errorCode":"BAD_REQUEST","detail":"Bad.",
                "badRequestDetail":{"fields":[{"field":"_roles","description":"Invalid role name"}]}}"#,
            &Hidden::NOTHING,
        );
        assert_eq!(body.detail, "Bad. [_roles: Invalid role name]");
    }

    #[test]
    fn nulls_and_other_texts_leave_it_empty() {
        for text in [
            "",
            "<html>no</html>",
            "null",
            "[]",
            r#"{"error":401,"errorCode":null}"#,
        ] {
            assert_eq!(
                ErrorBody::parse(ErrorForm::Token, 401, text.as_bytes(), &Hidden::NOTHING),
                ErrorBody::default(),
                "{text}"
            );
        }
    }

    #[test]
    fn long_texts_are_cut_and_kept_on_one_line() {
        let long = "x\\n".repeat(2_000);
        let body = format!(r#"{{"error":400,"errorCode":"{long}","detail":"{long}"}}"#);
        let body = ErrorBody::parse(ErrorForm::Resource, 400, body.as_bytes(), &Hidden::NOTHING);
        assert!(body.code.chars().count() <= MAX_CODE);
        assert!(body.detail.chars().count() <= MAX_DETAIL);
        assert!(!body.detail.contains('\n'));
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let body = ErrorBody::parse(ErrorForm::Token, 400, &bytes, &Hidden::NOTHING);
            prop_assert!(body.code.chars().count() <= MAX_CODE);
        }

        #[test]
        fn any_values_are_answered(code in "\\PC{0,200}", detail in "\\PC{0,900}", number in any::<i64>()) {
            let json = serde_json::json!({
                "error": 400, "errorCode": format!("x{code}"), "detail": detail, "parameters": [number, null, {"a": detail}],
                "badRequestDetail": {"fields": [detail, {"field": number}]},
            });
            let body = ErrorBody::parse(ErrorForm::Token, 400, json.to_string().as_bytes(), &Hidden::NOTHING);
            prop_assert!(body.detail.chars().count() <= MAX_DETAIL);
            prop_assert_eq!(body.parameters.len(), 3);
        }
    }
}
