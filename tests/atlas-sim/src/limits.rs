//! Token buckets by endpoint set and scope, and the token endpoint's own limit.

use std::collections::HashMap;
use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::clock::after;
use crate::endpoint_sets::Endpoints;
use crate::errors::ApiError;
use crate::settings::{BucketSize, Refill, Settings};

/// The buckets and windows in use.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    buckets: HashMap<(&'static str, String), Bucket>,
    token_windows: HashMap<(IpAddr, String), (DateTime<Utc>, u64)>,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    since: DateTime<Utc>,
}

/// What the headers tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Level {
    pub(crate) limit: u64,
    pub(crate) remaining: u64,
}

/// Windows of the token endpoint kept at most; beyond, old ones are dropped.
const MAX_TOKEN_WINDOWS: usize = 50_000;

impl Limits {
    /// Takes a token for one request on `path`; `owner` is the project, organization or user.
    pub(crate) fn take(
        &mut self,
        set: &Endpoints,
        owner: &str,
        path: &str,
        now: DateTime<Utc>,
        settings: &Settings,
    ) -> Result<Level, ApiError> {
        let size = set.size(settings);
        let bucket = self
            .buckets
            .entry((set.id, owner.to_owned()))
            .or_insert_with(|| Bucket {
                tokens: as_float(size.capacity),
                since: now,
            });
        bucket.refill(size, now, settings.refill);
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(Level {
                limit: size.capacity,
                remaining: whole(bucket.tokens),
            });
        }
        Err(exhausted(
            path,
            size,
            bucket.wait_seconds(size, now, settings.refill),
        ))
    }

    /// Counts a request to the token endpoint; `Err` holds the number of it within the minute.
    pub(crate) fn take_token_request(
        &mut self,
        address: IpAddr,
        client_id: &str,
        now: DateTime<Utc>,
        per_minute: u64,
    ) -> Result<(), u64> {
        if per_minute == 0 {
            return Ok(());
        }
        if self.token_windows.len() >= MAX_TOKEN_WINDOWS {
            self.token_windows
                .retain(|_, (start, _)| now < after(*start, 60));
        }
        let window = self
            .token_windows
            .entry((address, client_id.to_owned()))
            .or_insert((now, 0));
        if now >= after(window.0, 60) {
            *window = (now, 0);
        }
        window.1 = window.1.saturating_add(1);
        if window.1 > per_minute {
            Err(window.1)
        } else {
            Ok(())
        }
    }

    /// Full buckets and empty windows.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }
}

impl Bucket {
    fn refill(&mut self, size: BucketSize, now: DateTime<Utc>, refill: Refill) {
        let elapsed =
            as_float(u64::try_from((now - self.since).num_milliseconds()).unwrap_or(0)) / 1_000.0;
        let periods = elapsed / as_float(size.refill_seconds.max(1));
        let periods = match refill {
            Refill::Stepwise => periods.floor(),
            Refill::Continuous => periods,
        };
        if periods <= 0.0 {
            return;
        }
        self.tokens =
            (self.tokens + periods * as_float(size.refill_rate)).min(as_float(size.capacity));
        self.since = match refill {
            Refill::Stepwise => after(self.since, whole(periods) * size.refill_seconds.max(1)),
            Refill::Continuous => now,
        };
    }

    fn wait_seconds(&self, size: BucketSize, now: DateTime<Utc>, refill: Refill) -> u64 {
        let period = size.refill_seconds.max(1);
        match refill {
            Refill::Stepwise => {
                let left = (after(self.since, period) - now).num_milliseconds();
                u64::try_from(left).unwrap_or(0).div_ceil(1_000).max(1)
            }
            Refill::Continuous => {
                let rate = as_float(size.refill_rate.max(1)) / as_float(period);
                whole(((1.0 - self.tokens) / rate).ceil()).max(1)
            }
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "bucket sizes are far below 2^52"
)]
fn as_float(number: u64) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "never negative, and far below 2^52; the fraction is to be cut"
)]
fn whole(number: f64) -> u64 {
    number.max(0.0) as u64
}

fn exhausted(path: &str, size: BucketSize, wait_seconds: u64) -> ApiError {
    let path = path.trim_start_matches('/');
    let mut error = ApiError::new(
        429,
        "RATE_LIMITED_TOKEN_BUCKET",
        format!("Too many requests to {path}. Retry after {wait_seconds} seconds."),
    )
    .header("Retry-After", wait_seconds.to_string())
    .header("RateLimit-Limit", size.capacity.to_string())
    .header("RateLimit-Remaining", "0");
    error.parameters = vec![
        json!(path),
        json!(wait_seconds),
        json!(size.capacity),
        json!(size.refill_rate),
        json!(size.refill_seconds),
    ];
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint_sets::ENDPOINT_SETS;

    fn settings(refill: Refill) -> Settings {
        let size = BucketSize {
            capacity: 2,
            refill_rate: 1,
            refill_seconds: 60,
        };
        Settings {
            refill,
            buckets: [("apiKeys_org".to_owned(), size)].into(),
            ..Settings::default()
        }
    }

    #[test]
    fn a_bucket_empties_and_is_refilled() {
        for refill in [Refill::Stepwise, Refill::Continuous] {
            let settings = settings(refill);
            let mut limits = Limits::default();
            let start = DateTime::<Utc>::UNIX_EPOCH;
            let mut take = |seconds| {
                limits.take(
                    &ENDPOINT_SETS[1],
                    "org",
                    "/x",
                    after(start, seconds),
                    &settings,
                )
            };
            assert_eq!(take(0).unwrap().remaining, 1);
            assert_eq!(take(0).unwrap().remaining, 0);
            let refused = take(0).unwrap_err();
            assert_eq!(refused.status, 429);
            assert_eq!(refused.headers[0], ("Retry-After", "60".to_owned()));
            assert_eq!(
                refused.parameters,
                [json!("x"), json!(60), json!(2), json!(1), json!(60)]
            );
            assert!(take(59).is_err());
            assert!(take(60).is_ok());
        }
    }

    #[test]
    fn the_token_endpoint_counts_by_the_minute() {
        let mut limits = Limits::default();
        let address = IpAddr::from([127, 0, 0, 1]);
        let start = DateTime::<Utc>::UNIX_EPOCH;
        let mut take = |client: &str, seconds| {
            limits.take_token_request(address, client, after(start, seconds), 1)
        };
        assert_eq!(take("a", 0), Ok(()));
        assert_eq!(take("a", 59), Err(2));
        assert_eq!(take("b", 59), Ok(()));
        assert_eq!(take("a", 60), Ok(()));
    }
}
