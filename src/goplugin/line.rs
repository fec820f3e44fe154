//! One log line in the form that go-plugin hosts parse: hclog's JSON.
//!
//! A host crashes on a line that is a JSON object in which `@level`, `@message` or `@timestamp` is
//! not a string (go-plugin v1.8.0, `log_entry.go`), and shows a line longer than 64 KiB in raw
//! pieces. So both are made impossible here, whatever is logged.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use tracing::{
    Level,
    field::{Field, Visit},
};

/// Longest text in a line, the message included; what is beyond is cut off.
const MAX_TEXT_BYTES: usize = 4096;
/// A longer line loses its fields. The host's limit is 65536.
const MAX_LINE_BYTES: usize = 32 * 1024;
const CUT: &str = "...";

/// What one event or span says, in the order it said it.
#[derive(Debug, Default, Clone)]
pub(crate) struct Fields {
    message: String,
    values: Map<String, Value>,
}

impl Fields {
    /// A message without further fields.
    pub(crate) fn message(text: impl Into<String>) -> Self {
        Self {
            message: shortened(text.into()),
            values: Map::new(),
        }
    }

    /// Adds what `outer` says and `self` does not.
    pub(crate) fn inherit(&mut self, outer: &Self) {
        for (name, value) in &outer.values {
            self.values
                .entry(name.clone())
                .or_insert_with(|| value.clone());
        }
    }

    /// Sets a field; a name that starts like the reserved ones loses that start.
    pub(crate) fn set(&mut self, name: &str, value: Value) {
        let name = name.trim_start_matches('@').trim_start_matches("r#");
        self.values.insert(name.to_owned(), value);
    }

    fn text(&mut self, field: &Field, text: String) {
        let text = shortened(text);
        if field.name() == "message" {
            self.message = text;
        } else {
            self.set(field.name(), Value::String(text));
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.text(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value.to_owned());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.text(field, value.to_string());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field.name(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field.name(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field.name(), value.into());
    }
}

/// The line, newline included.
pub(crate) fn render(at: DateTime<Utc>, level: Level, module: &str, fields: Fields) -> Vec<u8> {
    let Fields { message, values } = fields;
    let mut object = values;
    set_reserved(&mut object, at, level, module, &message);
    let line = to_line(&object);
    if line.len() <= MAX_LINE_BYTES {
        return line;
    }
    let mut object = Map::new();
    set_reserved(&mut object, at, level, module, &message);
    object.insert("fields_cut".to_owned(), Value::Bool(true));
    to_line(&object)
}

fn set_reserved(
    object: &mut Map<String, Value>,
    at: DateTime<Utc>,
    level: Level,
    module: &str,
    message: &str,
) {
    let level = level.as_str().to_ascii_lowercase();
    // Exactly six digits: a host takes no other precision.
    let timestamp = at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
    for (name, text) in [
        ("@level", level.as_str()),
        ("@message", message),
        ("@module", module),
        ("@timestamp", timestamp.as_str()),
    ] {
        object.insert(name.to_owned(), Value::String(text.to_owned()));
    }
}

fn to_line(object: &Map<String, Value>) -> Vec<u8> {
    // Keys are strings and values are JSON already, so that writing to memory does not fail.
    let mut line = serde_json::to_vec(object).unwrap_or_default();
    line.push(b'\n');
    line
}

fn shortened(mut text: String) -> String {
    if text.len() > MAX_TEXT_BYTES {
        text.truncate(text.floor_char_boundary(MAX_TEXT_BYTES - CUT.len()));
        text.push_str(CUT);
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(line: &[u8]) -> Map<String, Value> {
        assert!(line.len() < 64 * 1024, "{} bytes", line.len());
        let text = line.strip_suffix(b"\n").expect("ends in a newline");
        assert!(!text.contains(&b'\n'), "one line");
        serde_json::from_slice(text).expect("a JSON object")
    }

    fn moment() -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000, 5_000).expect("a moment")
    }

    #[test]
    fn a_line_has_the_four_keys_and_six_digits() {
        let mut fields = Fields::message("hello");
        fields.set("count", 3.into());
        let line = render(moment(), Level::WARN, "engine", fields);
        let want = r#"{"@level":"warn","@message":"hello","@module":"engine","@timestamp":"2023-11-14T22:13:20.000005Z","count":3}"#;
        assert_eq!(parsed(&line), parsed(format!("{want}\n").as_bytes()));
    }

    #[test]
    fn fields_cannot_take_the_place_of_reserved_keys() {
        let mut fields = Fields::message("hello");
        fields.set("@message", 5.into());
        fields.set("@level", Value::Null);
        let object = parsed(&render(moment(), Level::INFO, "m", fields));
        assert_eq!(object["@message"], "hello");
        assert_eq!(object["@level"], "info");
        assert_eq!(object["message"], 5);
    }

    #[test]
    fn a_line_of_many_long_fields_is_cut() {
        let mut fields = Fields::message("\u{1}".repeat(10_000));
        for index in 0..100 {
            fields.set(&format!("f{index}"), "x".repeat(4000).into());
        }
        let object = parsed(&render(moment(), Level::INFO, "m", fields));
        assert_eq!(object["fields_cut"], true);
    }

    proptest! {
        #[test]
        fn any_text_makes_a_line_that_a_host_can_read(
            message in any::<String>(), name in any::<String>(), value in any::<String>(), number in any::<f64>(),
        ) {
            let mut fields = Fields::message(message);
            fields.set(&name, value.into());
            fields.set("number", number.into());
            let object = parsed(&render(moment(), Level::ERROR, "m", fields));
            for key in ["@level", "@message", "@module", "@timestamp"] {
                prop_assert!(object[key].is_string());
            }
        }
    }
}
