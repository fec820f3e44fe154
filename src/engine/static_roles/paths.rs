//! `static-roles/`, `static-creds/` and `rotate-role/`.

use std::sync::Arc;

use super::write::{load, name};
use super::{creds, delete, input, rotate, summary, write};
use crate::engine::error::EngineError;
use crate::engine::{Engine, OPERATION_PREFIX, keys};
use crate::framework::{Answer, Call, Display, Field, Page, Path, PathOperation, list};
use crate::vault::{Operation, Response};

/// The paths of static roles.
pub(crate) fn paths() -> Vec<Path<Engine>> {
    vec![
        Path::new("static-roles/?")
            .help(
                "List the static roles.",
                "Names of all static roles of this mount.",
            )
            .display(Display::operation(OPERATION_PREFIX, "list", "static-roles"))
            .fields(Page::fields())
            .on(Operation::List, list_roles)
            .summary(Operation::List, "List the static roles."),
        static_role(),
        static_creds(),
        rotate_role(),
    ]
}

fn static_role() -> Path<Engine> {
    Path::new("static-roles/{name}")
        .help(
            "Manage existing service accounts whose secrets are rotated.",
            "A static role takes an existing service account into the engine's care: a new secret \
             is created when the role says so and verified before readers get it at \
             static-creds/<name>; the old one is deleted in Atlas after the overlap. Absent \
             fields keep their values. Deleting the role leaves the account and its current \
             secret as they are.",
        )
        .display(Display::operation(OPERATION_PREFIX, "", "static-role"))
        .fields(input::fields())
        .exists(exists)
        .on(Operation::Read, read)
        .on_write(write::write)
        .on(Operation::Delete, delete::delete)
        .summary(Operation::Read, "Read a static role.")
        .summary_of_write("Create or update a static role.")
        .summary(
            Operation::Delete,
            "Delete a static role; its service account stays.",
        )
        .writes_forwarded()
}

fn static_creds() -> Path<Engine> {
    Path::new("static-creds/{name}")
        .help(
            "Read the current credential of a static role.",
            "The secret is valid for at least ttl seconds; after a rotation it stays valid for \
             the role's overlap. There is no lease.",
        )
        .display(Display::operation(
            OPERATION_PREFIX,
            "read",
            "static-role-credentials",
        ))
        .field(
            Field::lowercase("name")
                .refuse_upper_case()
                .about("Name of the static role, in lower case."),
        )
        .operation(
            Operation::Read,
            PathOperation::new(creds::read)
                .summary("Read the current credential of a static role.")
                .answers(Answer::new(
                    200,
                    "The current credential.",
                    [
                        Field::text("client_id").about("Client id of the service account."),
                        Field::text("client_secret")
                            .about("Its current secret.")
                            .sensitive(),
                        Field::text("organization_id").about("The organization it belongs to."),
                        Field::time("last_rotated").about("When the secret was published."),
                        Field::time("next_rotation").about(
                            "When it is rotated next, if \
                                     automatically.",
                        ),
                        Field::int("ttl").about(
                            "Seconds until it is replaced or expires, whichever comes first.",
                        ),
                        Field::time("client_secret_expires_at").about("When the secret expires."),
                    ],
                )),
        )
}

fn rotate_role() -> Path<Engine> {
    Path::new("rotate-role/{name}")
        .help(
            "Rotate a static role now.",
            "Creates a new secret, verifies it and publishes it at static-creds/<name>. The \
             replaced secret is deleted in Atlas after the overlap.",
        )
        .display(Display::operation(
            OPERATION_PREFIX,
            "rotate",
            "static-role",
        ))
        .field(
            Field::lowercase("name")
                .refuse_upper_case()
                .about("Name of the static role, in lower case."),
        )
        .field(
            Field::boolean("force")
                .about(
                    "Rotate even right after another rotation, and immediately delete an earlier \
                     secret that is still kept for its users, if it is in the way.",
                )
                .default(false),
        )
        .on(Operation::Update, rotate::rotate)
        .summary(Operation::Update, "Rotate a static role now.")
        .forwarded()
}

async fn exists(engine: Arc<Engine>, call: Call) -> Result<bool, EngineError> {
    Ok(load(&engine, &name(&call)).await?.is_some())
}

async fn list_roles(engine: Arc<Engine>, call: Call) -> Result<Option<Response>, EngineError> {
    let page = Page::of(&call.fields);
    let names = page.keys(&*engine.storage, keys::STATIC_ROLES).await?;
    Ok(Some(list(names)))
}

async fn read(engine: Arc<Engine>, call: Call) -> Result<Option<Response>, EngineError> {
    let entry = load(&engine, &name(&call)).await?;
    let now = engine.clock.now();
    let Some(entry) = entry else {
        return Ok(None);
    };
    Ok(Some(Response {
        warnings: summary::warnings(&engine, &entry, now).await,
        ..Response::data(summary::shown(&entry))
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::engine::testing::TestMount;
    use crate::vault::{Failure, Operation};

    /// Nothing lower-cases the path here, as on a host that does not ask for canonical paths.
    #[tokio::test]
    async fn a_name_in_another_case_is_refused_where_a_rule_could_be_passed_by_it() {
        let mount = TestMount::with_role(json!({})).await;
        let account = mount.atlas.account(json!(["ORG_MEMBER"])).await;
        let role = json!({
            "client_id": account.client_id, "organization_id": mount.atlas.org(),
            "rotation_period": "1d",
        });
        let written = mount.write("static-roles/app", role.clone()).await;
        written.expect("a static role");
        let before = mount.atlas.secrets(&account.client_id).await;
        for (operation, path) in [
            (Operation::Read, "static-creds/APP"),
            (Operation::Read, "static-roles/App"),
            (Operation::Create, "static-roles/NEW"),
            (Operation::Update, "static-roles/aPP"),
            (Operation::Delete, "static-roles/APP"),
            (Operation::Update, "rotate-role/APP"),
            (Operation::Read, "check/READER"),
        ] {
            let refused = mount.ask(operation, path, role.clone()).await;
            assert!(
                matches!(&refused, Err(Failure::BadRequest(text)) if text.contains("lower case")),
                "{path}: {refused:?}"
            );
        }
        mount.read("static-creds/app").await.expect("as it was");
        assert_eq!(mount.atlas.secrets(&account.client_id).await, before);
        // The Go engine takes roles in any case.
        mount.read("roles/READER").await.expect("the role");
        mount.issue("READER").await;
    }
}
