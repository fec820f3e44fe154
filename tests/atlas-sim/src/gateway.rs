//! The API port: reads a request, lets faults have their way, sends the answer.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::DATE;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use chrono::TimeDelta;
use futures_util::stream;
use serde_json::Value;

use crate::auth;
use crate::dispatch::{self, Outcome};
use crate::errors::ApiError;
use crate::faults::{Action, error_body};
use crate::http::{Incoming, Reply};
use crate::log::{Entry, kept_body, redact};
use crate::operations::{self, Route};
use crate::resources::encryption;
use crate::server::Sim;
use crate::wire::Peer;

/// Largest request body.
const MAX_REQUEST_BYTES: usize = 1 << 20;
/// How long a hanging request is held at most, so that a forgotten one ends.
const HANG: Duration = Duration::from_hours(1);
/// Between the half of a cut body and the end of the connection, so that the half arrives.
const CUT_PAUSE: Duration = Duration::from_millis(20);

/// Serves one request.
pub(crate) async fn serve(
    State(sim): State<Arc<Sim>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_REQUEST_BYTES).await else {
        let refusal = ApiError::new(413, "REQUEST_TOO_LARGE", "The request is too large.");
        return response(&sim, Reply::refused(&refusal));
    };
    let target = parts
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str());
    let incoming = Incoming {
        method: parts.method,
        target: target.to_owned(),
        headers: parts.headers,
        body,
        socket: peer.address,
    };
    let operation = operation_id(&incoming);
    let fault = sim.lock().faults.take(&incoming, operation);
    let exchange = Exchange {
        sim: &sim,
        peer: &peer,
        incoming: &incoming,
        operation,
        fault: fault.as_ref().map(|(id, _)| *id),
    };
    exchange.play(fault.map(|(_, action)| action)).await
}

fn operation_id(incoming: &Incoming) -> Option<&'static str> {
    auth::token_operation(incoming.path()).or_else(|| {
        match operations::find(incoming.method.as_str(), incoming.path()) {
            Route::Operation(operation, _) => Some(operation.id),
            Route::OtherMethod | Route::Unknown => None,
        }
    })
}

/// One request on its way through.
struct Exchange<'a> {
    sim: &'a Sim,
    peer: &'a Peer,
    incoming: &'a Incoming,
    operation: Option<&'static str>,
    fault: Option<u64>,
}

impl Exchange<'_> {
    async fn play(&self, action: Option<Action>) -> Response {
        match action {
            None => self.usual().await,
            Some(Action::Delay {
                seconds,
                after_effect: false,
            }) => {
                tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
                self.usual().await
            }
            Some(Action::Delay {
                seconds,
                after_effect: true,
            }) => {
                let reply = self.effect(true);
                tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
                response(self.sim, reply)
            }
            Some(Action::Hang { after_effect }) => {
                if after_effect {
                    drop(self.effect(false));
                } else {
                    self.record(&Reply::default(), None, false, false);
                }
                tokio::time::sleep(HANG).await;
                self.close()
            }
            Some(Action::Close) => {
                self.record(&Reply::default(), None, false, false);
                self.close()
            }
            Some(Action::LoseAnswer) => {
                drop(self.effect(false));
                self.close()
            }
            Some(Action::OtherWriter {
                body,
                after_effect: false,
            }) => {
                self.meddle(&body);
                self.usual().await
            }
            Some(Action::OtherWriter {
                body,
                after_effect: true,
            }) => {
                let reply = self.effect(true);
                self.meddle(&body);
                response(self.sim, reply)
            }
            Some(Action::CutJson) => cut(self.sim, self.effect(true)),
            Some(
                action @ (Action::Answer { .. }
                | Action::MalformedJson
                | Action::NotJson
                | Action::Withhold { .. }),
            ) => self.changed(action),
        }
    }

    /// Somebody else's change of the project's encryption at rest, under Atlas's rules. It is logged as
    /// `other-writer`.
    fn meddle(&self, body: &Value) {
        let found = operations::find(self.incoming.method.as_str(), self.incoming.path());
        let Route::Operation(_, params) = found else {
            return;
        };
        let Some((_, id)) = params.iter().find(|(name, _)| *name == "groupId") else {
            return;
        };
        let now = self.sim.clock.now();
        let changed = {
            let core = &mut *self.sim.caught_up(now);
            encryption::change(&mut core.world, &core.settings, now, id, body)
        };
        let mut body = body.clone();
        redact(&mut body);
        self.sim.lock().log.add(Entry {
            at: crate::clock::text(now),
            method: "PATCH".to_owned(),
            path: format!("{}/groups/{id}/encryptionAtRest", operations::BASE),
            operation_id: Some("updateEncryptionAtRest"),
            auth: "none",
            principal: Some("other-writer".to_owned()),
            status: Some(changed.as_ref().map_or_else(|error| error.status, |()| 200)),
            error_code: changed.as_ref().err().map(|error| error.code.clone()),
            handled: true,
            fault: self.fault,
            body,
            ..Entry::default()
        });
    }

    async fn usual(&self) -> Response {
        let reply = self.effect(true);
        if reply.hold_millis > 0 {
            tokio::time::sleep(Duration::from_millis(reply.hold_millis)).await;
        }
        response(self.sim, reply)
    }

    /// An answer other than the true one.
    fn changed(&self, action: Action) -> Response {
        let mut reply = match action {
            Action::Answer { .. } => Reply::default(),
            _ => self.effect(true),
        };
        match action {
            Action::Answer {
                status,
                after_effect,
                code,
                body,
                text,
                headers,
            } => {
                let body = body.or_else(|| code.as_deref().map(|code| error_body(status, code)));
                if text.is_none() && body.is_some() {
                    reply.header("Content-Type", self.media_type(status));
                }
                if let Some(code) = &code {
                    reply.header("X-Error-Code", code.clone());
                }
                for (name, value) in headers {
                    reply
                        .headers
                        .retain(|(known, _)| !known.eq_ignore_ascii_case(&name));
                    reply.header(&name, value);
                }
                reply.status = status;
                reply.error_code = code;
                reply.body = text
                    .or_else(|| body.map(|body| body.to_string()))
                    .unwrap_or_default()
                    .into_bytes();
                let outcome = after_effect.then(|| self.carry_out());
                let principal = outcome.and_then(|outcome| outcome.principal);
                self.record(&reply, principal, true, after_effect);
            }
            Action::Withhold { pointer } => withhold(&mut reply, &pointer),
            Action::MalformedJson => reply.body = b"{\"id\": \"broken\", ".to_vec(),
            _ => {
                reply.headers.retain(|(name, _)| name != "Content-Type");
                reply.header("Content-Type", "text/html");
                reply.body = b"<html><body>upstream connect error</body></html>".to_vec();
            }
        }
        response(self.sim, reply)
    }

    /// As Atlas would have it for a JSON body: versioned for a success, plain for a refusal and for
    /// the token endpoint.
    fn media_type(&self, status: u16) -> &'static str {
        let token = auth::token_operation(self.incoming.path()).is_some();
        if token || !(200..300).contains(&status) {
            "application/json"
        } else {
            "application/vnd.atlas.2025-03-12+json;charset=utf-8"
        }
    }

    fn carry_out(&self) -> Outcome {
        let mut core = self.sim.lock();
        let now = self.sim.clock.now();
        dispatch::answer(&mut core, self.incoming, now)
    }

    /// Does what was asked and logs it; `sent` is false if the answer will not be sent.
    fn effect(&self, sent: bool) -> Reply {
        let outcome = self.carry_out();
        self.record(&outcome.reply, outcome.principal, sent, true);
        outcome.reply
    }

    fn record(&self, reply: &Reply, principal: Option<String>, sent: bool, handled: bool) {
        let auth = auth::scheme(self.incoming);
        let form = auth::token_operation(self.incoming.path()).is_some();
        let entry = Entry {
            number: 0,
            at: crate::clock::text(self.sim.clock.now()),
            method: self.incoming.method.to_string(),
            path: self.incoming.target.clone(),
            operation_id: self.operation,
            auth,
            principal,
            status: sent.then_some(reply.status),
            error_code: reply.error_code.clone(),
            challenge: reply.challenge && auth == "none",
            handled,
            fault: self.fault,
            body: kept_body(self.incoming, form),
        };
        if let Some(exchanges) = &self.sim.exchanges {
            exchanges.write(self.incoming, reply, &self.sim.base, &entry);
        }
        self.sim.lock().log.add(entry);
    }

    fn close(&self) -> Response {
        self.peer.cut();
        Response::new(Body::empty())
    }
}

/// Takes the part that the JSON pointer names out of a body.
fn withhold(reply: &mut Reply, pointer: &str) {
    let Ok(mut body) = serde_json::from_slice::<Value>(&reply.body) else {
        return;
    };
    let (parent, name) = pointer.rsplit_once('/').unwrap_or_default();
    match body.pointer_mut(parent) {
        Some(Value::Array(items)) => {
            if let Some(place) = name.parse().ok().filter(|place| *place < items.len()) {
                items.remove(place);
            }
        }
        Some(Value::Object(fields)) => {
            fields.remove(name);
        }
        _ => {}
    }
    reply.body = body.to_string().into_bytes();
}

/// Announces the whole body, sends half of it, then ends the connection.
fn cut(sim: &Sim, reply: Reply) -> Response {
    let length = reply.body.len();
    let half = Bytes::copy_from_slice(&reply.body[..length / 2]);
    let head = Reply {
        body: Vec::new(),
        ..reply
    };
    let mut response = response(sim, head);
    response
        .headers_mut()
        .insert("content-length", HeaderValue::from(length));
    *response.body_mut() = Body::from_stream(stream::unfold(Some(half), |half| async move {
        if let Some(half) = half {
            return Some((Ok::<Bytes, std::io::Error>(half), None));
        }
        tokio::time::sleep(CUT_PAUSE).await;
        Some((Err(std::io::ErrorKind::ConnectionAborted.into()), None))
    }));
    response
}

fn response(sim: &Sim, reply: Reply) -> Response {
    let mut response = Response::new(Body::from(reply.body));
    *response.status_mut() =
        StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in reply.headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&value)) {
            response.headers_mut().append(name, value);
        }
    }
    if !response.headers().contains_key(DATE) {
        response.headers_mut().insert(DATE, date(sim));
    }
    response
}

/// What `Date` says: the simulator's time, or nothing that is a date. Left out, the HTTP library would
/// put in the machine's.
fn date(sim: &Sim) -> HeaderValue {
    let (is_told, skew) = {
        let settings = &sim.lock().settings;
        (settings.date_header, settings.date_skew_seconds)
    };
    let skew = TimeDelta::try_seconds(skew).unwrap_or_default();
    let now = sim.clock.now();
    let moment = now.checked_add_signed(skew).unwrap_or(now);
    let text = moment.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    HeaderValue::from_str(if is_told { &text } else { "" })
        .unwrap_or_else(|_| HeaderValue::from_static(""))
}
