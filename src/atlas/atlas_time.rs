//! Atlas's own time, as its answers tell it in their `Date` header.
//!
//! It is the one clock that neither this machine nor its time service sets. What a gateway or a cache
//! on the way answers says nothing of it, nor does an answer that was long on its way.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use http::HeaderMap;
use http::header::{AGE, CONTENT_TYPE, DATE};
use serde_json::Value;

use super::transport::Answer;

/// An exchange that took longer does not tell when Atlas looked at its clock.
const MAX_EXCHANGE: Duration = Duration::from_secs(5);
/// A moment from a faster exchange is right to about a second.
const PRECISE_EXCHANGE: Duration = Duration::from_secs(2);

/// What Atlas's clock showed at a moment of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AtlasTime {
    shown: DateTime<Utc>,
    /// The monotonic time of that moment.
    seen_at: Duration,
    took: Duration,
}

impl AtlasTime {
    /// What Atlas's clock shows at this monotonic time.
    #[must_use]
    pub(crate) fn at(&self, monotonic: Duration) -> DateTime<Utc> {
        let age = TimeDelta::from_std(self.age(monotonic)).unwrap_or(TimeDelta::MAX);
        self.shown
            .checked_add_signed(age)
            .unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// How long ago Atlas told it.
    #[must_use]
    pub(crate) fn age(&self, monotonic: Duration) -> Duration {
        monotonic.saturating_sub(self.seen_at)
    }

    /// Whether it is right to about a second.
    #[must_use]
    pub(crate) fn is_precise(&self) -> bool {
        self.took <= PRECISE_EXCHANGE
    }
}

/// The last time that Atlas told.
#[derive(Default)]
pub(super) struct LastDate(Mutex<Option<AtlasTime>>);

impl LastDate {
    /// Takes note of an answer to what was sent and answered at these monotonic times.
    pub(super) fn note(&self, answer: &Answer, sent_at: Duration, answered_at: Duration) {
        let took = answered_at.saturating_sub(sent_at);
        if took > MAX_EXCHANGE || !is_of_atlas(answer) {
            return;
        }
        let Some(date) = date(&answer.headers) else {
            return;
        };
        let last = AtlasTime {
            shown: date,
            // As likely earlier as later.
            seen_at: sent_at + took / 2,
            took,
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(last);
    }

    pub(super) fn last(&self) -> Option<AtlasTime> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether Atlas formed the answer itself: by the media type of its API, or its error shape.
fn is_of_atlas(answer: &Answer) -> bool {
    let media_type = answer.headers.get(CONTENT_TYPE);
    let media_type = media_type.and_then(|value| value.to_str().ok());
    if media_type.is_some_and(|text| text.starts_with("application/vnd.atlas.")) {
        return true;
    }
    let body = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
    body["error"].as_u64() == Some(answer.status.as_u16().into()) && body["errorCode"].is_string()
}

fn date(headers: &HeaderMap) -> Option<DateTime<Utc>> {
    // A cache keeps the date of the answer that it keeps.
    if headers.contains_key(AGE) {
        return None;
    }
    let text = headers.get(DATE)?.to_str().ok()?;
    let date = DateTime::parse_from_rfc2822(text.trim()).ok()?;
    Some(date.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue, StatusCode};
    use zeroize::Zeroizing;

    use super::*;

    const TOLD: &str = "Mon, 10 Aug 2026 03:04:21 GMT";
    const ATLAS: &str = "application/vnd.atlas.2023-01-01+json;charset=utf-8";

    fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Answer {
        let headers = headers.iter().map(|(name, value)| {
            let name = HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        });
        Answer {
            status: StatusCode::from_u16(status).expect("a status"),
            headers: headers.collect(),
            body: Zeroizing::new(body.as_bytes().to_vec()),
            signed_with: None,
        }
    }

    fn seen(answer: &Answer, took: u64) -> Option<AtlasTime> {
        let last = LastDate::default();
        let sent_at = Duration::from_secs(100);
        last.note(answer, sent_at, sent_at + Duration::from_secs(took));
        last.last()
    }

    #[test]
    fn the_time_continues_from_what_atlas_told() {
        let told = answer(200, &[("date", TOLD), ("content-type", ATLAS)], "{}");
        let time = seen(&told, 2).expect("a time");
        assert_eq!(
            time.at(Duration::from_secs(161)).to_rfc3339(),
            "2026-08-10T03:05:21+00:00"
        );
        assert_eq!(time.age(Duration::from_secs(161)), Duration::from_mins(1));
        assert!(time.is_precise());
        assert!(!seen(&told, 4).expect("a time").is_precise());
    }

    #[test]
    fn only_dates_of_atlas_count() {
        let plain = [("date", TOLD), ("content-type", "application/json")];
        let refusal = r#"{"error":404,"errorCode":"GROUP_NOT_FOUND"}"#;
        assert!(seen(&answer(404, &plain, refusal), 0).is_some());
        for body in [
            r#"{"status":404,"error":"Not Found"}"#,
            r#"{"error":500,"errorCode":"X"}"#,
            "<html></html>",
            "",
        ] {
            assert_eq!(seen(&answer(404, &plain, body), 0), None, "{body}");
        }
        for headers in [
            &[("content-type", ATLAS)][..],
            &[("content-type", ATLAS), ("date", "")],
            &[("content-type", ATLAS), ("date", "yesterday")],
            &[("content-type", ATLAS), ("date", TOLD), ("age", "30")],
        ] {
            assert_eq!(seen(&answer(200, headers, "{}"), 0), None, "{headers:?}");
        }
        let slow = answer(200, &[("date", TOLD), ("content-type", ATLAS)], "{}");
        assert_eq!(seen(&slow, 6), None);
    }
}
