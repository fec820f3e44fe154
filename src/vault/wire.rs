//! To and from the generated types: every unit conversion and every error number is here.

use std::time::Duration;

use chrono::{DateTime, Utc};
use prost_types::Timestamp;
use serde_json::{Value, json};
use zeroize::Zeroize as _;

use super::backend::SpecialPaths;
use super::failure::Failure;
use super::pb::pb;
use super::request::{Caller, Data, Operation, Request, Response, Secret};
use crate::base::time::{from_go_nanos, go_nanos};

/// `logical.TypeLogical`: a secrets engine.
pub(super) const SECRETS_ENGINE: u32 = 1;

/// Kinds of `ProtoError`, by the numbers of the SDK's `pb.ErrType`. A number from 11 on would be
/// taken for success.
mod kind {
    pub(super) const UNKNOWN: u32 = 0;
    pub(super) const USER: u32 = 1;
    pub(super) const INTERNAL: u32 = 2;
    pub(super) const CODED: u32 = 3;
    pub(super) const UNSUPPORTED_OPERATION: u32 = 5;
    pub(super) const UNSUPPORTED_PATH: u32 = 6;
}

/// Decodes a request. Malformed JSON is the caller's fault and is not repeated in the text.
pub(super) fn request(request: pb::Request, caller: Caller) -> Result<Request, Failure> {
    let operation = Operation::from_word(&request.operation);
    Ok(Request {
        data: object(request.data, "the request's data")?,
        secret: request.secret.map(secret).transpose()?,
        operation,
        path: request.path,
        mount_point: request.mount_point,
        display_name: request.display_name,
        entity_id: request.entity_id,
        // The port is apart, and nobody asks for it.
        remote_address: request.connection.unwrap_or_default().remote_addr,
        caller,
    })
}

/// A JSON object; nothing and `null` are an empty one. The text is wiped: it may hold secrets.
fn object(mut text: String, what: &str) -> Result<Data, Failure> {
    let parsed = if text.is_empty() {
        Ok(Value::Null)
    } else {
        serde_json::from_str(&text)
    };
    text.zeroize();
    match parsed {
        Ok(Value::Null) => Ok(Data::new()),
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) | Err(_) => Err(Failure::BadRequest(format!("{what} must be a JSON object"))),
    }
}

fn secret(secret: pb::Secret) -> Result<Secret, Failure> {
    let lease = secret.lease_options.unwrap_or_default();
    Ok(Secret {
        internal_data: object(secret.internal_data, "the lease's internal data")?,
        ttl: from_go_nanos(lease.ttl),
        max_ttl: from_go_nanos(lease.max_ttl),
        renewable: lease.renewable,
        increment: from_go_nanos(lease.increment),
        issue_time: lease.issue_time.and_then(|time| {
            DateTime::<Utc>::from_timestamp(time.seconds, u32::try_from(time.nanos).ok()?)
        }),
    })
}

/// Encodes the outcome of a request.
pub(super) fn reply(
    operation: Operation,
    outcome: Result<Option<Response>, Failure>,
) -> pb::HandleRequestReply {
    match outcome {
        Ok(answer) => pb::HandleRequestReply {
            response: answer.map(response),
            err: None,
        },
        Err(Failure::BadRequest(text)) if !is_about_a_lease(operation) => {
            let response = Response::data(Data::from_iter([("error".to_owned(), json!(text))]));
            pb::HandleRequestReply {
                response: Some(self::response(response)),
                err: None,
            }
        }
        Err(failure) => pb::HandleRequestReply {
            response: None,
            err: Some(error(failure)),
        },
    }
}

/// Core ignores an error answer to a rollback, and tries a revoke again only after an error that it
/// does not take for final; so these get a `ProtoError` where others get an answer with a text.
fn is_about_a_lease(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::Renew | Operation::Revoke | Operation::Rollback
    )
}

/// Encodes the outcome of an existence check.
pub(super) fn existence(outcome: Result<Option<bool>, Failure>) -> pb::HandleExistenceCheckReply {
    let (exists, err) = match outcome {
        Ok(exists) => (exists, None),
        Err(Failure::BadRequest(text)) => (None, Some(proto_error(kind::USER, text, 0))),
        Err(failure) => (None, Some(error(failure))),
    };
    pb::HandleExistenceCheckReply {
        check_found: exists.is_some(),
        exists: exists.unwrap_or(false),
        err,
    }
}

/// Encodes a failure that has no answer beside it.
pub(super) fn error(failure: Failure) -> pb::ProtoError {
    match failure {
        Failure::BadRequest(text) | Failure::Internal(text) => proto_error(kind::INTERNAL, text, 0),
        Failure::Coded { status, text } => proto_error(kind::CODED, text, i64::from(status)),
        Failure::HostText(text) => proto_error(kind::UNKNOWN, text, 0),
        Failure::UnsupportedOperation => {
            proto_error(kind::UNSUPPORTED_OPERATION, failure.to_string(), 0)
        }
        Failure::UnsupportedPath => proto_error(kind::UNSUPPORTED_PATH, failure.to_string(), 0),
    }
}

fn proto_error(err_type: u32, err_msg: String, err_code: i64) -> pb::ProtoError {
    pb::ProtoError {
        err_type,
        err_msg,
        err_code,
    }
}

fn response(response: Response) -> pb::Response {
    pb::Response {
        // An empty text is no JSON to the host, which then fails the request.
        data: response.data.map_or_else(|| "null".to_owned(), text),
        secret: response.secret.map(leased),
        warnings: response.warnings,
        ..pb::Response::default()
    }
}

fn text(data: Data) -> String {
    Value::Object(data).to_string()
}

fn leased(secret: Secret) -> pb::Secret {
    // The host insists on some issue time and then puts in its own.
    let issue_time = secret
        .issue_time
        .map_or(Timestamp::default(), |time| Timestamp {
            seconds: time.timestamp(),
            nanos: i32::try_from(time.timestamp_subsec_nanos()).unwrap_or(0),
        });
    pb::Secret {
        lease_options: Some(pb::LeaseOptions {
            ttl: go_nanos(secret.ttl),
            max_ttl: go_nanos(secret.max_ttl),
            renewable: secret.renewable,
            increment: go_nanos(secret.increment),
            issue_time: Some(issue_time),
        }),
        internal_data: text(secret.internal_data),
        lease_id: String::new(),
    }
}

/// Encodes special paths.
pub(super) fn paths(paths: SpecialPaths) -> pb::Paths {
    pb::Paths {
        root: paths.root,
        unauthenticated: paths.unauthenticated,
        local_storage: paths.local_storage,
        seal_wrap_storage: paths.seal_wrap_storage,
        ..pb::Paths::default()
    }
}

/// The value of gRPC's `grpc-timeout` header: at most eight digits and a unit.
/// Source: gRPC over HTTP/2, "Timeout".
pub(super) fn grpc_timeout(value: &str) -> Option<Duration> {
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(count * 3_600),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(data: &str) -> Result<Data, Failure> {
        let wire = pb::Request {
            data: data.to_owned(),
            ..pb::Request::default()
        };
        request(wire, Caller::waiting(Duration::from_secs(1))).map(|request| request.data)
    }

    #[tokio::test]
    async fn null_nothing_and_an_empty_object_are_equal() {
        for data in ["null", "", "{}"] {
            assert_eq!(decoded(data), Ok(Data::new()), "{data}");
        }
    }

    #[tokio::test]
    async fn data_that_is_no_object_is_refused_without_being_repeated() {
        for data in ["[\"hunter2\"]", "\"hunter2\"", "{\"hunter2\":"] {
            let Err(Failure::BadRequest(text)) = decoded(data) else {
                panic!("{data} passed")
            };
            assert!(!text.contains("hunter2"));
        }
    }

    #[test]
    fn bad_input_is_an_error_answer_but_a_failed_revoke_is_an_error_that_is_tried_again() {
        let failure = || Err(Failure::BadRequest("write config first".to_owned()));
        let read = reply(Operation::Read, failure());
        assert!(read.err.is_none());
        let data = read.response.map(|response| response.data);
        assert_eq!(data.as_deref(), Some(r#"{"error":"write config first"}"#));
        for operation in [Operation::Revoke, Operation::Renew, Operation::Rollback] {
            let reply = reply(operation, failure());
            assert_eq!(reply.err.map(|error| error.err_type), Some(kind::INTERNAL));
            assert!(reply.response.is_none());
        }
    }

    #[test]
    fn every_answer_is_json_and_every_lease_has_an_issue_time() {
        let answer = Response {
            secret: Some(Secret::default()),
            ..Response::default()
        };
        let wire = response(answer);
        assert_eq!(wire.data, "null");
        let secret = wire.secret.unwrap();
        assert_eq!(secret.internal_data, "{}");
        assert!(secret.lease_options.unwrap().issue_time.is_some());
    }

    #[test]
    fn kinds_have_their_numbers() {
        let number = |failure| error(failure).err_type;
        assert_eq!(number(Failure::HostText(String::new())), 0);
        assert_eq!(number(Failure::Internal(String::new())), 2);
        assert_eq!(number(Failure::UnsupportedOperation), 5);
        assert_eq!(number(Failure::UnsupportedPath), 6);
        let coded = error(Failure::Coded {
            status: 429,
            text: "later".to_owned(),
        });
        assert_eq!((coded.err_type, coded.err_code), (3, 429));
    }

    #[test]
    fn a_bad_field_in_an_existence_check_is_the_users_fault() {
        let reply = existence(Err(Failure::BadRequest("ttl".to_owned())));
        assert_eq!(reply.err.map(|error| error.err_type), Some(1));
        assert!(!existence(Ok(None)).check_found);
    }

    #[tokio::test]
    async fn a_lease_survives_the_way_there_and_back() {
        let lease = Secret {
            internal_data: Data::from_iter([("role".to_owned(), json!("r"))]),
            ttl: Duration::from_hours(1),
            max_ttl: Duration::from_hours(2),
            renewable: true,
            increment: Duration::from_secs(5),
            issue_time: DateTime::from_timestamp(1_700_000_000, 5),
        };
        let back = secret(leased(lease.clone())).unwrap();
        assert_eq!(back.internal_data, lease.internal_data);
        assert_eq!((back.ttl, back.max_ttl), (lease.ttl, lease.max_ttl));
        assert_eq!(
            (back.increment, back.issue_time),
            (lease.increment, lease.issue_time)
        );
    }

    #[test]
    fn grpc_timeouts_are_read_in_every_unit() {
        assert_eq!(grpc_timeout("90S"), Some(Duration::from_secs(90)));
        assert_eq!(
            grpc_timeout("89999999u"),
            Some(Duration::from_micros(89_999_999))
        );
        assert_eq!(grpc_timeout("2H"), Some(Duration::from_hours(2)));
        for text in ["", "S", "5", "-5S", "123456789S", "5\u{b5}"] {
            assert_eq!(grpc_timeout(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_header_makes_the_decoder_panic(text in "\\PC{0,12}") {
            let _ = grpc_timeout(&text);
        }

        #[test]
        fn no_data_makes_the_decoder_panic(data in "\\PC{0,60}") {
            let _ = object(data, "data");
        }
    }
}
