//! A request as the simulator reads it, and an answer before it is sent.

use std::net::IpAddr;

use axum::body::Bytes;
use axum::http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::errors::ApiError;

/// A request whose body has been read.
#[derive(Debug, Clone)]
pub(crate) struct Incoming {
    pub(crate) method: Method,
    /// Path and query exactly as on the request line.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Address of the socket's other end.
    pub(crate) socket: IpAddr,
}

impl Incoming {
    /// The path alone, percent-encoding kept.
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The query, decoded.
    pub(crate) fn query(&self) -> Query {
        Query::parse(self.target.split_once('?').map_or("", |(_, query)| query))
    }

    /// A header as text; empty if it is missing or not text.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

/// Name and value pairs of a query or a form, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads `a=1&b=2`.
    pub(crate) fn parse(text: &str) -> Self {
        let decode = |part: &str| {
            percent_decode_str(&part.replace('+', " "))
                .decode_utf8_lossy()
                .into_owned()
        };
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(name, value)| (decode(name), decode(value)))
                .collect(),
        )
    }

    /// The first value of `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Every value of `name`.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let values = self.0.iter().filter(move |(key, _)| key == name);
        values.map(|(_, value)| value.as_str())
    }

    /// The names given.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// A boolean; `default` if it is not given.
    pub(crate) fn flag(&self, name: &str, default: bool) -> Result<bool, ApiError> {
        match self.get(name) {
            None => Ok(default),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(_) => Err(bad_parameter(name)),
        }
    }
}

/// 400 for a query parameter.
pub(crate) fn bad_parameter(name: &str) -> ApiError {
    ApiError::new(
        400,
        "INVALID_QUERY_PARAMETER",
        format!("Invalid value of query parameter {name}."),
    )
    .with(name)
}

/// What an operation answers when it succeeds.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Option<Value>,
    pub(crate) headers: Vec<(&'static str, String)>,
    /// How long the answer is held back, in real time.
    pub(crate) hold_millis: u64,
}

impl Answer {
    pub(crate) fn ok(body: Value) -> Self {
        Self::status(200, body)
    }

    pub(crate) fn created(body: Value) -> Self {
        Self::status(201, body)
    }

    pub(crate) fn status(status: u16, body: Value) -> Self {
        Self {
            status,
            body: Some(body),
            headers: Vec::new(),
            hold_millis: 0,
        }
    }

    pub(crate) fn no_content() -> Self {
        Self {
            status: 204,
            body: None,
            headers: Vec::new(),
            hold_millis: 0,
        }
    }
}

/// An answer ready to be sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) error_code: Option<String>,
    /// A 401 with a challenge.
    pub(crate) challenge: bool,
    pub(crate) hold_millis: u64,
}

impl Reply {
    pub(crate) fn header(&mut self, name: &str, value: impl Into<String>) {
        self.headers.push((name.to_owned(), value.into()));
    }

    /// The answer to a refused request, as Atlas forms it.
    pub(crate) fn refused(error: &ApiError) -> Self {
        let mut reply = Self {
            status: error.status,
            error_code: Some(error.code.clone()),
            ..Self::default()
        };
        for (name, value) in &error.headers {
            reply.challenge |= *name == "WWW-Authenticate";
            reply.header(name, value.clone());
        }
        if !error.without_body {
            reply.header("Content-Type", "application/json");
            reply.header("X-Error-Code", error.code.clone());
            reply.body = error.body().to_string().into_bytes();
        }
        reply
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_decoded_and_keeps_repeated_names() {
        let query = Query::parse("name=a%20b&name=c+d&flag");
        assert_eq!(query.all("name").collect::<Vec<_>>(), ["a b", "c d"]);
        assert_eq!(query.get("flag"), Some(""));
        assert!(query.flag("flag", true).is_err());
        assert!(query.flag("other", true).is_ok_and(|value| value));
    }
}
