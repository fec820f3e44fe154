//! From JSON to a field's value: single values, and the table of kinds.
//!
//! JSON is taken as Vault's users are used to from the SDK's weakly typed decoding; what is not
//! accepted below is refused. A reason never repeats the value. `null` is the zero of a kind;
//! for durations and times it is the same as not given.
//! Source: `FieldData.GetOkErr` of Vault's SDK framework.

use std::borrow::Cow;
use std::time::Duration;

use chrono::{DateTime, Datelike as _, Utc};
use serde_json::{Number, Value};

use super::collections;
use super::integer;
use super::kind::Kind;
use super::value::FieldValue;
use crate::base::time::{parse_duration, whole_seconds};

/// Why a value was refused; never holds the value.
pub(crate) type Reason = Cow<'static, str>;

/// Reads a value as its kind asks; [`None`] counts as not given.
pub(crate) fn decode(kind: Kind, raw: Value) -> Result<Option<FieldValue>, Reason> {
    let value = match kind {
        Kind::Text => FieldValue::Text(text(raw)?),
        Kind::LowercaseText => FieldValue::Text(text(raw)?.to_lowercase()),
        Kind::Int => FieldValue::Int(int(&raw)?),
        Kind::Bool => FieldValue::Bool(boolean(&raw)?),
        Kind::Seconds => return Ok(duration(&raw)?.map(FieldValue::Duration)),
        Kind::Time => return Ok(time(&raw)?.map(FieldValue::Time)),
        Kind::Map => FieldValue::Map(collections::map(raw)?),
        Kind::Texts => FieldValue::Texts(collections::texts(raw)?),
        Kind::CommaTexts => FieldValue::Texts(collections::comma_texts(raw)?),
        Kind::MapOfLists => FieldValue::Lists(collections::map_of_lists(raw)?),
        Kind::TextsOrObjects => FieldValue::Texts(collections::texts_or_objects(raw)?),
        Kind::Objects => FieldValue::Texts(collections::objects(raw)?),
    };
    Ok(Some(value))
}

/// Text; a number in decimals without exponent, a boolean as `1` or `0`.
pub(super) fn text(raw: Value) -> Result<String, Reason> {
    match raw {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(decimal(&number)),
        Value::Bool(flag) => Ok(if flag { "1" } else { "0" }.to_owned()),
        Value::Null => Ok(String::new()),
        Value::Array(_) | Value::Object(_) => Err("must be text".into()),
    }
}

fn decimal(number: &Number) -> String {
    if number.is_f64() {
        number.as_f64().unwrap_or_default().to_string()
    } else {
        number.to_string()
    }
}

/// An integer: a number whose fraction is cut off, Go's forms of text, a boolean.
pub(super) fn int(raw: &Value) -> Result<i64, Reason> {
    const REASON: &str = "must be an integer";
    match raw {
        Value::Number(number) => number
            .as_i64()
            .or_else(|| number.as_f64().and_then(cut))
            .ok_or(REASON.into()),
        Value::String(text) if text.is_empty() => Ok(0),
        Value::String(text) => integer::parse(text).ok_or(REASON.into()),
        Value::Bool(flag) => Ok((*flag).into()),
        Value::Null => Ok(0),
        Value::Array(_) | Value::Object(_) => Err(REASON.into()),
    }
}

/// Without its fraction, if it then fits.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the range is checked, and the fraction is to be cut"
)]
fn cut(number: f64) -> Option<i64> {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    (-BEYOND..BEYOND).contains(&number).then_some(number as i64)
}

fn boolean(raw: &Value) -> Result<bool, Reason> {
    match raw {
        Value::Bool(flag) => Ok(*flag),
        Value::Number(number) => Ok(number.as_f64() != Some(0.0)),
        Value::Null => Ok(false),
        Value::String(text) => match text.as_str() {
            "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
            "" | "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
            _ => Err("must be true or false".into()),
        },
        Value::Array(_) | Value::Object(_) => Err("must be true or false".into()),
    }
}

fn duration(raw: &Value) -> Result<Option<Duration>, Reason> {
    let duration = match raw {
        Value::Null => return Ok(None),
        Value::Number(number) => whole_seconds(number_of_seconds(number)),
        Value::String(text) => parse_duration(text),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            return Err("could not parse duration from input".into());
        }
    };
    duration.map(Some).map_err(|error| error.to_string().into())
}

fn number_of_seconds(number: &Number) -> i128 {
    match number.as_i128() {
        Some(seconds) => seconds,
        // What does not fit is far above or below any duration; its sign is all that matters.
        None => number.as_f64().map_or(0, |seconds| {
            cut(seconds).map_or_else(
                || {
                    if seconds < 0.0 {
                        i128::from(i64::MIN)
                    } else {
                        i128::from(i64::MAX)
                    }
                },
                i128::from,
            )
        }),
    }
}

/// RFC 3339, or seconds since 1970 as integer or its text.
fn time(raw: &Value) -> Result<Option<DateTime<Utc>>, Reason> {
    let moment = match raw {
        Value::Null => return Ok(None),
        Value::Number(number) => number.as_i64().and_then(at_second),
        Value::String(text) => rfc3339(text).or_else(|| text.parse().ok().and_then(at_second)),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    // That form has no other years.
    let moment = moment.filter(|moment| (0..=9_999).contains(&moment.year()));
    moment.map(Some).ok_or(
        "must be a time in RFC 3339, such as 2030-01-31T12:00:00Z, or seconds since 1970".into(),
    )
}

fn rfc3339(text: &str) -> Option<DateTime<Utc>> {
    // The parser would let a blank stand for the `T`.
    (text.as_bytes().get(10) == Some(&b'T')).then_some(())?;
    Some(DateTime::parse_from_rfc3339(text).ok()?.to_utc())
}

fn at_second(seconds: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(seconds, 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::framework::toy::json_value;

    fn read(kind: Kind, raw: Value) -> Result<Value, Reason> {
        Ok(decode(kind, raw)?.map_or(Value::Null, FieldValue::into_json))
    }

    fn takes(kind: Kind, rows: &[(Value, Value)]) {
        for (raw, want) in rows {
            assert_eq!(read(kind, raw.clone()), Ok(want.clone()), "{kind:?} {raw}");
        }
    }

    fn refuses(kind: Kind, rows: &[Value]) {
        for raw in rows {
            let read = read(kind, raw.clone());
            assert!(read.is_err(), "{kind:?} {raw} became {read:?}");
        }
    }

    #[test]
    fn text_takes_single_values() {
        let rows = [
            (json!("A b"), json!("A b")),
            (json!(5), json!("5")),
            (json!(1.5), json!("1.5")),
            (json!(1e3), json!("1000")),
            (json!(1e-7), json!("0.0000001")),
            (json!(true), json!("1")),
            (json!(false), json!("0")),
            (json!(null), json!("")),
        ];
        takes(Kind::Text, &rows);
        takes(Kind::LowercaseText, &[(json!("PROD-a"), json!("prod-a"))]);
        for kind in [Kind::Text, Kind::LowercaseText] {
            refuses(kind, &[json!([]), json!(["a"]), json!({})]);
        }
    }

    #[test]
    fn integers_take_gos_forms() {
        let rows = [
            (json!(5), json!(5)),
            (json!(-5.9), json!(-5)),
            (json!("0x1f"), json!(31)),
            (json!("1_000"), json!(1000)),
            (json!(""), json!(0)),
            (json!(true), json!(1)),
            (json!(false), json!(0)),
            (json!(null), json!(0)),
        ];
        let wrong = [
            json!("1.5"),
            json!("x"),
            json!(1e19),
            json!(u64::MAX),
            json!([1]),
            json!({}),
        ];
        takes(Kind::Int, &rows);
        refuses(Kind::Int, &wrong);
    }

    #[test]
    fn booleans_take_gos_words() {
        for text in ["1", "t", "T", "TRUE", "true", "True"] {
            takes(Kind::Bool, &[(json!(text), json!(true))]);
        }
        for text in ["", "0", "f", "F", "FALSE", "false", "False"] {
            takes(Kind::Bool, &[(json!(text), json!(false))]);
        }
        let rows = [
            (json!(true), json!(true)),
            (json!(2), json!(true)),
            (json!(0.0), json!(false)),
            (json!(null), json!(false)),
        ];
        takes(Kind::Bool, &rows);
        refuses(
            Kind::Bool,
            &[json!("yes"), json!("tRUE"), json!([]), json!({})],
        );
    }

    #[test]
    fn durations_take_every_form() {
        let rows = [
            (json!(90), json!(90)),
            (json!(1.9), json!(1)),
            (json!("90"), json!(90)),
            (json!("1d"), json!(86_400)),
            (json!("1h30m"), json!(5_400)),
            (json!(""), json!(0)),
            (json!(null), json!(null)),
        ];
        let wrong = [
            json!("x"),
            json!(9_223_372_037_u64),
            json!(1e300),
            json!("9999999h"),
            json!(true),
            json!([5]),
            json!({}),
        ];
        takes(Kind::Seconds, &rows);
        refuses(Kind::Seconds, &wrong);
        refuses(
            Kind::Seconds,
            &[json!(-5), json!("-5"), json!("-5s"), json!(-1e300)],
        );
    }

    #[test]
    fn times_are_rfc_3339_or_seconds() {
        let rows = [
            (json!("2030-01-31T12:00:00Z"), json!("2030-01-31T12:00:00Z")),
            (
                json!("2030-01-31T12:00:00.5+02:00"),
                json!("2030-01-31T10:00:00.500Z"),
            ),
            (json!("86400"), json!("1970-01-02T00:00:00Z")),
            (json!(86_400), json!("1970-01-02T00:00:00Z")),
            (json!(null), json!(null)),
        ];
        takes(Kind::Time, &rows);
        let wrong = [
            json!(""),
            json!("2030-01-31"),
            json!("2030-01-31 12:00:00Z"),
            json!(i64::MAX),
            // Years that RFC 3339 does not have.
            json!(999_999_999_999_i64),
            json!("-62167219201"),
            json!("0000-01-01T00:00:00+01:00"),
            json!(true),
            json!([]),
        ];
        refuses(Kind::Time, &wrong);
    }

    /// Puts a value that must not be told somewhere into other JSON.
    fn hiding(marker: &str) -> impl Strategy<Value = Value> {
        let bare = Value::from(marker);
        let inside = Value::from(format!("{marker}=1, {marker}:2"));
        let (named, pair) = (marker.to_owned(), marker.to_owned());
        (prop_oneof![Just(bare), Just(inside)], json_value()).prop_flat_map(
            move |(value, other)| {
                prop_oneof![
                    Just(value.clone()),
                    Just(json!([other, value])),
                    Just(json!({"a": value, "b": other})),
                    Just(json!({ named.clone(): other })),
                    Just(json!([[{ pair.clone(): value }]])),
                ]
            },
        )
    }

    const MARKER: &str = "QZ7Hidden9";

    proptest! {
        #[test]
        fn any_json_is_answered(raw in json_value()) {
            for kind in Kind::ALL {
                let _ = decode(kind, raw.clone());
            }
        }

        #[test]
        fn reasons_never_repeat_the_value(raw in hiding(MARKER)) {
            for kind in Kind::ALL {
                if let Err(reason) = decode(kind, raw.clone()) {
                    prop_assert!(!reason.contains(MARKER), "{:?}: {}", kind, reason);
                }
            }
        }
    }
}
