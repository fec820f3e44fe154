//! The fields of one request: which are given, and typed reads of their values.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::collections::opened;
use super::decode::decode;
use super::faults::Faults;
use super::kind::{EmptyText, Field};
use super::value::{FieldValue, FromField};
use crate::vault::Data;

const MUST_BE_FILLED: &str = "must not be empty; leave it out to keep what is stored";

/// The decoded fields of one request. A field that is absent, one that is `null` and one that is
/// zero are three different things: an update changes only what is given.
///
/// `Debug` shows names alone: values may be secret.
#[derive(Clone)]
pub(crate) struct Fields {
    declared: Arc<[Field]>,
    given: BTreeMap<&'static str, Given>,
}

#[derive(Clone)]
struct Given {
    /// [`None`]: the kind takes `null` as not given.
    value: Option<FieldValue>,
    null: bool,
    /// Keys of an object whose value is `null`, which a patch removes.
    null_keys: BTreeSet<String>,
    from_path: bool,
    empty_text: bool,
}

fn is_empty_text(raw: &Value) -> bool {
    raw.as_str().is_some_and(|text| text.trim().is_empty())
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Fields").field(&self.given.keys()).finish()
    }
}

impl Fields {
    /// Decodes what `data` and `captures` give of the declared fields; captures win. What is
    /// wrong goes to `faults` and counts as absent.
    pub(crate) fn decode(
        declared: &Arc<[Field]>,
        mut data: Data,
        captures: Vec<(&'static str, String)>,
        faults: &mut Faults,
    ) -> Self {
        let mut captures: BTreeMap<_, _> = captures.into_iter().collect();
        let mut given = BTreeMap::new();
        for field in declared.iter() {
            let (raw, from_path) = match (captures.remove(field.name), data.remove(field.name)) {
                (Some(text), _) => (Value::String(text), true),
                (None, Some(raw)) => (raw, false),
                (None, None) => continue,
            };
            let raw = opened(field.kind, raw);
            let empty_text = is_empty_text(&raw);
            if empty_text && field.empty_text == EmptyText::Refused {
                faults.add(field.name, MUST_BE_FILLED);
                continue;
            }
            let (null, null_keys) = (raw.is_null(), null_keys(&raw));
            let decoded = if null && field.is_on_by_default() {
                Ok(None)
            } else {
                decode(field.kind, raw)
            };
            match decoded {
                Ok(value) => {
                    let entry = Given {
                        value,
                        null,
                        null_keys,
                        from_path,
                        empty_text,
                    };
                    given.insert(field.name, entry);
                }
                Err(reason) => faults.add(field.name, reason),
            }
        }
        Self {
            declared: Arc::clone(declared),
            given,
        }
    }

    /// What was taken of a field, in its JSON form.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn taken(&self, name: &str) -> Option<Value> {
        Some(self.present(name)?.clone().into_json())
    }

    fn field(&self, name: &str) -> Option<&Field> {
        let field = self.declared.iter().find(|field| field.name == name);
        debug_assert!(field.is_some(), "the path declares no field {name:?}");
        field
    }

    fn present(&self, name: &str) -> Option<&FieldValue> {
        self.field(name)?;
        self.given.get(name)?.value.as_ref()
    }

    /// Whether the request holds the field as `null`, which in a patch means: remove.
    #[must_use]
    pub(crate) fn is_null(&self, name: &str) -> bool {
        self.given.get(name).is_some_and(|given| given.null)
    }

    /// Whether the request holds the field as an empty text, as a variable that is not set gives.
    #[must_use]
    pub(crate) fn is_empty_text(&self, name: &str) -> bool {
        self.given.get(name).is_some_and(|given| given.empty_text)
    }

    /// The value as `T`, if it is given. A field of another kind reads as absent.
    fn read<T: FromField>(&self, name: &str) -> Option<T> {
        self.present(name).and_then(T::from_field)
    }

    /// The text of a field of any kind of text.
    #[must_use]
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match self.present(name)? {
            FieldValue::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The trimmed text of a field that may be left out but not be empty: a variable that is not set
    /// gives an empty text, and that must not pass for "unchanged".
    pub(crate) fn filled(&self, name: &'static str, faults: &mut Faults) -> Option<&str> {
        let text = self.text(name)?.trim();
        if text.is_empty() {
            faults.add(name, MUST_BE_FILLED);
            return None;
        }
        Some(text)
    }

    /// The text of a field that is part of the path, or else empty.
    #[must_use]
    pub(crate) fn captured(&self, name: &str) -> &str {
        self.text(name).unwrap_or_default()
    }

    /// True or false.
    #[must_use]
    pub(crate) fn boolean(&self, name: &str) -> Option<bool> {
        self.read(name)
    }

    /// An integer.
    #[must_use]
    pub(crate) fn int(&self, name: &str) -> Option<i64> {
        self.read(name)
    }

    /// A duration of whole seconds.
    #[must_use]
    pub(crate) fn duration(&self, name: &str) -> Option<Duration> {
        self.read(name)
    }

    /// A list of text.
    #[must_use]
    pub(crate) fn list(&self, name: &str) -> Option<Vec<String>> {
        self.read(name)
    }

    /// A map of lists of text.
    #[must_use]
    pub(crate) fn map_of_lists(&self, name: &str) -> Option<BTreeMap<String, Vec<String>>> {
        self.read(name)
    }

    /// What the body (not the path) gives, each field as the JSON of its decoded value, with
    /// `null` where the body says `null`: the patch of RFC 7396.
    pub(crate) fn patch(&self) -> Data {
        let from_body = self.given.iter().filter(|(_, given)| !given.from_path);
        let each = from_body.map(|(name, given)| {
            let mut json = match &given.value {
                Some(value) if !given.null => value.clone().into_json(),
                _ => Value::Null,
            };
            if let Value::Object(map) = &mut json {
                map.extend(given.null_keys.iter().map(|key| (key.clone(), Value::Null)));
            }
            ((*name).to_owned(), json)
        });
        each.collect()
    }
}

fn null_keys(raw: &Value) -> BTreeSet<String> {
    let Value::Object(map) = raw else {
        return BTreeSet::new();
    };
    let nulls = map.iter().filter(|(_, value)| value.is_null());
    nulls.map(|(key, _)| key.clone()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::framework::toy::{data, fields_of};

    fn declared() -> Vec<Field> {
        vec![
            Field::lowercase("name"),
            Field::text("private_key").sensitive(),
            Field::seconds("ttl").default("1h"),
            Field::seconds("max_ttl"),
            Field::comma_texts("roles"),
            Field::boolean("force"),
            Field::boolean("dry_run").default(true),
            Field::int("count").default(3),
            Field::map_of_lists("assignments"),
            Field::time("after"),
        ]
    }

    #[test]
    fn absent_null_and_zero_are_three_things() {
        let fields = fields_of(
            declared(),
            json!({"ttl": null, "max_ttl": 0, "roles": null}),
        );
        assert_eq!(fields.duration("ttl"), None);
        assert!(fields.is_null("ttl"));
        assert_eq!(fields.duration("max_ttl"), Some(Duration::ZERO));
        assert!(!fields.is_null("max_ttl"));
        assert_eq!(fields.list("roles"), Some(vec![]));
        assert!(fields.is_null("roles"));
        assert_eq!(fields.boolean("force"), None);
        assert!(!fields.is_null("force"));
    }

    /// A variable that is not set, and a client's field that is not set, switch nothing off.
    #[test]
    fn what_is_on_by_default_is_switched_off_by_nothing_but_a_value() {
        for (value, want) in [(json!(false), false), (json!("0"), false), (json!(1), true)] {
            let fields = fields_of(declared(), json!({ "dry_run": value }));
            assert_eq!(fields.boolean("dry_run"), Some(want), "{value}");
        }
        let null = fields_of(declared(), json!({ "dry_run": null, "force": null }));
        assert_eq!(null.boolean("dry_run"), None);
        assert_eq!(null.boolean("force"), Some(false), "off by default");
        for empty in ["", " "] {
            let mut faults = Faults::new();
            let body = data(json!({ "dry_run": empty }));
            Fields::decode(&declared().into(), body, Vec::new(), &mut faults);
            let told = faults.to_string();
            assert!(told.contains("dry_run: must not be empty"), "{told}");
        }
    }

    #[test]
    fn values_are_read_as_their_types() {
        let body = json!({
            "private_key": "k", "roles": "a,b", "force": "true", "count": 7,
            "assignments": {"p": ["x"]}, "after": 0,
        });
        let fields = fields_of(declared(), body);
        assert_eq!(fields.text("private_key"), Some("k"));
        assert_eq!(
            fields.list("roles"),
            Some(vec!["a".to_owned(), "b".to_owned()])
        );
        assert_eq!(fields.boolean("force"), Some(true));
        assert_eq!(fields.int("count"), Some(7));
        let assignments = fields.map_of_lists("assignments").expect("is given");
        assert_eq!(assignments["p"], ["x"]);
        assert_eq!(fields.patch()["after"], "1970-01-01T00:00:00Z");
        assert_eq!(fields.read::<bool>("count"), None, "of another kind");
    }

    #[test]
    fn captures_win_and_are_decoded() {
        let declared: Arc<[Field]> = declared().into();
        let captures = vec![("name", "PROD".to_owned())];
        let body = data(json!({"name": "other"}));
        let mut faults = Faults::new();
        let fields = Fields::decode(&declared, body, captures, &mut faults);
        assert!(faults.is_empty());
        assert_eq!(fields.captured("name"), "prod");
        assert!(fields.patch().is_empty(), "the path is no part of a patch");
    }

    #[test]
    fn all_faults_are_collected() {
        let body = data(json!({"ttl": "-1s", "force": "maybe", "count": 1}));
        let mut faults = Faults::new();
        let fields = Fields::decode(&declared().into(), body, Vec::new(), &mut faults);
        assert_eq!(
            faults.to_string(),
            "Field validation failed: ttl: a duration cannot be negative; \
             force: must be true or false"
        );
        assert_eq!(fields.duration("ttl"), None);
        assert_eq!(fields.int("count"), Some(1));
    }

    #[test]
    fn debug_shows_names_alone() {
        let fields = fields_of(declared(), json!({"private_key": "hidden"}));
        let shown = format!("{fields:?}");
        assert!(
            shown.contains("private_key") && !shown.contains("hidden"),
            "{shown}"
        );
    }
}
