//! What an answer means, whether its request is sent again, and when.
//!
//! The delays are computed here and not by a retry crate: each attempt has to pass the limiter and be
//! signed anew, `Retry-After` overrules the schedule, and chance comes from [`Entropy`]; what such a
//! crate would add is the one line of arithmetic in [`backoff`].

use std::time::Duration;

use chrono::{DateTime, Utc};
use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};

use crate::base::{Entropy, backoff};

use super::call::{Call, Manner};
use super::error::{AnswerFault, AtlasError, NOT_FROM_ATLAS, TransportFault};
use super::error_body::{ErrorBody, ErrorForm};
use super::hidden::Hidden;
use super::rights::names_missing_right;
use super::transport::Answer;

/// The most attempts of one call, but for those that were told to come back later.
pub(super) const MAX_ATTEMPTS: u32 = 5;
/// The longest wait that is believed of an answer, and told.
pub(super) const MAX_WAIT: Duration = Duration::from_hours(1);

const FIRST_DELAY: Duration = Duration::from_millis(400);
const LONGEST_DELAY: Duration = Duration::from_secs(10);
/// First delay after a 429 that names none. Source: Atlas documentation on rate limits.
const FIRST_LIMITED_DELAY: Duration = Duration::from_secs(10);
const LONGEST_LIMITED_DELAY: Duration = Duration::from_secs(40);

/// Whether a request may be sent again when its outcome is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// Sending it twice has the effect of sending it once.
    Safe,
    /// A second one makes a second thing: only sent again when the first had certainly no effect.
    Unsafe,
}

/// The attempts of one call so far.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Tries {
    /// All of them.
    pub(super) made: u32,
    /// Those at the end that Atlas answered with 429.
    pub(super) limited_in_a_row: u32,
    /// Those that failed in another way.
    failed: u32,
}

impl Tries {
    /// Counts one more.
    pub(super) fn count(&mut self, failure: &Failure) {
        self.made = self.made.saturating_add(1);
        if failure.is_limited() {
            self.limited_in_a_row = self.limited_in_a_row.saturating_add(1);
        } else {
            self.limited_in_a_row = 0;
            self.failed = self.failed.saturating_add(1);
        }
    }
}

/// A failed attempt.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: AtlasError,
    /// Nothing of it reached Atlas.
    pub(super) unsent: bool,
    again: Again,
    /// How long Atlas asks to wait.
    wait: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    /// The answer is final.
    Never,
    /// It may have had an effect.
    IfSafe,
    /// It certainly had none.
    Always,
}

impl Failure {
    /// No whole answer came.
    pub(super) fn no_answer(
        operation: &'static str,
        attempts: u32,
        source: TransportFault,
    ) -> Self {
        let again = match &source {
            TransportFault::NoTimeLeft
            | TransportFault::GivenUp
            | TransportFault::TooLong { .. } => Again::Never,
            TransportFault::Connect(_) => Again::Always,
            TransportFault::Timeout { .. } | TransportFault::Broken(_) => Again::IfSafe,
        };
        let unsent = !source.maybe_sent();
        let error = AtlasError::NoAnswer {
            operation,
            attempts,
            source,
        };
        Self {
            error,
            unsent,
            again,
            wait: None,
        }
    }

    /// What came in between before the call itself could be sent.
    pub(super) fn before_sending(error: AtlasError) -> Self {
        Self {
            unsent: true,
            ..Self::from(error)
        }
    }

    fn is_limited(&self) -> bool {
        matches!(self.error, AtlasError::RateLimited { .. })
    }

    /// How long to wait before the next attempt; `None` if there is to be none.
    ///
    /// A 429 is waited out however often it comes: only the end of the caller's budget ends that. `tries`
    /// counts this failure.
    pub(super) fn delay(
        &self,
        repeat: Repeat,
        tries: Tries,
        entropy: &dyn Entropy,
    ) -> Option<Duration> {
        let again = match self.again {
            Again::Never => false,
            Again::IfSafe => repeat == Repeat::Safe,
            Again::Always => true,
        };
        if self.is_limited() {
            // The limiter has learnt what the answer asks for and makes the next attempt wait as long.
            let delay = backoff(tries.limited_in_a_row, FIRST_DELAY, LONGEST_DELAY, entropy);
            return again.then_some(delay);
        }
        (again && tries.failed < MAX_ATTEMPTS).then_some(())?;
        let delay = backoff(tries.failed, FIRST_DELAY, LONGEST_DELAY, entropy);
        Some(self.wait.unwrap_or_default().max(delay))
    }
}

impl From<AtlasError> for Failure {
    fn from(error: AtlasError) -> Self {
        Self {
            error,
            unsent: false,
            again: Again::Never,
            wait: None,
        }
    }
}

/// How long to stay away after a 429 that does not say.
pub(super) fn limited_delay(attempts: u32, entropy: &dyn Entropy) -> Duration {
    backoff(
        attempts,
        FIRST_LIMITED_DELAY,
        LONGEST_LIMITED_DELAY,
        entropy,
    )
}

/// Whether the answer is a 401 that is about the credential and not about its rights.
pub(super) fn refuses_credential(answer: &Answer) -> bool {
    answer.status == StatusCode::UNAUTHORIZED
        && !names_missing_right(
            &ErrorBody::parse(ErrorForm::Resource, 401, &answer.body, &Hidden::NOTHING).code,
        )
}

/// Returns an answer that means success of its call. Any other is a failure, which tells what may
/// follow from it.
///
/// `attempts` counts this one; `wait` is what the answer asks for.
pub(super) fn judge(
    call: &Call,
    attempts: u32,
    answer: Answer,
    wait: Option<Duration>,
) -> Result<Answer, Failure> {
    let operation = call.operation;
    let status = answer.status.as_u16();
    if answer.status.is_success() {
        return match call.success.check(&answer) {
            Ok(()) => Ok(answer),
            Err(source) => Err(unexpected(operation, status, source).into()),
        };
    }
    let form = match call.manner {
        Manner::Resource => ErrorForm::Resource,
        Manner::Token(_) => ErrorForm::Token,
    };
    let hidden = call.hidden.and(answer.signed_with.as_ref());
    let ErrorBody { code, detail, .. } = ErrorBody::parse(form, status, &answer.body, &hidden);
    let (error, again) = match status {
        429 => {
            let retry_after = wait.unwrap_or_default();
            (
                AtlasError::RateLimited {
                    operation,
                    retry_after,
                    answered: true,
                },
                Again::Always,
            )
        }
        401 if !names_missing_right(&code) => (
            AtlasError::Unauthenticated {
                operation,
                code,
                detail: or_foreign(detail, &answer),
            },
            Again::Never,
        ),
        500.. => {
            let error = AtlasError::ServerFault {
                operation,
                status,
                code,
                detail,
                attempts,
            };
            (error, Again::IfSafe)
        }
        300..=399 => (
            unexpected(operation, status, AnswerFault::Redirect),
            Again::Never,
        ),
        _ if code.is_empty() => (
            unexpected(operation, status, AnswerFault::NoErrorCode),
            Again::Never,
        ),
        _ => refused(operation, status, code, detail),
    };
    Err(Failure {
        error,
        unsent: false,
        again,
        wait,
    })
}

/// Whether Atlas saw the request at all is unknown.
fn unexpected(operation: &'static str, status: u16, source: AnswerFault) -> AtlasError {
    AtlasError::UnexpectedAnswer {
        operation,
        status,
        source,
    }
}

/// A 401 has no body at times, also from Atlas; one that is not of Atlas's shape is told as such.
fn or_foreign(detail: String, answer: &Answer) -> String {
    if detail.is_empty() && !answer.body.is_empty() {
        format!("{}; {NOT_FROM_ATLAS}", AnswerFault::NoErrorCode)
    } else {
        detail
    }
}

fn refused(
    operation: &'static str,
    status: u16,
    code: String,
    detail: String,
) -> (AtlasError, Again) {
    // Atlas refuses writes for the short time of its own upgrades.
    let again = if code == "WRITES_NOT_ALLOWED_DURING_APP_UPGRADES" {
        Again::Always
    } else {
        Again::Never
    };
    let error = AtlasError::Refused {
        operation,
        status,
        code,
        detail,
    };
    (error, again)
}

/// The wait that a `Retry-After` header asks for, in seconds or as a date; at most an hour.
pub(super) fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if let Ok(seconds) = text.parse::<u64>() {
        Duration::from_secs(seconds)
    } else {
        let date = DateTime::parse_from_rfc2822(text).ok()?;
        (date.with_timezone(&Utc) - now)
            .to_std()
            .unwrap_or_default()
    };
    Some(wait.min(MAX_WAIT))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;
    use zeroize::Zeroizing;

    use super::*;
    use crate::atlas::endpoints::{EndpointSet, Scope};

    struct Same(u8);

    impl Entropy for Same {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    fn failure(status: u16, body: &str) -> Failure {
        let answer = Answer {
            status: StatusCode::from_u16(status).expect("a status"),
            headers: HeaderMap::new(),
            body: Zeroizing::new(body.as_bytes().to_vec()),
            signed_with: None,
        };
        let call = Call::get("op", "", EndpointSet::Root, Scope::User);
        judge(&call, 1, answer, None).err().expect("a failure")
    }

    fn now() -> DateTime<Utc> {
        "2026-08-10T03:02:57Z".parse().expect("a time")
    }

    fn wait(text: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_str(text).ok()?);
        retry_after(&headers, now())
    }

    /// As many such failures one after the other.
    fn times(failure: &Failure, count: u32) -> Tries {
        let mut tries = Tries::default();
        (0..count).for_each(|_| tries.count(failure));
        tries
    }

    fn repeats(failure: &Failure, repeat: Repeat) -> bool {
        failure.delay(repeat, times(failure, 1), &Same(0)).is_some()
    }

    #[test]
    fn a_create_is_only_repeated_when_it_had_no_effect() {
        let connect = Failure::no_answer("op", 1, TransportFault::Connect("refused".into()));
        let after = Duration::from_secs(1);
        let timeout = Failure::no_answer("op", 1, TransportFault::Timeout { after });
        for (failure, unsafe_too) in [
            (connect, true),
            (failure(429, ""), true),
            (
                failure(
                    405,
                    r#"{"error":405,"errorCode":"WRITES_NOT_ALLOWED_DURING_APP_UPGRADES"}"#,
                ),
                true,
            ),
            (timeout, false),
            (failure(500, ""), false),
            (failure(503, "<html>"), false),
        ] {
            assert!(repeats(&failure, Repeat::Safe), "{failure:?}");
            assert_eq!(repeats(&failure, Repeat::Unsafe), unsafe_too, "{failure:?}");
        }
        for status in [302, 400, 401, 403, 404, 405, 409] {
            assert!(!repeats(&failure(status, ""), Repeat::Safe), "{status}");
        }
    }

    #[test]
    fn a_missing_right_is_no_bad_credential() {
        for code in [
            "USER_UNAUTHORIZED",
            "NOT_ORG_OWNER",
            "USER_CANNOT_ACCESS_ORG",
            "API_KEY_WHITELIST_ACCESS_DENIED",
            "API_KEY_ACCESS_LIST_ACCESS_DENIED",
            "SERVICE_ACCOUNT_ACCESS_LIST_ACCESS_DENIED",
        ] {
            let error = failure(401, &format!(r#"{{"error":401,"errorCode":"{code}"}}"#)).error;
            assert!(
                matches!(error, AtlasError::Refused { status: 401, .. }),
                "{code}: {error:?}"
            );
        }
        for body in [
            "",
            r#"{"error":401,"errorCode":"UNEXPECTED_ERROR"}"#,
            r#"{"error":"invalid_client"}"#,
            r#"{"error":"access_denied"}"#,
            r#"{"errorCode":"USER_UNAUTHORIZED"}"#,
        ] {
            let bad = failure(401, body).error;
            assert!(matches!(bad, AtlasError::Unauthenticated { .. }), "{bad:?}");
        }
    }

    #[test]
    fn what_atlas_does_not_answer_is_no_refusal() {
        for (status, body) in [
            (200, "<html>"),
            (202, ""),
            (302, ""),
            (400, ""),
            (403, "<html>"),
            (404, r#"{"status":404,"error":"Not Found"}"#),
            (404, r#"{"error":"not_found"}"#),
            (404, r#"{"message":"no Route matched"}"#),
            (410, r#"{"error":404,"errorCode":"API_KEY_NOT_FOUND"}"#),
        ] {
            let failure = failure(status, body);
            let error = &failure.error;
            assert!(
                matches!(error, AtlasError::UnexpectedAnswer { .. }),
                "{error:?}"
            );
            assert!(error.outcome_unknown() && error.code().is_none());
            assert!(!repeats(&failure, Repeat::Safe), "{status}");
        }
        let refused = r#"{"error":404,"errorCode":"API_KEY_NOT_FOUND"}"#;
        assert!(failure(404, refused).error.says_api_key_is_gone());
    }

    #[test]
    fn a_401_of_another_shape_says_so() {
        let error = failure(401, "<html>log in</html>").error;
        assert!(error.is_unauthenticated());
        assert!(error.to_string().contains("a proxy or gateway"), "{error}");
    }

    #[test]
    fn delays_double_up_to_the_longest_and_attempts_end() {
        let fault = failure(500, "");
        let delay =
            |attempts, byte| fault.delay(Repeat::Safe, times(&fault, attempts), &Same(byte));
        assert_eq!(delay(1, 0), Some(FIRST_DELAY / 2));
        assert_eq!(delay(2, 0), Some(FIRST_DELAY));
        assert!(delay(4, 255).expect("one more") <= LONGEST_DELAY);
        assert_eq!(delay(MAX_ATTEMPTS, 0), None);
        assert!(backoff(u32::MAX, FIRST_DELAY, LONGEST_DELAY, &Same(255)) <= LONGEST_DELAY);
    }

    #[test]
    fn a_429_is_waited_out_however_often_it_comes() {
        let limited = failure(429, "");
        let delay = |tries| limited.delay(Repeat::Unsafe, tries, &Same(0));
        assert_eq!(delay(times(&limited, 1)), Some(FIRST_DELAY / 2));
        assert_eq!(delay(times(&limited, 2)), Some(FIRST_DELAY));
        let long = delay(times(&limited, 40));
        assert_eq!(long, Some(LONGEST_DELAY / 2), "bounded, and no end");
        let mut tries = times(&limited, MAX_ATTEMPTS + 1);
        let fault = failure(500, "");
        tries.count(&fault);
        let delay = fault.delay(Repeat::Safe, tries, &Same(0));
        assert_eq!(
            delay,
            Some(FIRST_DELAY / 2),
            "they do not count as failures"
        );
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(
            wait("Mon, 10 Aug 2026 03:03:07 GMT"),
            Some(Duration::from_secs(10))
        );
        assert_eq!(wait("Mon, 10 Aug 2020 03:03:07 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("99999999999"), Some(MAX_WAIT));
        for wrong in ["", "-1", "soon", "1.5", "99999999999999999999999"] {
            assert_eq!(wait(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_retry_after_is_answered_and_bounded(text in "[ -~]{0,40}") {
            prop_assert!(wait(&text).unwrap_or_default() <= MAX_WAIT);
        }

        #[test]
        fn dates_far_away_are_answered(year in 0_i32..9999, day in 1_u32..29) {
            let _ = wait(&format!("{day:02} Aug {year:04} 03:03:07 GMT"));
        }
    }
}
