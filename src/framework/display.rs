//! Display attributes: what user interfaces and generators of clients know about a path,
//! operation or field beside its meaning.

use serde_json::{Map, Value};

/// Display attributes. Empty text means not set.
/// Source: `DisplayAttributes` of Vault's SDK framework.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Display {
    /// The label.
    pub name: &'static str,
    /// A description for forms.
    pub description: &'static str,
    /// A sample value.
    pub value: &'static str,
    /// Whether the value is masked.
    pub sensitive: bool,
    /// Whether the path is a starting point of navigation.
    pub navigation: bool,
    /// What the path manages, such as `Role`.
    pub item_type: &'static str,
    /// The group of a form that the field belongs to.
    pub group: &'static str,
    /// What the operation does, such as `Generate`.
    pub action: &'static str,
    /// The editor that suits the field, such as `textarea`.
    pub edit_type: &'static str,
    /// First part of the operation id.
    pub operation_prefix: &'static str,
    /// Second part of the operation id.
    pub operation_verb: &'static str,
    /// Last part of the operation id; alternatives for the variants of a path stand between `|`.
    pub operation_suffix: &'static str,
}

impl Display {
    /// The parts of an operation id; empty ones are taken from the path or made up.
    #[must_use]
    pub fn operation(prefix: &'static str, verb: &'static str, suffix: &'static str) -> Self {
        Self {
            operation_prefix: prefix,
            operation_verb: verb,
            operation_suffix: suffix,
            ..Self::default()
        }
    }

    /// The attributes that go into an `OpenAPI` document; [`None`] if none of them is set.
    pub(super) fn document(&self) -> Option<Value> {
        let texts = [
            ("name", self.name),
            ("description", self.description),
            ("value", self.value),
            ("itemType", self.item_type),
            ("group", self.group),
            ("action", self.action),
            ("editType", self.edit_type),
        ];
        let flags = [
            ("sensitive", self.sensitive),
            ("navigation", self.navigation),
        ];
        let texts = texts
            .into_iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(key, text)| (key.to_owned(), Value::from(text)));
        let flags = flags
            .into_iter()
            .filter(|(_, set)| *set)
            .map(|(key, set)| (key.to_owned(), Value::from(set)));
        let document: Map<String, Value> = texts.chain(flags).collect();
        (!document.is_empty()).then(|| document.into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn operation_parts_are_left_out_of_the_document() {
        assert_eq!(
            Display::operation("prefix", "verb", "suffix").document(),
            None
        );
    }

    #[test]
    fn only_what_is_set_is_shown() {
        let display = Display {
            item_type: "Role",
            sensitive: true,
            ..Display::default()
        };
        assert_eq!(
            display.document(),
            Some(json!({"itemType": "Role", "sensitive": true}))
        );
    }
}
