//! Reads the bodies of Atlas's refusals, whatever their shape.
//!
//! Atlas's own form is `{error: 400, errorCode, reason, detail, parameters, badRequestDetail}`, the
//! token endpoint's is OAuth's `{error: "invalid_client", error_description}`; some answers of the
//! edge are empty or not JSON at all. Nothing here fails: what cannot be read is absent.

use serde_json::Value;

/// The longest code kept, in characters.
const MAX_CODE: usize = 64;
/// The longest detail kept, in characters.
const MAX_DETAIL: usize = 512;
/// How many parameters and faulty fields are looked at.
const MAX_ITEMS: usize = 16;

/// What a refusal says.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct ErrorBody {
    /// Atlas's `errorCode` or OAuth's `error`; empty if there is none.
    pub(super) code: String,
    /// In words; empty if there are none.
    pub(super) detail: String,
    /// Atlas's `parameters`; what is not a text is written as JSON.
    pub(super) parameters: Vec<String>,
}

impl ErrorBody {
    /// Takes what can be read from a body.
    pub(super) fn parse(body: &[u8]) -> Self {
        let Ok(Value::Object(object)) = serde_json::from_slice::<Value>(body) else {
            return Self::default();
        };
        let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
        let code = first_filled([text("errorCode"), text("error")]);
        let detail = first_filled([text("detail"), text("error_description"), text("reason")]);
        let mut detail = clean(detail, MAX_DETAIL);
        for fault in object
            .get("badRequestDetail")
            .map(faulty_fields)
            .into_iter()
            .flatten()
        {
            detail = clean(&format!("{detail} {fault}"), MAX_DETAIL);
        }
        Self {
            code: clean(code, MAX_CODE),
            detail,
            parameters: parameters(object.get("parameters")),
        }
    }
}

fn first_filled<const N: usize>(texts: [&str; N]) -> &str {
    texts
        .into_iter()
        .find(|text| !text.trim().is_empty())
        .unwrap_or_default()
}

fn faulty_fields(detail: &Value) -> Vec<String> {
    let fields = detail.get("fields").and_then(Value::as_array);
    let text = |field: &Value, name| {
        let value = field.get(name).and_then(Value::as_str).unwrap_or_default();
        clean(value, MAX_DETAIL)
    };
    fields
        .into_iter()
        .flatten()
        .take(MAX_ITEMS)
        .map(|field| format!("[{}: {}]", text(field, "field"), text(field, "description")))
        .collect()
}

fn parameters(value: Option<&Value>) -> Vec<String> {
    let items = value.and_then(Value::as_array);
    items
        .into_iter()
        .flatten()
        .take(MAX_ITEMS)
        .map(|item| match item {
            Value::String(text) => clean(text, MAX_DETAIL),
            other => clean(&other.to_string(), MAX_DETAIL),
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
            br#"{"error":429,"errorCode":"RATE_LIMITED_TOKEN_BUCKET","reason":"Too Many Requests",
                "detail":"Slow down.","parameters":["api/atlas/v2/orgs",7,500,250,60]}"#,
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
        let body = ErrorBody::parse(
            br#"{"error":"invalid_client","error_description":"Invalid credentials provided."}"#,
        );
        assert_eq!(body.code, "invalid_client");
        assert_eq!(body.detail, "Invalid credentials provided.");
    }

    #[test]
    fn faulty_fields_are_named() {
        let body = ErrorBody::parse(
            br#"{"error":400,"errorCode":"BAD_REQUEST","detail":"Bad.",
                "badRequestDetail":{"fields":[{"field":"_roles","description":"Invalid role name"}]}}"#,
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
                ErrorBody::parse(text.as_bytes()),
                ErrorBody::default(),
                "{text}"
            );
        }
    }

    #[test]
    fn long_texts_are_cut_and_kept_on_one_line() {
        let long = "x\\n".repeat(2_000);
        let body =
            ErrorBody::parse(format!(r#"{{"errorCode":"{long}","detail":"{long}"}}"#).as_bytes());
        assert!(body.code.chars().count() <= MAX_CODE);
        assert!(body.detail.chars().count() <= MAX_DETAIL);
        assert!(!body.detail.contains('\n'));
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let body = ErrorBody::parse(&bytes);
            prop_assert!(body.code.chars().count() <= MAX_CODE);
        }

        #[test]
        fn any_values_are_answered(code in "\\PC{0,200}", detail in "\\PC{0,900}", number in any::<i64>()) {
            let json = serde_json::json!({
                "errorCode": code, "detail": detail, "parameters": [number, null, {"a": detail}],
                "badRequestDetail": {"fields": [detail, {"field": number}]},
            });
            let body = ErrorBody::parse(json.to_string().as_bytes());
            prop_assert!(body.detail.chars().count() <= MAX_DETAIL);
            prop_assert_eq!(body.parameters.len(), 3);
        }
    }
}
