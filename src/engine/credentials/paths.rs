//! `creds/<role>`: a credential for as long as its lease.

use std::sync::Arc;

use serde_json::Value;

use super::issue::issue;
use super::kind::{CredentialKind, KINDS};
use super::renew::renew;
use super::revoke::revoke;
use crate::engine::error::EngineError;
use crate::engine::{Engine, OPERATION_PREFIX};
use crate::framework::{Answer, Call, Display, Field, Path, PathOperation, SecretType};
use crate::vault::{Operation, Response};

/// The path from which credentials are read.
pub(crate) fn paths() -> Vec<Path<Engine>> {
    vec![
        Path::new("creds/{name}")
            .help(
                "Issue a credential of a role.",
                "Reads a programmatic API key, a service account, an access token, an AI model API \
                 key or a database user, as the role says, with the role's access list and projects, where the type has \
                 such. It is deleted or revoked in Atlas \
                 when its lease ends. The lease of an access token cannot be renewed: read a new \
                 one.",
            )
            .display(Display::operation(OPERATION_PREFIX, "generate", ""))
            .field(Field::lowercase("name").about("Name of the role."))
            .operation(
                Operation::Read,
                operation().display(Display::operation("", "", "credentials")),
            )
            .operation(
                Operation::Update,
                operation().display(Display::operation("", "", "credentials2")),
            )
            .forwarded_by_handler(),
    ]
}

fn operation() -> PathOperation<Engine> {
    PathOperation::new(creds)
        .summary("Issue a credential of the role.")
        .answers(Answer::new(
            200,
            "A credential and its lease.",
            answer_fields(),
        ))
}

/// What the types answer, which may have fields in common, and what most of them answer.
fn answer_fields() -> Vec<Field> {
    let mut fields: Vec<Field> = Vec::new();
    let of_types = KINDS.iter().flat_map(|kind| kind.answer_fields());
    let of_all = [
        Field::text("organization_id").about("The organization it belongs to."),
        Field::text("project_id").about("The project it was made for, if any."),
    ];
    for field in of_types.chain(of_all) {
        if fields.iter().all(|known| known.name != field.name) {
            fields.push(field);
        }
    }
    fields
}

async fn creds(engine: Arc<Engine>, call: Call) -> Result<Option<Response>, EngineError> {
    let answer = issue(engine, call).await?;
    if let Some(lease) = answer.as_ref().and_then(|answer| answer.secret.as_ref()) {
        let text = |key: &str| lease.internal_data.get(key).and_then(Value::as_str);
        tracing::info!(
            role = text("role"),
            journal_id = text("journal_id"),
            lease_type = text("secret_type"),
            "credential issued"
        );
    }
    Ok(answer)
}

/// How leases are renewed and revoked, by type.
pub(crate) fn secret_types() -> Vec<SecretType<Engine>> {
    KINDS.map(secret_type).into()
}

fn secret_type(kind: &'static dyn CredentialKind) -> SecretType<Engine> {
    let of = SecretType::new(kind.lease_type(), move |engine, call| {
        revoke(kind, engine, call)
    });
    if kind.is_renewable() {
        of.renew(move |engine, call| renew(kind, engine, call))
    } else {
        of
    }
}
