//! What fuzzing feeds of this layer: the values of fields, and paths.

use std::sync::Arc;

use serde_json::Value;

use super::field::{Faults, Field, Fields, Kind};
use super::pattern::Pattern;
use crate::base::fuzzing::{assert_hidden, shows_secret};
use crate::vault::Data;

/// Templates of every form.
const TEMPLATES: &[&str] = &[
    "config",
    "roles/?",
    "roles/{name}",
    "roles/{name:at}",
    "issued/{id}/{part?}",
    "encryption-at-rest/azure/{project_id}/apply",
    "rest/{path:any}",
    "rest/{path:all}",
    "maybe/{path:any?}",
    "a.b*c/{name}/?",
];

/// A value as each kind of field takes it: it is never repeated where it is refused, and what was taken
/// is taken again as the same.
pub(crate) fn field_values(value: &Value) {
    for kind in Kind::ALL {
        let declared: Arc<[Field]> = Arc::from([Field::of(kind, "x")]);
        let read = |value: &Value| {
            let data = Data::from_iter([("x".to_owned(), value.clone())]);
            let mut faults = Faults::new();
            let fields = Fields::decode(&declared, data, Vec::new(), &mut faults);
            assert_hidden(&fields);
            let refused = faults.into_result().err();
            let text = refused
                .as_ref()
                .map(|refused| format!("{refused} {refused:?}"));
            assert!(!text.is_some_and(|text| shows_secret(&text)), "{kind:?}");
            refused.is_none().then(|| fields.taken("x"))
        };
        let Some(Some(taken)) = read(value) else {
            continue;
        };
        // Texts are taken apart at commas, and objects keep their own text.
        let is_stable = !matches!(
            kind,
            Kind::TextsOrObjects | Kind::Objects | Kind::CommaTexts
        );
        if is_stable {
            assert_eq!(read(&taken), Some(Some(taken.clone())), "{kind:?}");
        }
    }
}

/// A path against templates of every form: what was found of it makes the same path.
pub(crate) fn path(text: &str) {
    for template in TEMPLATES {
        let pattern = Pattern::new(template);
        let unfit = pattern.unfit_name(text);
        let Some(found) = pattern.matches(text) else {
            continue;
        };
        assert_eq!(pattern.path_of(&found), text, "{template}");
        assert!(unfit.is_none(), "{template}");
        assert_eq!(found.captures.len(), pattern.names().count());
    }
}
