//! How near rotations of one secret may come to each other and to the secret's end.

use chrono::{DateTime, TimeDelta, Utc};

use crate::engine::error::RotationError;

/// Between two rotations, unless one is forced.
const MIN_INTERVAL: TimeDelta = TimeDelta::minutes(1);

/// A rotation that would come after the secret's end comes this long before it instead, or a quarter
/// of the secret's life if that is shorter.
const BEFORE_THE_END: TimeDelta = TimeDelta::days(1);

/// When a planned rotation is due: as planned, but before the end of the present secret. A secret
/// that lives for days only is not rotated as soon as it is made.
pub(crate) fn due(
    planned: DateTime<Utc>,
    end: Option<DateTime<Utc>>,
    last: Option<DateTime<Utc>>,
) -> DateTime<Utc> {
    match (end.filter(|end| *end <= planned), last) {
        (None, _) => planned,
        (Some(end), None) => end - BEFORE_THE_END,
        (Some(end), Some(last)) => {
            let early = end - BEFORE_THE_END.min((end - last) / 4);
            early.max(last + MIN_INTERVAL)
        }
    }
}

/// Refuses a rotation by hand right after another, unless it is forced.
pub(crate) fn refuse_too_soon(
    last: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
    force: bool,
) -> Result<(), RotationError> {
    match last {
        Some(last) if now < last + MIN_INTERVAL && !force => Err(RotationError::TooSoon {
            seconds_ago: (now - last).num_seconds(),
            until: last + MIN_INTERVAL,
        }),
        _ => Ok(()),
    }
}
