//! `encryption-at-rest/migrations/…`: its table and what asks nothing of Atlas.

use std::sync::Arc;

use super::entry::{MigrationEntry, State};
use super::store::{Outcome, change, forget_unreadable, load};
use super::{input, orders, shown};
use crate::engine::error::{EncryptionError, EngineError};
use crate::engine::{Engine, OPERATION_PREFIX, keys};
use crate::framework::{Answer, Call, Display, Field, Page, Path, PathOperation, list};
use crate::vault::failure::chain;
use crate::vault::{Operation, Response};

/// The paths of migrations.
pub(in super::super) fn paths() -> Vec<Path<Engine>> {
    let write = PathOperation::new(orders::write)
        .summary("Plan, start, pause, resume or roll back a migration.")
        .answers(Answer::new(200, "How it stands.", shown::answer()));
    let read = PathOperation::new(read)
        .summary("Read how a migration stands.")
        .answers(Answer::new(200, "How it stands.", shown::answer()));
    vec![
        Path::new("encryption-at-rest/migrations/?")
            .help(
                "List the migrations of projects to a service principal.",
                "Names of all migrations.",
            )
            .display(Display::operation(
                OPERATION_PREFIX,
                "list",
                "azure-key-vault-migrations",
            ))
            .fields(Page::fields())
            .on(Operation::List, list_migrations)
            .summary(Operation::List, "List the migrations."),
        Path::new("encryption-at-rest/migrations/{name}")
            .help(
                "Change many projects over to a service principal, one after the other.",
                "A write asks Atlas how each project stands, and changes nothing; the answer has a \
                 row for each and the commands that grant the principal the use of the keys. \
                 action=start registers the principal in all projects that are ready, changes the \
                 canary and watches it to the end, then changes the others one by one, private \
                 ones last. It stops at max_failures and goes on with action=resume. \
                 action=rollback changes back what it changed, where a static secret is in \
                 keeping.",
            )
            .display(Display::operation(
                OPERATION_PREFIX,
                "",
                "azure-key-vault-migration",
            ))
            .fields(input::fields())
            .field(
                Field::boolean("force")
                    .about("On delete: also where the entry cannot be read.")
                    .query(),
            )
            .exists(exists)
            .operation(Operation::Read, read)
            .operation(Operation::Create, write.clone())
            .operation(Operation::Update, write)
            .on(Operation::Delete, delete)
            .summary(
                Operation::Delete,
                "Forget a migration; its projects stay as they are.",
            )
            .writes_forwarded(),
    ]
}

pub(super) fn name(call: &Call) -> String {
    call.fields.captured("name").to_ascii_lowercase()
}

async fn exists(engine: Arc<Engine>, call: Call) -> Result<bool, EngineError> {
    Ok(load(&engine, &name(&call)).await?.is_some())
}

async fn list_migrations(engine: Arc<Engine>, call: Call) -> Result<Option<Response>, EngineError> {
    let page = Page::of(&call.fields);
    let names = page.keys(&*engine.storage, keys::AZURE_MIGRATIONS).await?;
    Ok(Some(list(names)))
}

/// From storage alone.
async fn read(engine: Arc<Engine>, call: Call) -> Result<Option<Response>, EngineError> {
    let entry = load(&engine, &name(&call)).await?;
    match entry {
        Some(entry) => Ok(Some(orders::answer(&engine, &entry).await?)),
        None => Ok(None),
    }
}

async fn delete(engine: Arc<Engine>, call: Call) -> Result<Option<Response>, EngineError> {
    let name = name(&call);
    let deleted = change(&engine, &name, |entry| {
        // A plan changes nothing, and may last as long as Atlas does not answer.
        let is_at_work =
            |entry: &MigrationEntry| entry.state.is_at_work() && entry.state != State::Planning;
        if let Some(entry) = entry.filter(is_at_work) {
            let state = entry.state.name();
            return Err(EncryptionError::MigrationAtWork { state }.into());
        }
        Ok(Outcome::Delete(None))
    });
    match deleted.await {
        Err(error @ EngineError::Unreadable { .. })
            if call.fields.boolean("force").unwrap_or(false) =>
        {
            forget_unreadable(&engine, &name).await?;
            tracing::warn!(
                name,
                error = chain(&error),
                "an unreadable migration of encryption at rest was deleted, as somebody ordered"
            );
            let warning = "the entry could not be read, so it is not known which projects the migration \
                           has changed, and what it has begun may go on: each project's own entry still \
                           says how it stands, and apply and rollback of it work";
            Ok(Some(Response {
                warnings: vec![warning.to_owned()],
                ..Response::default()
            }))
        }
        outcome => outcome,
    }
}
