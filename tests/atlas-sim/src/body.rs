//! Reads JSON request bodies field by field and refuses whatever an operation does not declare.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value};

use crate::errors::ApiError;

/// The fields of a JSON object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    /// Takes an object that has no other field than the `known` ones.
    pub(crate) fn new(body: &'a Value, known: &[&str]) -> Result<Self, ApiError> {
        let object = body
            .as_object()
            .ok_or_else(|| ApiError::new(400, "INVALID_JSON", "Received JSON is not an object."))?;
        match object.keys().find(|name| !known.contains(&name.as_str())) {
            Some(unknown) => Err(ApiError::unknown_field(unknown)),
            None => Ok(Self(object)),
        }
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn has(self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(crate) fn value(self, name: &str) -> Option<&'a Value> {
        self.0.get(name)
    }

    pub(crate) fn text(self, name: &str) -> Result<Option<&'a str>, ApiError> {
        self.read(name, Value::as_str)
    }

    pub(crate) fn flag(self, name: &str) -> Result<Option<bool>, ApiError> {
        self.read(name, Value::as_bool)
    }

    /// A whole number that fits 32 bits, as the description declares them.
    pub(crate) fn integer(self, name: &str) -> Result<Option<i64>, ApiError> {
        self.read(name, |value| {
            value
                .as_i64()
                .filter(|number| i32::try_from(*number).is_ok())
        })
    }

    /// A list of texts.
    pub(crate) fn texts(self, name: &str) -> Result<Option<Vec<String>>, ApiError> {
        self.read(name, |value| {
            let items = value.as_array()?.iter();
            items.map(|item| item.as_str().map(str::to_owned)).collect()
        })
    }

    fn read<T>(
        self,
        name: &str,
        parse: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, ApiError> {
        match self.0.get(name) {
            None => Ok(None),
            Some(value) => parse(value)
                .map(Some)
                .ok_or_else(|| ApiError::wrong_type(name)),
        }
    }
}

/// Makes a missing field an error.
pub(crate) fn required<T>(value: Option<T>, name: &str) -> Result<T, ApiError> {
    value.ok_or_else(|| ApiError::missing_field(name))
}

static ACCOUNT_TEXT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^[\p{L}\p{N}\-_.,' ]*$").ok());
static ENTITY_NAME: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^[\p{L}\p{N}\-_.(),:&@+']{1,64}$").ok());

fn matches(pattern: &LazyLock<Option<Regex>>, text: &str) -> bool {
    pattern.as_ref().is_some_and(|regex| regex.is_match(text))
}

/// Name or description of a service account. Source: Atlas API, `OrgServiceAccountRequest`.
pub(crate) fn account_text(text: &str, name: &str, max: usize) -> Result<String, ApiError> {
    let length = text.chars().count();
    if length == 0 || length > max {
        return Err(ApiError::bad_field(
            name,
            format!("length must be between 1 and {max}"),
        ));
    }
    if !matches(&ACCOUNT_TEXT, text) {
        return Err(ApiError::bad_field(name, "holds forbidden characters"));
    }
    Ok(text.to_owned())
}

/// Name of an organization or a project. Source: Atlas API, `Group`.
pub(crate) fn entity_name(text: &str) -> Result<String, ApiError> {
    if matches(&ENTITY_NAME, text) {
        Ok(text.to_owned())
    } else {
        Err(ApiError::bad_field("name", "is not a valid name"))
    }
}

/// Description of an API key: 1 to 250 characters. Source: Atlas API, `CreateAtlasOrganizationApiKey`.
pub(crate) fn key_description(text: Option<&str>) -> Result<String, ApiError> {
    let text = text.ok_or_else(|| {
        ApiError::new(
            400,
            "API_KEY_REQUIRES_DESCRIPTION",
            "An API key requires a description.",
        )
    })?;
    if (1..=250).contains(&text.chars().count()) {
        return Ok(text.to_owned());
    }
    Err(ApiError::new(
        400,
        "INVALID_API_KEY_DESC",
        "The description must have between 1 and 250 characters.",
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn unknown_missing_and_mistyped_fields_are_distinguished() {
        let body = json!({"desc": 1});
        let code = |error: ApiError| error.code.clone();
        assert_eq!(
            Fields::new(&body, &[]).map_err(code).unwrap_err(),
            "INVALID_ATTRIBUTE"
        );
        let fields = Fields::new(&body, &["desc"]).unwrap();
        assert_eq!(
            fields.text("desc").map_err(code).unwrap_err(),
            "INVALID_JSON_ATTRIBUTE"
        );
        assert_eq!(
            required(fields.text("roles").unwrap(), "roles")
                .map_err(code)
                .unwrap_err(),
            "MISSING_ATTRIBUTE"
        );
        assert!(Fields::new(&json!([]), &[]).is_err());
    }

    #[test]
    fn names_keep_to_the_declared_alphabet() {
        assert!(account_text("vault reader-1, it's", "name", 64).is_ok());
        for bad in ["", "a:b", "a/b", "a@b", "a\nb"] {
            assert!(account_text(bad, "name", 64).is_err(), "{bad}");
        }
        assert!(account_text(&"x".repeat(65), "name", 64).is_err());
        assert!(entity_name("Project@1:(a)").is_ok());
        assert!(entity_name("a/b").is_err());
    }
}
