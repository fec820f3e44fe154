//! Atlas's error object, and the refusals that several resources share.

use std::ops::{Deref, DerefMut};

use serde_json::{Map, Value, json};

use crate::settings::Refusal;

/// A refused request; boxed, so that results stay small.
#[derive(Debug, Clone)]
pub(crate) struct ApiError(Box<Details>);

/// What a refusal tells.
#[derive(Debug, Clone)]
pub(crate) struct Details {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) detail: String,
    pub(crate) parameters: Vec<Value>,
    /// Field and what is wrong with it.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) without_body: bool,
}

impl Deref for ApiError {
    type Target = Details;

    fn deref(&self) -> &Details {
        &self.0
    }
}

impl DerefMut for ApiError {
    fn deref_mut(&mut self) -> &mut Details {
        &mut self.0
    }
}

impl ApiError {
    pub(crate) fn new(status: u16, code: impl Into<String>, detail: impl Into<String>) -> Self {
        Self(Box::new(Details {
            status,
            code: code.into(),
            detail: detail.into(),
            parameters: Vec::new(),
            fields: Vec::new(),
            headers: Vec::new(),
            without_body: false,
        }))
    }

    /// The refusal a setting names.
    pub(crate) fn set(refusal: &Refusal, detail: impl Into<String>) -> Self {
        Self::new(refusal.status, refusal.code.clone(), detail)
    }

    pub(crate) fn with(mut self, parameter: impl Into<Value>) -> Self {
        self.parameters.push(parameter.into());
        self
    }

    pub(crate) fn field(mut self, name: &str, description: impl Into<String>) -> Self {
        self.fields.push((name.to_owned(), description.into()));
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// 401 to a missing or bad credential; a wrong user and a wrong password look the same.
    pub(crate) fn unauthorized() -> Self {
        Self::new(
            401,
            "UNEXPECTED_ERROR",
            "You are not authorized for this resource.",
        )
    }

    /// A body that breaks a rule of one field.
    pub(crate) fn bad_field(name: &str, description: impl Into<String>) -> Self {
        Self::new(400, "BAD_REQUEST", "Bad request, see badRequestDetail.").field(name, description)
    }

    /// A body with a field the operation does not know.
    pub(crate) fn unknown_field(name: &str) -> Self {
        Self::new(
            400,
            "INVALID_ATTRIBUTE",
            format!("Invalid attribute {name} specified."),
        )
        .with(name)
    }

    /// A body that lacks a field.
    pub(crate) fn missing_field(name: &str) -> Self {
        Self::new(
            400,
            "MISSING_ATTRIBUTE",
            format!("The required attribute {name} was not specified."),
        )
        .with(name)
    }

    /// A field of the wrong JSON type.
    pub(crate) fn wrong_type(name: &str) -> Self {
        Self::new(
            400,
            "INVALID_JSON_ATTRIBUTE",
            format!("Received JSON for the {name} attribute does not match expected format."),
        )
        .with(name)
    }

    pub(crate) fn not_found(what: &str, id: &str) -> Self {
        Self::new(
            404,
            "RESOURCE_NOT_FOUND",
            format!("Cannot find {what} {id}."),
        )
        .with(id)
    }

    /// The JSON body.
    pub(crate) fn body(&self) -> Value {
        let mut body = Map::new();
        body.insert("error".to_owned(), json!(self.status));
        body.insert("errorCode".to_owned(), json!(self.code));
        body.insert("reason".to_owned(), json!(reason(self.status)));
        body.insert("detail".to_owned(), json!(self.detail));
        // The recorded 401 to a bad credential has no parameters.
        if self.status != 401 || self.code != "UNEXPECTED_ERROR" {
            body.insert("parameters".to_owned(), json!(self.parameters));
        }
        if !self.fields.is_empty() {
            let fields: Vec<Value> = self
                .fields
                .iter()
                .map(|(field, description)| json!({"field": field, "description": description}))
                .collect();
            body.insert("badRequestDetail".to_owned(), json!({"fields": fields}));
        }
        Value::Object(body)
    }
}

/// The words of an HTTP status.
pub(crate) fn reason(status: u16) -> &'static str {
    axum::http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("Unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_holds_what_the_description_requires() {
        let body = ApiError::bad_field("roles", "wrong").body();
        assert_eq!(body["error"], 400);
        assert_eq!(body["errorCode"], "BAD_REQUEST");
        assert_eq!(body["badRequestDetail"]["fields"][0]["field"], "roles");
        assert!(ApiError::unauthorized().body().get("parameters").is_none());
    }
}
