//! One path of the table at work: a request's fields decoded and commented on.

use std::sync::Arc;

use super::call::Call;
use super::field::{Faults, Field, Fields, Kind, Spelling};
use super::path::Path;
use super::pattern::Match;
use crate::vault::{Data, Failure, Request};

/// A path and the fields that its requests share.
pub(super) struct Row<E> {
    pub(super) path: Path<E>,
    declared: Arc<[Field]>,
}

impl<E: Send + Sync + 'static> Row<E> {
    pub(super) fn new(path: Path<E>) -> Self {
        let declared = path.fields.clone().into();
        Self { path, declared }
    }

    /// Whether a field is of the kind that is lower-cased.
    pub(super) fn lower_cases(&self, name: &str) -> bool {
        let lower = Kind::LowercaseText;
        self.declared
            .iter()
            .any(|field| field.name == name && field.kind == lower)
    }

    /// Names in the path that are not spelled as the path's fields ask.
    pub(super) fn misspelled(&self, found: &Match) -> Faults {
        let mut faults = Faults::new();
        let strict = self
            .declared
            .iter()
            .filter(|field| field.spelling == Spelling::LowerCase);
        for field in strict {
            let mut captured = found
                .captures
                .iter()
                .filter(|(name, _)| *name == field.name);
            if captured.any(|(_, value)| *value != value.to_lowercase()) {
                faults.add(
                    field.name,
                    "must be in lower case in the path, as policies apply to the path as it is \
                     written",
                );
            }
        }
        faults
    }

    /// Decodes the fields; all that is wrong with them, and what was found before, is one failure.
    pub(super) fn call(
        &self,
        request: Request,
        found: Match,
        mut faults: Faults,
    ) -> Result<Call, Failure> {
        let fields = Fields::decode(&self.declared, request.data, found.captures, &mut faults);
        faults.into_result()?;
        Ok(Call {
            operation: request.operation,
            path: request.path,
            fields,
            caller: request.caller,
            mount_point: request.mount_point,
            display_name: request.display_name,
            entity_id: request.entity_id,
            remote_address: request.remote_address,
        })
    }

    /// What of the body goes unheard. The texts are those of Vault's SDK.
    pub(super) fn warnings(&self, body: &Data, found: &Match) -> Vec<String> {
        let declared = |name: &str| self.declared.iter().any(|field| field.name == name);
        let unknown = body.keys().filter(|name| !declared(name));
        let unknown = names(unknown.map(String::as_str));
        let replaced = found.captures.iter().map(|(name, _)| *name);
        let given = |name: &&str| body.get(*name).is_some_and(|value| !value.is_null());
        let replaced = names(replaced.filter(given));
        let ignored =
            unknown.map(|names| format!("Endpoint ignored these unrecognized parameters: {names}"));
        let replaced = replaced.map(|names| {
            format!(
                "Endpoint replaced the value of these parameters with the values captured from \
                 the endpoint's path: {names}"
            )
        });
        ignored.into_iter().chain(replaced).collect()
    }
}

/// Names, sorted, as Go prints a list; [`None`] if there are none.
fn names<'a>(names: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    (!names.is_empty()).then(|| format!("[{}]", names.join(" ")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::framework::toy::{ToyMount, answer, ask, data, failure, framework, request};
    use crate::vault::{Backend, Operation};

    #[tokio::test]
    async fn what_goes_unheard_is_warned_of() {
        let body = json!({"name": "other", "zeta": 1, "alpha": null, "ttl": 0});
        let answer = answer(Operation::Read, "roles/PROD", body).await;
        assert_eq!(answer.data, Some(data(json!({"name": "prod"}))));
        assert_eq!(
            answer.warnings,
            [
                "Endpoint ignored these unrecognized parameters: [alpha zeta]",
                "Endpoint replaced the value of these parameters with the values captured from \
                 the endpoint's path: [name]",
            ]
        );
    }

    /// A write that answers nothing else still answers its warnings; a read stays 404.
    #[tokio::test]
    async fn warnings_come_where_the_answer_is_otherwise_empty() {
        let want = "Endpoint ignored these unrecognized parameters: [alpha zeta]";
        let body = || json!({"zeta": 1, "alpha": 2});
        for (operation, path) in [(Operation::Update, "mixed"), (Operation::Delete, "roles/a")] {
            let answer = answer(operation, path, body()).await;
            assert_eq!(answer.warnings, [want], "{operation:?} {path}");
            assert!(answer.data.is_none());
            let asked = request(operation, path, json!({}));
            let quiet = ask(&ToyMount::new(), asked).await.expect("succeeds");
            assert!(quiet.is_none(), "{operation:?} {path}");
        }
        let read = request(Operation::Read, "mixed", body());
        let read = ask(&ToyMount::new(), read).await.expect("succeeds");
        assert!(read.is_none(), "a read that finds nothing is 404");
    }

    #[tokio::test]
    async fn what_is_heard_is_not_warned_of() {
        let answer = answer(
            Operation::Read,
            "roles/a",
            json!({"name": null, "ttl": 1, "max_ttl": 2}),
        )
        .await;
        assert!(answer.warnings.is_empty(), "{:?}", answer.warnings);
    }

    #[tokio::test]
    async fn faults_of_kinds_are_one_answer() {
        let body = json!({"max_ttl": -1, "ttl": "hidden"});
        assert_eq!(
            failure(Operation::Create, "roles/a", body).await,
            Failure::BadRequest(
                "Field validation failed: ttl: not a duration; give seconds, or a number with a \
                 unit such as 90s, 30m, 2h or 1d; max_ttl: a duration cannot be negative"
                    .to_owned()
            )
        );
    }

    #[tokio::test]
    async fn existence_is_reported_where_it_is_known() {
        let framework = framework(&ToyMount::new());
        for (path, want) in [
            ("roles/known", Ok(Some(true))),
            ("roles/KNOWN", Ok(Some(true))),
            ("roles/new", Ok(Some(false))),
            ("creds/a", Ok(None)),
            ("nowhere", Err(Failure::UnsupportedPath)),
        ] {
            let asked = request(Operation::Update, path, json!({"ttl": 9}));
            assert_eq!(framework.exists(asked).await, want, "{path}");
        }
        let wrong = request(Operation::Update, "roles/a", json!({"ttl": []}));
        assert!(matches!(
            framework.exists(wrong).await,
            Err(Failure::BadRequest(_))
        ));
    }
}
