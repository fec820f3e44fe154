//! Forms answers: headers, envelope, pretty print.

use serde_json::{Value, json};

use crate::errors::ApiError;
use crate::http::{Answer, Incoming, Reply};
use crate::limits::Level;
use crate::operations::Operation;
use crate::page::envelope;
use crate::settings::Settings;
use crate::unversioned;
use crate::versions::{self, Version};

/// What forming an answer needs of the settings.
#[derive(Debug)]
pub(crate) struct Style {
    extra_fields: bool,
    deprecated: Vec<String>,
}

impl Style {
    pub(crate) fn of(settings: &Settings) -> Self {
        Self {
            extra_fields: settings.extra_fields,
            deprecated: settings.deprecated_operations.clone(),
        }
    }
}

/// An operation's answer as it goes out.
pub(crate) fn finish(
    answer: Answer,
    operation: &Operation,
    version: Version,
    level: Option<Level>,
    incoming: &Incoming,
    style: &Style,
) -> Reply {
    let query = incoming.query();
    let mut reply = Reply {
        status: answer.status,
        hold_millis: answer.hold_millis,
        ..Reply::default()
    };
    common_headers(&mut reply, level);
    for (name, value) in answer.headers {
        reply.header(name, value);
    }
    if style.deprecated.iter().any(|id| id == operation.id) {
        reply.header("Deprecation", "Wed, 01 Jan 2025 00:00:00 GMT");
        reply.header("Sunset", "Fri, 01 Jan 2027 00:00:00 GMT");
    }
    reply.header("Content-Type", versions::content_type(version));
    let mut body = answer.body;
    if style.extra_fields
        && let Some(Value::Object(object)) = &mut body
    {
        object.insert("simUnknownField".to_owned(), json!({"added": "later"}));
    }
    if let Some(body) = &mut body
        && version == unversioned::VERSION
    {
        unversioned::relink(body);
    }
    let wanted = |name| query.flag(name, false).unwrap_or(false);
    if wanted("envelope") && reply.status != 204 {
        body = Some(envelope(body, reply.status));
    }
    reply.body = body.map_or_else(Vec::new, |body| text(&body, wanted("pretty")));
    reply
}

/// A refusal as it goes out.
pub(crate) fn finish_error(error: &ApiError, level: Option<Level>, incoming: &Incoming) -> Reply {
    let mut reply = Reply::refused(error);
    common_headers(&mut reply, level);
    let query = incoming.query();
    let wanted = |name| query.flag(name, false).unwrap_or(false);
    if !error.without_body && (wanted("envelope") || wanted("pretty")) {
        let body = error.body();
        let body = if wanted("envelope") {
            envelope(Some(body), error.status)
        } else {
            body
        };
        reply.body = text(&body, wanted("pretty"));
    }
    reply
}

fn text(body: &Value, pretty: bool) -> Vec<u8> {
    if pretty {
        format!("{body:#}").into_bytes()
    } else {
        body.to_string().into_bytes()
    }
}

fn common_headers(reply: &mut Reply, level: Option<Level>) {
    reply.header("Server", "mdbws");
    if let Some(level) = level {
        reply.header("RateLimit-Limit", level.limit.to_string());
        reply.header("RateLimit-Remaining", level.remaining.to_string());
    }
}
