//! `OpenAPI` schemas of fields. Source: `convertType` of Vault's SDK framework.

use serde_json::{Map, Value, json};

use super::field::{Field, Kind};

/// An object with these properties; [`None`] without any.
pub(super) fn object_schema<'f>(fields: impl Iterator<Item = &'f Field>) -> Option<Value> {
    let mut required: Vec<&str> = Vec::new();
    let mut properties = Map::new();
    for field in fields {
        if field.required {
            required.push(field.name);
        }
        properties.insert(field.name.to_owned(), property(field));
    }
    let schema = object([
        ("type", "object".into()),
        ("required", required.into()),
        ("properties", properties.clone().into()),
    ]);
    (!properties.is_empty()).then(|| schema.into())
}

fn property(field: &Field) -> Value {
    let mut schema = schema_of(field.kind);
    schema.extend(object([
        ("description", field.description.into()),
        ("enum", field.allowed.into()),
        ("default", field.default.clone().into()),
        ("deprecated", field.deprecated.into()),
        ("x-vault-displayAttrs", display(field)),
    ]));
    schema.into()
}

/// A parameter in `path` or `query`.
pub(super) fn parameter(field: &Field, place: &str, required: bool) -> Value {
    let mut schema = schema_of(field.kind);
    schema.extend(object([
        ("enum", field.allowed.into()),
        ("default", field.default.clone().into()),
        ("x-vault-displayAttrs", display(field)),
    ]));
    object([
        ("name", field.name.into()),
        ("description", field.description.into()),
        ("in", place.into()),
        ("schema", schema.into()),
        ("required", required.into()),
        ("deprecated", field.deprecated.into()),
    ])
    .into()
}

/// What user interfaces know of a field: whether to mask it.
fn display(field: &Field) -> Value {
    if field.sensitive {
        json!({"sensitive": true})
    } else {
        Value::Null
    }
}

fn schema_of(kind: Kind) -> Map<String, Value> {
    let (base, format, items) = match kind {
        Kind::Text => ("string", "", ""),
        Kind::LowercaseText => ("string", "lowercase", ""),
        Kind::Int => ("integer", "", ""),
        Kind::Bool => ("boolean", "", ""),
        Kind::Seconds => ("integer", "seconds", ""),
        Kind::Time => ("string", "date-time", ""),
        Kind::Map | Kind::MapOfLists => ("object", "map", ""),
        Kind::Texts | Kind::CommaTexts | Kind::TextsOrObjects => ("array", "", "string"),
        Kind::Objects => ("array", "", "object"),
    };
    let items = (!items.is_empty()).then(|| json!({"type": items}));
    object([
        ("type", base.into()),
        ("format", format.into()),
        ("items", items.into()),
    ])
}

/// An object of those entries that say something.
pub(super) fn object<const N: usize>(entries: [(&str, Value); N]) -> Map<String, Value> {
    let says_something = |value: &Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(values) => !values.is_empty(),
        _ => true,
    };
    let entries = entries.into_iter();
    let entries = entries.filter(|(_, value)| says_something(value));
    entries
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_schema() {
        for (kind, want) in [
            (Kind::Text, json!({"type": "string"})),
            (
                Kind::LowercaseText,
                json!({"type": "string", "format": "lowercase"}),
            ),
            (Kind::Int, json!({"type": "integer"})),
            (Kind::Bool, json!({"type": "boolean"})),
            (
                Kind::Seconds,
                json!({"type": "integer", "format": "seconds"}),
            ),
            (Kind::Time, json!({"type": "string", "format": "date-time"})),
            (Kind::Map, json!({"type": "object", "format": "map"})),
            (Kind::MapOfLists, json!({"type": "object", "format": "map"})),
            (
                Kind::Texts,
                json!({"type": "array", "items": {"type": "string"}}),
            ),
            (
                Kind::CommaTexts,
                json!({"type": "array", "items": {"type": "string"}}),
            ),
            (
                Kind::Objects,
                json!({"type": "array", "items": {"type": "object"}}),
            ),
        ] {
            assert_eq!(Value::from(schema_of(kind)), want, "{kind:?}");
        }
    }

    #[test]
    fn an_object_without_properties_is_none() {
        assert_eq!(object_schema([].into_iter()), None);
    }
}
