//! A field's value once its kind has accepted it.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::vault::Data;

/// A decoded value. No `Debug`: it may be a secret.
#[derive(Clone, PartialEq)]
pub(super) enum FieldValue {
    /// Of the kinds of text.
    Text(String),
    /// Of [`Kind::Int`](super::Kind::Int).
    Int(i64),
    /// Of [`Kind::Bool`](super::Kind::Bool).
    Bool(bool),
    /// Of [`Kind::Seconds`](super::Kind::Seconds); whole seconds.
    Duration(Duration),
    /// Of [`Kind::Time`](super::Kind::Time).
    Time(DateTime<Utc>),
    /// Of [`Kind::Map`](super::Kind::Map).
    Map(Data),
    /// Of the kinds of lists of text.
    Texts(Vec<String>),
    /// Of [`Kind::MapOfLists`](super::Kind::MapOfLists).
    Lists(BTreeMap<String, Vec<String>>),
}

impl FieldValue {
    /// The JSON form: durations in seconds, times in RFC 3339.
    pub(crate) fn into_json(self) -> Value {
        match self {
            Self::Text(text) => text.into(),
            Self::Int(number) => number.into(),
            Self::Bool(flag) => flag.into(),
            Self::Duration(duration) => duration.as_secs().into(),
            Self::Time(time) => time.to_rfc3339_opts(SecondsFormat::AutoSi, true).into(),
            Self::Map(map) => map.into(),
            Self::Texts(texts) => texts.into(),
            Self::Lists(lists) => json!(lists),
        }
    }
}

/// A type that a field can be read as.
pub(super) trait FromField: Sized {
    /// The value as this type; [`None`] if it is of another kind.
    fn from_field(value: &FieldValue) -> Option<Self>;
}

macro_rules! read_as {
    ($($type:ty: $variant:ident;)*) => {$(
        impl FromField for $type {
            fn from_field(value: &FieldValue) -> Option<Self> {
                match value {
                    FieldValue::$variant(value) => Some(value.clone()),
                    _ => None,
                }
            }
        }
    )*};
}

read_as! {
    i64: Int;
    bool: Bool;
    Duration: Duration;
    Vec<String>: Texts;
    BTreeMap<String, Vec<String>>: Lists;
}
