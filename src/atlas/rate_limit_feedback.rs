//! What an answer tells about the rate limit it was counted under.
//!
//! Sources: Atlas documentation on rate limits; the two shapes of 429 that its endpoints send.

use std::time::Duration;

use chrono::{DateTime, Utc};
use http::{HeaderMap, StatusCode};

use crate::base::Entropy;

use super::endpoints::Rate;
use super::error_body::{ErrorBody, ErrorForm};
use super::hidden::Hidden;
use super::retry::{MAX_WAIT, limited_delay, retry_after};
use super::transport::Answer;

/// What the limiter can learn.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(super) struct RateLimitFeedback {
    /// `RateLimit-Limit`: the capacity.
    pub(super) limit: Option<u32>,
    /// `RateLimit-Remaining`: the tokens left.
    pub(super) remaining: Option<u32>,
    /// The rate in the parameters of a 429.
    pub(super) rate: Option<Rate>,
    /// How long a 429 asks to stay away.
    pub(super) wait: Option<Duration>,
}

impl RateLimitFeedback {
    /// Reads an answer; `limited` tells how many 429s in a row the request met, should this be one.
    pub(super) fn of(
        answer: &Answer,
        limited: u32,
        now: DateTime<Utc>,
        entropy: &dyn Entropy,
    ) -> Self {
        let mut feedback = Self {
            limit: number(&answer.headers, "ratelimit-limit"),
            remaining: number(&answer.headers, "ratelimit-remaining"),
            ..Self::default()
        };
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            let (wait, rate) = parameters(
                &ErrorBody::parse(ErrorForm::Resource, 429, &answer.body, &Hidden::NOTHING)
                    .parameters,
            );
            let wait = retry_after(&answer.headers, now).or(wait);
            feedback.rate = rate;
            let wait = wait.unwrap_or_else(|| limited_delay(limited, entropy));
            feedback.wait = Some(wait.min(MAX_WAIT));
        }
        feedback
    }
}

fn number(headers: &HeaderMap, name: &str) -> Option<u32> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// Reads `[path, seconds to wait, capacity, refill, refill seconds]` (`RATE_LIMITED_TOKEN_BUCKET`)
/// and the older `[resource, count, minutes]` (`RATE_LIMITED`). Less than a token an hour is not
/// believed.
fn parameters(parameters: &[String]) -> (Option<Duration>, Option<Rate>) {
    let number = |index: usize| -> Option<u32> { parameters.get(index)?.trim().parse().ok() };
    let rate = |capacity: Option<u32>, refill: Option<u32>, seconds: Option<u32>| {
        let rate = Rate {
            capacity: capacity.filter(|number| *number > 0)?,
            refill: refill.filter(|number| *number > 0)?,
            seconds: seconds.filter(|number| *number > 0)?,
        };
        let token_every = Duration::from_secs(rate.seconds.into()) / rate.refill;
        (token_every <= MAX_WAIT).then_some(rate)
    };
    match parameters.len() {
        5 => {
            let wait = number(1).map(|seconds| Duration::from_secs(seconds.into()));
            (wait, rate(number(2), number(3), number(4)))
        }
        3 => {
            let seconds = number(2).and_then(|minutes| minutes.checked_mul(60));
            (None, rate(number(1), number(1), seconds))
        }
        _ => (None, None),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use zeroize::Zeroizing;

    use super::*;
    use crate::base::{Clock, SystemClock, SystemEntropy};

    fn feedback(
        status: u16,
        headers: &[(&'static str, &'static str)],
        body: &str,
    ) -> RateLimitFeedback {
        let headers = headers.iter().map(|(name, value)| {
            let name = http::HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        });
        let answer = Answer {
            status: StatusCode::from_u16(status).expect("a status"),
            headers: headers.collect(),
            body: Zeroizing::new(body.as_bytes().to_vec()),
            signed_with: None,
        };
        RateLimitFeedback::of(&answer, 1, SystemClock.now(), &SystemEntropy)
    }

    #[test]
    fn headers_of_a_success_tell_size_and_rest() {
        let read = feedback(
            200,
            &[("ratelimit-limit", "500"), ("ratelimit-remaining", "499")],
            "",
        );
        assert_eq!(
            (read.limit, read.remaining, read.wait),
            (Some(500), Some(499), None)
        );
        let odd = feedback(
            200,
            &[("ratelimit-limit", "many"), ("ratelimit-remaining", "-1")],
            "",
        );
        assert_eq!(odd, RateLimitFeedback::default());
    }

    #[test]
    fn the_parameters_of_a_429_tell_wait_and_rate() {
        let body = r#"{"error":429,"errorCode":"RATE_LIMITED_TOKEN_BUCKET",
            "parameters":["api/atlas/v2/orgs",7,600,300,60]}"#;
        let read = feedback(429, &[], body);
        assert_eq!(read.wait, Some(Duration::from_secs(7)));
        let rate = Rate {
            capacity: 600,
            refill: 300,
            seconds: 60,
        };
        assert_eq!(read.rate, Some(rate));
        let read = feedback(429, &[("retry-after", "9")], body);
        assert_eq!(read.wait, Some(Duration::from_secs(9)));
    }

    #[test]
    fn a_429_of_the_token_endpoint_backs_off_automatically() {
        let body =
            r#"{"error":429,"errorCode":"RATE_LIMITED","parameters":["/api/oauth/token",10,1]}"#;
        let read = feedback(429, &[], body);
        let rate = Rate {
            capacity: 10,
            refill: 10,
            seconds: 60,
        };
        assert_eq!(read.rate, Some(rate));
        let wait = read.wait.expect("a wait");
        assert!((5..=10).contains(&wait.as_secs()), "{wait:?}");
        let oauth = r#"{"error":"rate_limited","error_description":"Resource is limited."}"#;
        assert!(feedback(429, &[], oauth).wait.is_some());
    }

    fn limited(parameters: &str) -> String {
        let code = "RATE_LIMITED_TOKEN_BUCKET";
        format!(r#"{{"error":429,"errorCode":"{code}","parameters":{parameters}}}"#)
    }

    #[test]
    fn rates_and_waits_beyond_reason_are_not_believed() {
        for parameters in [
            r#"["p",1,0,0,0]"#,
            r#"["p",1,600,1,4000000]"#,
            r#"["p",1,99999]"#,
        ] {
            let read = feedback(429, &[], &limited(parameters));
            assert_eq!(read.rate, None, "{parameters}");
        }
        let read = feedback(429, &[], &limited(r#"["p",2400003,600,300,60]"#));
        assert_eq!(read.wait, Some(MAX_WAIT));
    }
}
